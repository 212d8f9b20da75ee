"""The probe of Power BI: gets a token, reads workspace and dataset, and sends one query that reads no data."""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents_app.probes.network.addresses import AddressRules
from agents_app.probes.network.http_client import Answer, Limits, Server, locate
from agents_app.probes.power_bi.entra import UUID, get_token
from agents_app.probes.power_bi.facts import NAMES, ROW_LEVEL_SECURITY
from agents_app.probes.recorder import ProbeFailed, Recorder

NAME_MAX = 100
QUERY = 'EVALUATE ROW("t", 1)'
# What Power BI writes in the header X-PowerBI-Error-Info or in the body of an answer, in the order of the checks.
MARKERS = {
    "serviceprincipalisnotallowedbytenantadminswitch": "power_bi_tenant_setting",
    "xmla endpoint feature is disabled": "power_bi_xmla_disabled",
    "rlsnotauthorizedformodel": "power_bi_row_level_security",
}
# Without access, Power BI answers with any of these.
NO_ACCESS = (401, 403, 404)


@dataclass(frozen=True)
class Hosts:
    """The addresses of one Microsoft cloud."""

    login: str
    api: str
    resource: str
    """What the token is for."""


GLOBAL_LOGIN, US_LOGIN = "https://login.microsoftonline.com", "https://login.microsoftonline.us"
# Microsoft's table for national clouds, by the values of the field `cloud`. GCC signs in to the global cloud. The
# declaration of the field is not imported: it would import pydantic.
HOSTS = {
    "public": Hosts(GLOBAL_LOGIN, "https://api.powerbi.com", "https://analysis.windows.net/powerbi/api"),
    "china": Hosts(
        "https://login.chinacloudapi.cn", "https://api.powerbi.cn", "https://analysis.chinacloudapi.cn/powerbi/api"
    ),
    "usgov": Hosts(GLOBAL_LOGIN, "https://api.powerbigov.us", "https://analysis.usgovcloudapi.net/powerbi/api"),
    "usgovhigh": Hosts(
        US_LOGIN, "https://api.high.powerbigov.us", "https://high.analysis.usgovcloudapi.net/powerbi/api"
    ),
    "usgovmil": Hosts(US_LOGIN, "https://api.mil.powerbigov.us", "https://mil.analysis.usgovcloudapi.net/powerbi/api"),
}
LOGINS = frozenset(
    [hosts.login.removeprefix("https://") for hosts in HOSTS.values()]
    # Other names of the same, in the answers of Entra.
    + ["login.partner.microsoftonline.cn", "login.microsoftonline.de"]
)


def run(values: Mapping[str, Any], rules: AddressRules, recorder: Recorder) -> None:
    """Test a Power BI connection. `values` are the fields of PowerBiConnection, with the secrets in clear."""
    examine(values, rules, recorder, HOSTS[values.get("cloud") or "public"])


def examine(
    values: Mapping[str, Any], rules: AddressRules, recorder: Recorder, hosts: Hosts, limits: Limits | None = None
) -> None:
    """Test a Power BI connection at these hosts."""
    with recorder.step("resolve"):
        login, api = (
            locate(url, rules, limits=limits or Limits(), is_service=True) for url in (hosts.login, hosts.api)
        )
    with recorder.step("token"):
        token = get_token(values, login, hosts.resource, LOGINS)
    session = _Session(values, api, token, recorder)
    with recorder.step("workspace"):
        session.read_workspace()
    with recorder.step("dataset"):
        session.read_dataset()
    with recorder.step("query"):
        session.query()


class _Session:
    """The requests to Power BI with one token, and what they found so far."""

    def __init__(self, values: Mapping[str, Any], api: Server, token: str, recorder: Recorder) -> None:
        self._values, self._api, self._token, self._recorder = values, api, token, recorder
        self._workspace = f"/v1.0/myorg/groups/{values['workspace_id']}"
        self._dataset = f"/datasets/{values['dataset_id']}"
        self._sees_dataset = self._has_row_level_security = False

    def read_workspace(self) -> None:
        """Read the name of the workspace. Without it, queries may still work."""
        answer = self._request("GET", self._workspace)
        if answer.status in NO_ACCESS:
            self._recorder.warn("power_bi_workspace_hidden")
        else:
            self._know("workspace_id", self._read_object(answer))

    def read_dataset(self) -> None:
        """Read the name of the dataset, and whether it has row-level security."""
        answer = self._request("GET", self._workspace + self._dataset)
        if answer.status in NO_ACCESS:
            self._recorder.warn("power_bi_dataset_hidden")
            return
        body = self._read_object(answer)
        flags = ("isEffectiveIdentityRequired", "isEffectiveIdentityRolesRequired")
        self._sees_dataset = True
        self._has_row_level_security = any(body.get(flag) is True for flag in flags)
        self._know("dataset_id", body)
        self._recorder.know(**{ROW_LEVEL_SECURITY: self._has_row_level_security})

    def query(self) -> None:
        """Send the query, to the address of the workspace and then to the other one."""
        answer = self._send_query(self._workspace)
        if answer.status in NO_ACCESS and not self._has_row_level_security:
            group_answer, answer = answer, self._send_query("/v1.0/myorg")
            if answer.status not in NO_ACCESS:
                self._recorder.warn("power_bi_build_only", api=self._api.host)
            elif self._sees_dataset:
                raise self._fail("power_bi_no_build", group_answer)
        if answer.status in NO_ACCESS:
            code = "power_bi_row_level_security" if self._has_row_level_security else "power_bi_no_access"
            raise self._fail(code, answer)
        self._check_result(answer)

    def _send_query(self, place: str) -> Answer:
        content: dict[str, Any] = {"queries": [{"query": QUERY}]}
        if name := self._values.get("impersonated_user_name"):
            content["impersonatedUserName"] = name
        return self._request("POST", f"{place}{self._dataset}/executeQueries", json.dumps(content).encode())

    def _check_result(self, answer: Answer) -> None:
        """Check the rows of the answer. Power BI also reports errors with status 200."""
        body = self._read_object(answer)
        result = _first(body.get("results"))
        table = _first(result.get("tables"))
        if any(part.get("error") for part in (body, result, table)):
            raise self._fail("power_bi_query_error", answer)
        if not isinstance(table.get("rows"), list):
            raise self._api.fail("answer_not_understood")

    def _request(self, method: str, target: str, body: bytes | None = None) -> Answer:
        """Send a request. The answer is a success, or has a status in NO_ACCESS."""
        headers = {"Authorization": f"Bearer {self._token}"}
        if body:
            headers["Content-Type"] = "application/json"
        answer = self._api.request(method, target, headers, body)
        text = f"{answer.headers.get('x-powerbi-error-info', '')} {answer.body.decode(errors='replace')}".lower()
        if answer.status != 200 and (code := next((MARKERS[mark] for mark in MARKERS if mark in text), None)):
            raise self._fail(code, answer)
        if answer.status == 429 or answer.status >= 500:
            raise self._fail("power_bi_busy", answer, when=answer.waiting_time)
        if answer.status == 400 and method == "POST":
            raise self._fail("power_bi_query_error", answer)
        if answer.status != 200 and answer.status not in NO_ACCESS:
            raise self._fail("power_bi_refused", answer)
        return answer

    def _read_object(self, answer: Answer) -> dict[str, Any]:
        body = answer.json_object()
        if not body:
            raise self._api.fail("answer_not_understood")
        return body

    def _know(self, field: str, body: dict[str, Any]) -> None:
        """Report which workspace or dataset was read, and its name."""
        name = clean_name(body.get("name"))
        self._recorder.know(**{field: self._values[field]} | ({NAMES[field]: name} if name else {}))

    def _fail(self, code: str, answer: Answer, **facts: str) -> ProbeFailed:
        identity = answer.headers.get("requestid", "")
        reference = f"status {answer.status}"
        if UUID.fullmatch(identity):
            reference += f", request ID {identity.lower()}"
        return ProbeFailed(code, api=self._api.host, reference=reference, **facts)


def clean_name(value: object) -> str:
    """A name that a server gave: on one line, without control characters and direction marks, cut."""
    if not isinstance(value, str):
        return ""
    plain = "".join(" " if unicodedata.category(char)[0] in "ZC" else char for char in value)
    return " ".join(plain.split())[:NAME_MAX].rstrip()


def _first(value: object) -> dict[str, Any]:
    """The first object of a list in an answer. Otherwise an empty one."""
    return value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else {}
