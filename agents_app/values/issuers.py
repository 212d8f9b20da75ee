"""Reads the issuer of an OpenID provider, the URL under which it publishes what it is.

The issuers of Entra ID are those of "National clouds" in Microsoft's documentation of its identity platform.
"""

import re
from dataclasses import dataclass
from uuid import UUID

from agents_app.values.host_names import is_loopback
from agents_app.values.origins import Origin, split

ENTRA_HOSTS = ("login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn")
# External ID, for customers of an organisation, has a host for each tenant.
ENTRA_SUFFIX = ".ciamlogin.com"
# Its tokens have other claims, and no endpoint for them is left to choose.
ENTRA_V1_HOSTS = ("sts.windows.net", "login.windows.net", "sts.chinacloudapi.cn")
# Each means several tenants: a token of any organisation would be accepted.
SHARED_TENANTS = ("common", "organizations", "consumers")
ENTRA_EXAMPLE = "https://login.microsoftonline.com/<tenant id>/v2.0"
MAX = 500


@dataclass(frozen=True)
class Issuer:
    """An issuer as the provider spells it. `tenant_id` is that of Entra ID, None for other providers."""

    url: str
    tenant_id: str | None = None

    @property
    def host(self) -> str:
        """The host, to name the provider in a sentence."""
        return split(self.url)[0].place

    @property
    def configuration_url(self) -> str:
        """Where the provider publishes its endpoints (OpenID Connect Discovery 1.0, section 4)."""
        return f"{self.url.removesuffix('/')}/.well-known/openid-configuration"


def parse(text: str) -> Issuer:
    """Read an issuer. Raises ValueError with the rest of a sentence that begins with the name of the setting."""
    try:
        origin, path = split(text)
    except ValueError:
        origin, path = None, ""
    if origin is None or len(text) > MAX or not re.fullmatch(r"(/[^?#\s\\]*)?", path) or not text.isascii():
        raise ValueError("must be the https URL of the provider, without ? and #, as in its discovery document.")
    if path.endswith("/.well-known/openid-configuration"):
        raise ValueError("must be the issuer: the URL without /.well-known/openid-configuration.")
    if origin.host in ENTRA_V1_HOSTS:
        raise ValueError(f"is of version 1.0 of Entra ID. Use the issuer of version 2.0: {ENTRA_EXAMPLE}")
    if origin.scheme != "https" and not is_loopback(origin.host):
        raise ValueError("must begin with https://: the keys of the provider are read from there.")
    if origin.host in ENTRA_HOSTS or origin.host.endswith(ENTRA_SUFFIX):
        return _entra(origin, path)
    return Issuer(text)


def _entra(origin: Origin, path: str) -> Issuer:
    tenant, _, version = path.strip("/").partition("/")
    if tenant.lower() in SHARED_TENANTS:
        raise ValueError(
            f"must name one tenant: with {tenant.lower()}, people of every organisation could ask to sign in. "
            + f"Use {ENTRA_EXAMPLE}"
        )
    try:
        tenant_id = str(UUID(tenant))
    except ValueError:
        raise ValueError(f"must have the id of the tenant, which is a UUID, not a domain: {ENTRA_EXAMPLE}") from None
    if version != "v2.0":
        raise ValueError(f"must end with /v2.0: {ENTRA_EXAMPLE}")
    return Issuer(f"{origin}/{tenant_id}/v2.0", tenant_id)
