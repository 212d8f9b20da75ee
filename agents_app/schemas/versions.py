"""What a valid query of one version of an agent is, and the cursor of the list of versions."""

import base64
import binascii
import json
from typing import Annotated

from agents_app.errors import Malformed
from agents_app.values.fields import Schema, field
from agents_app.values.rules import whole_number

VERSION_MAX = 2**31 - 1
SORT = "-version"


class CompareQuery(Schema):
    """A query of one version."""

    compare: Annotated[int | None, whole_number("Compare", 1, VERSION_MAX)] = field(
        "Compare", "The number of the version to compare with. Without it, the version before.", default=None
    )


def make_cursor(version: int) -> str:
    """The cursor of the page after this version: base64url of JSON `[sort, version]`."""
    return base64.urlsafe_b64encode(json.dumps([SORT, version]).encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> int:
    """The version of a cursor. Raises Malformed."""
    try:
        sort, version = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if sort != SORT or type(version) is not int or not 1 < version <= VERSION_MAX:
            raise ValueError
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise Malformed("The cursor is not valid. Start again without a cursor.", code="bad_cursor") from None
    return version
