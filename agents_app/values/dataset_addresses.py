"""Reads addresses of Power BI pages: which tenant, workspace and dataset they name."""

import re

from agents_app.values.addresses import Parts
from agents_app.values.pasted import read_uuid, unwrap

UUID = r"([0-9a-fA-F-]{36})(?![0-9a-fA-F-])"
# The hosts of each of Microsoft's clouds, by the value of the field `cloud`.
PAGES = re.compile(
    r"""
    https:// (?: (?P<public>app\.(?:powerbi|fabric\.microsoft)\.com) | (?P<china>app\.powerbi\.cn)
    | (?P<usgovhigh>app\.high\.powerbigov\.us) | (?P<usgovmil>app\.mil\.powerbigov\.us)
    | (?P<usgov>app\.(?:[a-z]+\.)?powerbigov\.us) ) /
    """,
    re.IGNORECASE | re.VERBOSE,
)
PLACES = {
    "tenant_id": re.compile(rf"[?&]ctid={UUID}"),
    "workspace_id": re.compile(rf"/(?:groups|onelake/details)/{UUID}"),
    "dataset_id": re.compile(rf"/(?:datasets?|semanticmodels?|modeling)/{UUID}"),
}


def read_dataset(text: str) -> Parts | None:
    """The ids in the address of a workspace or dataset. None if the text is not such an address."""
    address = unwrap(text)
    found = PAGES.match(address)
    if not found:
        return None
    ids = {name: read_uuid(place[1]) for name, pattern in PLACES.items() if (place := pattern.search(address))}
    values = {name: value for name, value in ids.items() if value}
    # The public cloud is the default of the field.
    cloud = {"cloud": found.lastgroup} if found.lastgroup and found.lastgroup != "public" else {}
    return Parts(values | cloud) if values else None
