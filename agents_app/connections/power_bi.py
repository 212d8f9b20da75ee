"""The connection type POWERBI: one dataset in one workspace, queried by a service principal."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from agents_app.connections.base import Connection
from agents_app.values import limits
from agents_app.values.address_rules import DATASET, DATASET_USER, AddressReader, not_a_dataset_address, plain_name
from agents_app.values.fields import Rule, field, refusal
from agents_app.values.host_names import is_host_name
from agents_app.values.pasted import name_odd_character, read_uuid, unwrap, without_invisible
from agents_app.values.pem import certificates, private_key
from agents_app.values.rules import (
    calendar_date,
    choice,
    generated_secret,
    is_uuid,
    list_of_lines,
    secret,
    uuid_text,
    whole_number,
)
from agents_app.values.text import refuse_direction_marks, require_text

SECRET_MAX = 500
# The maximum number of rows of one executeQueries call (Power BI REST API, limitations of Execute Queries).
ROWS_MAX = 100_000
KEY_BELONGS = "Put the private key in the field Private key. The field Certificate takes the certificate only."
A_USER = "This looks like an address. Write only the name of the user, such as ada@example.org."
CERTIFICATE_BELONGS = "Paste the certificate in the field Certificate. This field takes the private key only."


class AuthMethod(StrEnum):
    """How the service principal authenticates."""

    CLIENT_SECRET = "client_secret"
    CERTIFICATE = "certificate"


class Cloud(StrEnum):
    """The Microsoft cloud, from which the hosts follow. The names are those of Microsoft's tools for Power BI."""

    PUBLIC = "public"
    CHINA = "china"
    USGOV = "usgov"
    USGOVHIGH = "usgovhigh"
    USGOVMIL = "usgovmil"


AUTH_METHOD_LABELS = {AuthMethod.CLIENT_SECRET: "Client secret", AuthMethod.CERTIFICATE: "Certificate"}
CLOUD_LABELS = {
    Cloud.PUBLIC: "Public",
    Cloud.CHINA: "China",
    Cloud.USGOV: "US Government (GCC)",
    Cloud.USGOVHIGH: "US Government (GCC High)",
    Cloud.USGOVMIL: "US Government (DoD)",
}


def _tenant(value: object) -> str:
    text = require_text(value)
    refuse_direction_marks(unwrap(text))
    bare = without_invisible(unwrap(text)).lower()
    if found := read_uuid(text):
        return found
    if not (is_host_name(bare) and "." in bare):
        raise refusal(
            name_odd_character("Write the tenant's UUID or its domain, such as contoso.onmicrosoft.com.", bare)
        )
    return bare


def _client_secret(value: object) -> str:
    text = str(generated_secret(SECRET_MAX, is_ascii=False).check(value))
    if is_uuid(text):
        # Entra refuses such a value with AADSTS7000215.
        raise refusal("This looks like the secret's ID. Paste the secret's value, which is shown once when it is made.")
    return text


class PowerBiConnection(Connection):
    """A semantic model (dataset) and the service principal that queries it."""

    label: ClassVar[str] = "Power BI"
    summary: ClassVar[str] = "A dataset in a workspace, by service principal"
    icon: ClassVar[str] = "chart-column"
    colour: ClassVar[str] = "amber"
    example: ClassVar[dict[str, Any]] = {
        "tenant_id": "contoso.example.org",
        "client_id": "6f9619ff-8b86-4011-b42d-00c04fc964ff",
        "client_secret": "the value of the client secret",
        "workspace_id": "0c0ffee0-1111-4222-8333-444455556666",
        "dataset_id": "0da7a5e7-1111-4222-8333-444455556666",
    }
    groups: ClassVar[dict[str, str]] = {
        "row_security": "Row-level security of the dataset",
        "expiry": "Expiry of the secret or certificate",
        "limits": "Cloud, limits and allowed tables",
    }
    title_fields: ClassVar[tuple[str, ...]] = ("dataset_id", "workspace_id")
    needed: ClassVar[Mapping[str, tuple[str, ...]]] = {
        AuthMethod.CLIENT_SECRET: ("client_secret",),
        AuthMethod.CERTIFICATE: ("certificate_pem", "private_key_pem"),
    }
    not_tested: ClassVar[tuple[str, ...]] = ("credential_expires_at",)
    addresses: ClassVar[Mapping[str, AddressReader]] = {
        **dict.fromkeys(("tenant_id", "workspace_id", "dataset_id"), DATASET),
        "impersonated_user_name": DATASET_USER,
    }

    tenant_id: Annotated[str, not_a_dataset_address(Rule(_tenant, {"maxLength": limits.HOST}))] = field(
        "Tenant ID",
        "UUID or domain. In the Microsoft Entra admin center: Overview, Tenant ID or Primary domain.",
        destination=True,
        span=6,
    )
    client_id: Annotated[str, uuid_text()] = field(
        "Client (application) ID",
        "In Microsoft Entra: App registrations, your app, Application (client) ID.",
        destination=True,
        missing="Enter the client (application) ID.",
    )
    auth_method: Annotated[AuthMethod, choice(AuthMethod)] = field(
        "Sign in with",
        "How the app proves who it is. It needs a client secret or a certificate.",
        default=AuthMethod.CLIENT_SECRET,
        labels=AUTH_METHOD_LABELS,
    )
    client_secret: Annotated[str | None, Rule(_client_secret, {"maxLength": SECRET_MAX, "writeOnly": True})] = field(
        "Client secret",
        "The secret's value, not its ID. It is created in the app registration, under Certificates & secrets.",
        default=None,
        secret=True,
        only_for=("auth_method", AuthMethod.CLIENT_SECRET),
    )
    certificate_pem: Annotated[str | None, certificates(KEY_BELONGS)] = field(
        "Certificate",
        "PEM format, without the private key. Upload it to the app registration too, under Certificates & secrets.",
        default=None,
        json_hint="PEM format, without the private key. The app registration in Microsoft Entra must have it too.",
        kind="pem",
        only_for=("auth_method", AuthMethod.CERTIFICATE),
    )
    private_key_pem: Annotated[str | None, private_key(CERTIFICATE_BELONGS)] = field(
        "Private key",
        "PEM format. The key that belongs to the certificate.",
        default=None,
        secret=True,
        kind="pem",
        only_for=("auth_method", AuthMethod.CERTIFICATE),
    )
    private_key_password: Annotated[str | None, secret(SECRET_MAX)] = field(
        "Private key password",
        "Only if the private key is encrypted.",
        default=None,
        secret=True,
        only_for=("auth_method", AuthMethod.CERTIFICATE),
    )
    workspace_id: Annotated[str, not_a_dataset_address(uuid_text())] = field(
        "Workspace ID",
        "In the address of the dataset's page in Power BI, after /groups/.",
        destination=True,
    )
    dataset_id: Annotated[str, not_a_dataset_address(uuid_text())] = field(
        "Dataset ID",
        "In the address of the dataset's page in Power BI, after /datasets/.",
        destination=True,
    )
    impersonated_user_name: Annotated[str | None, plain_name(254, DATASET_USER, A_USER)] = field(
        "Impersonated user name",
        "Sent with queries. Power BI ignores it, and still refuses datasets with row-level security.",
        default=None,
        group="row_security",
    )
    credential_expires_at: Annotated[date | None, calendar_date()] = field(
        "Credential expires on",
        "The day on which the secret or certificate expires.",
        default=None,
        json_hint="The day on which the secret or certificate expires, as YYYY-MM-DD.",
        group="expiry",
    )
    cloud: Annotated[Cloud, choice(Cloud)] = field(
        "Cloud", default=Cloud.PUBLIC, destination=True, group="limits", labels=CLOUD_LABELS
    )
    row_limit: Annotated[int, whole_number("Row limit", 1, ROWS_MAX)] = field(
        "Row limit", "Power BI returns at most 100,000 rows.", default=1_000, group="limits", width=9
    )
    timeout_s: Annotated[int, whole_number("Timeout", 1, 600)] = field(
        "Timeout", "In seconds.", default=60, group="limits", width=9, unit="s"
    )
    allowed_tables: Annotated[list[str], list_of_lines(256)] = field(
        "Allowed tables",
        "One per line. Empty means all.",
        default=[],
        json_hint="An empty list means all.",
        group="limits",
    )

    def expires_on(self) -> date | None:
        """The day on which the secret or certificate expires, as it was entered."""
        return self.credential_expires_at
