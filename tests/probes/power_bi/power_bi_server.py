"""A loopback server that answers as Microsoft Entra and Power BI, in the forms that Microsoft's documents give."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from tests.probes.local_server import Reply, Request

TENANT, CLIENT = "contoso.example.org", "6f9619ff-8b86-4011-b42d-00c04fc964ff"
WORKSPACE, DATASET = "0c0ffee0-1111-4222-8333-444455556666", "0da7a5e7-1111-4222-8333-444455556666"
SECRET, TOKEN = "canary-secret", "canary-token"
CORRELATION, REQUEST_ID = "3d6c7f4c-5d0a-4d0e-9d4c-1f4e5a6b7c8d", "8a1b2c3d-0000-4000-8000-123456789abc"
# What no message may contain.
DESCRIPTION = "canary-description"
# The requests, by what they are for.
DISCOVERY, TOKENS = f"/{TENANT}/v2.0/.well-known/openid-configuration", f"/{TENANT}/oauth2/v2.0/token"
GROUP = f"/v1.0/myorg/groups/{WORKSPACE}"
MODEL = f"{GROUP}/datasets/{DATASET}"
GROUP_QUERY, TENANT_QUERY = f"{MODEL}/executeQueries", f"/v1.0/myorg/datasets/{DATASET}/executeQueries"


@dataclass
class PowerBi:
    """The service. `replies` replace the answers of a tenant in which everything works, by path."""

    port: int
    replies: dict[str, Reply] = field(default_factory=dict)

    def answer(self, request: Request) -> Reply:
        """The reply to a request. Power BI answers 401 without the token."""
        path = request.path.partition("?")[0]
        if path in self.replies:
            return self.replies[path]
        if path.startswith("/v1.0/") and request.headers.get("authorization") != f"Bearer {TOKEN}":
            return refused(401, "TokenMissing")
        if path == TOKENS:
            return self._token(parse_qs(request.body))
        return Reply(body=self._bodies()[path]) if path in self._bodies() else Reply(404)

    def _token(self, form: dict[str, list[str]]) -> Reply:
        is_known = form.get("client_secret") == [SECRET] or form.get("client_assertion")
        return Reply(body={"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3599}) if is_known else WRONG

    def _bodies(self) -> dict[str, Any]:
        login = f"https://localhost:{self.port}/{TENANT}"
        rows = {"results": [{"tables": [{"rows": [{"[t]": 1}]}]}]}
        return {
            DISCOVERY: {
                "issuer": f"{login}/v2.0",
                "authorization_endpoint": f"{login}/oauth2/v2.0/authorize",
                "token_endpoint": f"{login}/oauth2/v2.0/token",
            },
            GROUP: {"id": WORKSPACE, "name": "Finance", "type": "Workspace"},
            MODEL: {"id": DATASET, "name": "Revenue", **flags(False)},
            GROUP_QUERY: rows,
            TENANT_QUERY: rows,
        }


def flags(has_row_level_security: bool) -> dict[str, bool]:
    """What a dataset says about row-level security."""
    names = ("isEffectiveIdentityRequired", "isEffectiveIdentityRolesRequired")
    return dict.fromkeys(names, has_row_level_security)


def entra_error(*codes: int, error: str = "invalid_client", status: int = 400) -> Reply:
    """A refusal of Entra."""
    body = {
        "error": error,
        "error_description": f"AADSTS{codes[0] if codes else 0}: {DESCRIPTION}. Trace ID: {REQUEST_ID}",
        "error_codes": list(codes),
        "trace_id": REQUEST_ID,
        "correlation_id": CORRELATION,
    }
    return Reply(status, body)


WRONG = entra_error(7000215, status=401)


def refused(status: int, code: str, in_header: bool = False) -> Reply:
    """A refusal of Power BI. Some have their code in a header only."""
    headers = {"RequestId": REQUEST_ID} | ({"X-PowerBI-Error-Info": code} if in_header else {})
    error = {"code": code, "message": DESCRIPTION, "pbi.error": {"code": code, "details": []}}
    return Reply(status, b"" if in_header else {"error": error}, headers)
