"""The probe of Power BI: the cause of each refusal and who can remove it, and that no secret leaves the probe."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from agents_app.connections.power_bi import Cloud
from agents_app.operations.sample_results import sample
from agents_app.probes import runner
from agents_app.probes.causes import CAUSES
from agents_app.probes.causes.cause import Responsible
from agents_app.probes.network.addresses import AddressRules
from agents_app.probes.network.http_client import Limits
from agents_app.probes.power_bi.facts import names, warning
from agents_app.probes.power_bi.probe import HOSTS, Hosts, examine
from agents_app.probes.recorder import Message, ProbeFailed, Recorder
from agents_app.probes.results import Finding, Outcome
from agents_app.values.dataset_addresses import read_dataset
from tests import pem
from tests.authority import Authority
from tests.probes.local_server import LocalServer, Reply, running, slowly, zeros
from tests.probes.power_bi.power_bi_server import (
    CLIENT,
    CORRELATION,
    DATASET,
    DESCRIPTION,
    DISCOVERY,
    GROUP,
    GROUP_QUERY,
    MODEL,
    REQUEST_ID,
    SECRET,
    TENANT,
    TENANT_QUERY,
    TOKEN,
    TOKENS,
    WORKSPACE,
    PowerBi,
    entra_error,
    flags,
    refused,
)
from tests.project import copy_project

VALUES = {
    "tenant_id": TENANT,
    "client_id": CLIENT,
    "auth_method": "client_secret",
    "client_secret": SECRET,
    "workspace_id": WORKSPACE,
    "dataset_id": DATASET,
}
METADATA = "http://169.254.169.254/metadata/identity/oauth2/token"
HIDDEN = {GROUP: refused(401, "PowerBINotAuthorizedException"), MODEL: refused(404, "PowerBIEntityNotFound")}


@dataclass
class Seen:
    """What a test reported."""

    messages: list[Message]

    @property
    def cause(self) -> str | None:
        return next((message["cause"] for message in self.messages if "cause" in message), None)

    @property
    def facts(self) -> dict[str, Any]:
        return next((message["facts"] for message in self.messages if "cause" in message), {})

    @property
    def last_step(self) -> str:
        return [message["begin"] for message in self.messages if "begin" in message][-1]

    @property
    def warnings(self) -> list[str]:
        return [message["warning"] for message in self.messages if "warning" in message]

    @property
    def known(self) -> dict[str, Any]:
        return {name: value for message in self.messages for name, value in message.get("known", {}).items()}

    def sentences(self) -> str:
        """What a person reads of the cause and the warnings."""
        found = [
            (message.get("cause") or message.get("warning"), message.get("facts", {})) for message in self.messages
        ]
        causes = [(CAUSES[code], facts) for code, facts in found if code]
        return " ".join(f"{cause.what} {cause.next_step}".format_map(facts) for cause, facts in causes)


LOOPBACK = AddressRules(allows_loopback=True)


class Tenant(PowerBi):
    """The service on a loopback server, and a test of it."""

    def __init__(self, server: LocalServer) -> None:
        super().__init__(server.port)
        self.server = server
        server.answer = self.answer
        server.requests.clear()

    def test(self, limits: Limits | None = None, rules: AddressRules = LOOPBACK, **values: Any) -> Seen:
        """Test the connection. No message has a secret or a text of the service."""
        messages: list[Message] = []
        url = f"https://localhost:{self.port}"
        hosts = Hosts(url, url, "https://analysis.windows.net/powerbi/api")
        with suppress(ProbeFailed):
            examine({**VALUES, **values}, rules, Recorder(messages.append), hosts, limits)
        seen = Seen(messages)
        written = json.dumps(messages) + seen.sentences()
        assert "canary" not in written
        assert not any(request.body and request.body in written for request in self.server.requests)
        return seen


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    authority, folder = Authority(), tmp_path_factory.mktemp("power_bi")
    (folder / "authority.pem").write_text(authority.certificate)
    with pytest.MonkeyPatch.context() as patch, running(authority.issue("localhost"), folder) as server:
        patch.setenv("SSL_CERT_FILE", str(folder / "authority.pem"))
        yield server


@pytest.fixture
def tenant(server: LocalServer) -> Tenant:
    return Tenant(server)


ENTRA = [
    ("entra_secret_wrong", Responsible.YOU, (7000215, 70002, 50012)),
    ("entra_secret_expired", Responsible.APPLICATION_OWNER, (7000222,)),
    ("entra_application_unknown", Responsible.YOU, (700016, 700011)),
    ("entra_tenant_unknown", Responsible.YOU, (90002,)),
    ("entra_other_cloud", Responsible.YOU, (90038, 900432, 900382)),
    ("entra_application_disabled", Responsible.ENTRA_ADMIN, (7000112, 70001)),
    ("entra_certificate_refused", Responsible.APPLICATION_OWNER, (700027, 50012, 7000215, 70002)),
    ("entra_certificate_name", Responsible.APPLICATION_OWNER, (700030,)),
    ("entra_public_client", Responsible.APPLICATION_OWNER, (700025,)),
    ("entra_service_missing", Responsible.ENTRA_ADMIN, (500011, 650052, 65005)),
    ("entra_conditional_access", Responsible.ENTRA_ADMIN, (53003, 530032)),
    ("entra_busy", Responsible.WAIT, (90006, 90012, 90024, 90033, 90055)),
    ("entra_request_malformed", Responsible.US, (9001023, 9002313, 900144)),
]


@pytest.mark.parametrize(
    ("cause", "responsible", "code"), [(name, who, code) for name, who, codes in ENTRA for code in codes]
)
def test_a_refusal_of_entra_is_known_by_its_number(
    tenant: Tenant, cause: str, responsible: Responsible, code: int
) -> None:
    # Its `error` would say something else, and so would another number after it.
    tenant.replies[TOKENS] = entra_error(code, 1, error="invalid_grant")
    # Some numbers mean the credential, whichever kind it is.
    public, key = certificate() if cause.startswith("entra_certificate") else ("", "")

    seen = tenant.test(
        auth_method="certificate" if key else "client_secret", certificate_pem=public, private_key_pem=key
    )

    assert (seen.cause, seen.last_step, CAUSES[cause].responsible) == (cause, "token", responsible)
    assert f"AADSTS{code}, correlation ID {CORRELATION}" in seen.sentences()


@pytest.mark.parametrize(
    ("error", "status", "cause"),
    [
        ("invalid_client", 401, "entra_client_refused"),
        ("unauthorized_client", 400, "entra_application_refused"),
        ("invalid_grant", 400, "entra_application_refused"),
        ("invalid_request", 400, "entra_request_malformed"),
        ("invalid_resource", 400, "entra_service_missing"),
        ("temporarily_unavailable", 503, "entra_busy"),
        (DESCRIPTION, 400, "entra_refused"),
        (DESCRIPTION, 500, "entra_busy"),
        ("invalid_client", 429, "entra_busy"),
        ("invalid_client", 200, "entra_client_refused"),
    ],
)
def test_an_unknown_refusal_of_entra_is_classified_by_its_error(
    tenant: Tenant, error: str, status: int, cause: str
) -> None:
    tenant.replies[TOKENS] = entra_error(123, error=error, status=status)

    assert tenant.test().cause == cause


def test_a_tenant_that_does_not_exist_is_refused_before_a_secret_is_sent(tenant: Tenant) -> None:
    tenant.replies[DISCOVERY] = entra_error(90002, error="invalid_tenant")

    assert tenant.test().cause == "entra_tenant_unknown"
    assert [request.path for request in tenant.server.requests] == [DISCOVERY]


@pytest.mark.parametrize(
    ("endpoint", "cause"),
    [
        ("https://login.microsoftonline.us/t/oauth2/v2.0/token", "entra_other_cloud"),
        ("https://evil.example.org/t/oauth2/v2.0/token", "answer_not_understood"),
        ("http://localhost/t/oauth2/v2.0/token", "answer_not_understood"),
        ("https://localhost:1/t/oauth2/v2.0/token", "answer_not_understood"),
        (5, "answer_not_understood"),
        (None, "answer_not_understood"),
    ],
)
def test_a_secret_is_sent_to_the_host_of_the_cloud_only(tenant: Tenant, endpoint: object, cause: str) -> None:
    tenant.replies[DISCOVERY] = Reply(
        body={"authorization_endpoint": "https://localhost/a", "token_endpoint": endpoint}
    )

    assert tenant.test().cause == cause
    assert [request.path for request in tenant.server.requests] == [DISCOVERY]


@pytest.mark.parametrize("number", ["7000215", 7000215.0, True, None, [7000215]])
def test_an_answer_of_entra_in_other_types_is_read_without_a_fault(tenant: Tenant, number: Any) -> None:
    body = {"error": ["invalid_client"], "error_codes": [number], "correlation_id": f"{CORRELATION} {DESCRIPTION}"}
    tenant.replies[TOKENS] = Reply(400, body)

    seen = tenant.test()

    assert seen.cause == "entra_refused"
    assert seen.facts["reference"] == "status 400"


POWER_BI: list[tuple[str, Responsible, dict[str, Reply]]] = [
    (
        "power_bi_tenant_setting",
        Responsible.FABRIC_ADMIN,
        {GROUP: refused(401, "ServicePrincipalIsNotAllowedByTenantAdminSwitch", in_header=True)},
    ),
    (
        "power_bi_tenant_setting",
        Responsible.FABRIC_ADMIN,
        {GROUP_QUERY: refused(401, "ServicePrincipalIsNotAllowedByTenantAdminSwitch")},
    ),
    (
        "power_bi_row_level_security",
        Responsible.YOU,
        {**HIDDEN, GROUP_QUERY: refused(401, "x"), TENANT_QUERY: refused(401, "RLSNotAuthorizedForModel")},
    ),
    (
        "power_bi_row_level_security",
        Responsible.YOU,
        {MODEL: Reply(body={"name": "Revenue", **flags(True)}), GROUP_QUERY: refused(401, "x")},
    ),
    (
        "power_bi_no_access",
        Responsible.WORKSPACE_ADMIN,
        {**HIDDEN, GROUP_QUERY: refused(401, "x"), TENANT_QUERY: refused(404, "PowerBIEntityNotFound")},
    ),
    (
        "power_bi_no_build",
        Responsible.WORKSPACE_ADMIN,
        {GROUP_QUERY: refused(401, "x"), TENANT_QUERY: refused(401, "PowerBINotAuthorizedException")},
    ),
    (
        "power_bi_xmla_disabled",
        Responsible.FABRIC_ADMIN,
        {GROUP_QUERY: refused(400, "XMLA endpoint feature is disabled. Contact your administrator.")},
    ),
    ("power_bi_query_error", Responsible.YOU, {GROUP_QUERY: refused(400, "DatasetExecuteQueriesError")}),
    ("power_bi_busy", Responsible.WAIT, {GROUP: refused(503, "x")}),
    ("power_bi_refused", Responsible.US, {GROUP: refused(400, "InvalidRequest")}),
]


@pytest.mark.parametrize(("cause", "responsible", "replies"), POWER_BI)
def test_a_refusal_of_power_bi_has_its_cause(
    tenant: Tenant, cause: str, responsible: Responsible, replies: dict[str, Reply]
) -> None:
    tenant.replies = replies

    seen = tenant.test()

    assert (seen.cause, CAUSES[cause].responsible) == (cause, responsible)
    assert f"request ID {REQUEST_ID}" in seen.sentences()


@pytest.mark.parametrize("place", ["answer", "result", "table"])
def test_an_error_inside_a_success_is_a_failure(tenant: Tenant, place: str) -> None:
    error = {"error": {"code": "DAX query failure", "message": DESCRIPTION}}
    table: dict[str, Any] = {"rows": []}
    result: dict[str, Any] = {"tables": [table]}
    answer: dict[str, Any] = {"results": [result]}
    {"answer": answer, "result": result, "table": table}[place].update(error)
    tenant.replies[GROUP_QUERY] = Reply(body=answer)

    assert tenant.test().cause == "power_bi_query_error"


def test_the_build_permission_alone_passes_with_the_advice_to_give_a_role(tenant: Tenant) -> None:
    tenant.replies = {**HIDDEN, GROUP_QUERY: refused(401, "PowerBINotAuthorizedException")}

    seen = tenant.test()

    assert seen.cause is None
    assert seen.warnings == ["power_bi_workspace_hidden", "power_bi_dataset_hidden", "power_bi_build_only"]
    assert CAUSES["power_bi_build_only"].responsible is Responsible.WORKSPACE_ADMIN
    assert "/v1.0/myorg/RefreshUserPermissions" in seen.sentences()


def test_a_dataset_that_is_hidden_is_queried_before_it_is_refused(tenant: Tenant) -> None:
    tenant.replies = {MODEL: HIDDEN[MODEL]}

    seen = tenant.test()

    assert (seen.cause, seen.warnings, seen.last_step) == (None, ["power_bi_dataset_hidden"], "query")


def test_samples_of_the_demo_fail_as_a_real_test_does(tenant: Tenant) -> None:
    hidden = {**HIDDEN, GROUP_QUERY: refused(401, "x"), TENANT_QUERY: refused(404, "PowerBIEntityNotFound")}
    expired = {TOKENS: entra_error(7000222)}
    for number, replies in ((1, expired), (3, hidden)):
        tenant.replies = replies

        seen = tenant.test()
        made = sample({"connection_type": "POWERBI", "connection_config": VALUES, "name": "Revenue"}, number)
        sampled = made["connection"]

        assert sampled.cause
        assert (sampled.cause.code, sampled.cause.facts.keys()) == (seen.cause, seen.facts.keys())
        assert ([one.code for one in sampled.warnings], sampled.steps[-1].name) == (seen.warnings, seen.last_step)


def test_a_host_of_microsoft_that_may_not_be_reached_is_for_the_operator(tenant: Tenant) -> None:
    seen = tenant.test(rules=AddressRules(("203.0.113.0/24",), allows_loopback=True))

    assert (seen.cause, seen.last_step) == ("service_not_allowed", "resolve")
    assert CAUSES["service_not_allowed"].responsible is Responsible.OPERATOR


HOSTILE = [
    (Reply(429, b"slow down", {"Retry-After": "17"}), "busy"),
    (Reply(302, headers={"Location": METADATA}), "redirected"),
    (Reply(stream=zeros(100)), "answer_too_large"),
    (Reply(stream=slowly), "server_slow"),
    (Reply(body=b"{canary"), "answer_not_understood"),
    (Reply(body=b"\xff\xfe"), "answer_not_understood"),
    (Reply(body=[]), "answer_not_understood"),
    (Reply(body=b"<html>canary</html>", headers={"Content-Type": "text/html"}), "answer_not_understood"),
]


@pytest.mark.parametrize(("reply", "cause"), HOSTILE, ids=[f"{number} {row[1]}" for number, row in enumerate(HOSTILE)])
@pytest.mark.parametrize("path", [DISCOVERY, TOKENS, GROUP, MODEL, GROUP_QUERY])
def test_a_strange_answer_at_any_step_is_a_cause(tenant: Tenant, path: str, reply: Reply, cause: str) -> None:
    tenant.replies[path] = reply
    is_slow = cause == "server_slow"

    seen = tenant.test(Limits(total=0.2) if is_slow else None)

    assert str(seen.cause).endswith(cause)
    assert tenant.server.requests[-1].path == path
    assert ("in 17 seconds" in seen.sentences()) == (reply.status == 429)


def test_json_with_another_content_type_is_read(tenant: Tenant) -> None:
    tenant.replies[GROUP] = Reply(body={"name": "Finance"}, headers={"Content-Type": "text/plain"})

    assert tenant.test().known["workspace_name"] == "Finance"


def test_a_test_that_succeeds_knows_the_names_and_sends_the_query_once(tenant: Tenant) -> None:
    seen = tenant.test(impersonated_user_name="ada@contoso.example.org")

    assert (seen.cause, seen.warnings) == (None, [])
    assert [message["end"] for message in seen.messages if "end" in message] == [
        "resolve",
        "token",
        "workspace",
        "dataset",
        "query",
    ]
    assert seen.known == {
        "workspace_id": WORKSPACE,
        "workspace_name": "Finance",
        "dataset_id": DATASET,
        "dataset_name": "Revenue",
        "row_level_security": False,
    }
    assert [request.path for request in tenant.server.requests] == [DISCOVERY, TOKENS, GROUP, MODEL, GROUP_QUERY]
    # A sample of `flask demo` has the same form.
    sampled = sample({"connection_type": "POWERBI", "connection_config": VALUES, "name": "Revenue"}, 0)["connection"]
    assert sampled.facts.keys() == seen.known.keys()
    assert [step.name for step in sampled.steps] == [message["end"] for message in seen.messages if "end" in message]
    assert json.loads(tenant.server.requests[-1].body) == {
        "queries": [{"query": 'EVALUATE ROW("t", 1)'}],
        "impersonatedUserName": "ada@contoso.example.org",
    }
    assert tenant.server.requests[-1].headers["authorization"] == f"Bearer {TOKEN}"
    assert "scope=https%3A%2F%2Fanalysis.windows.net%2Fpowerbi%2Fapi%2F.default" in tenant.server.requests[1].body


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Fin\u202eance\r\nSELECT 1\x00", "Fin ance SELECT 1"),
        ("é" * 300, "é" * 100),
        ("\ud800", None),
        (["Finance"], None),
    ],
)
def test_a_name_is_shown_on_one_line_without_direction_marks(tenant: Tenant, name: Any, shown: str | None) -> None:
    tenant.replies[GROUP] = Reply(body={"name": name, "id": WORKSPACE})

    assert tenant.test().known.get("workspace_name") == shown


@pytest.mark.parametrize(
    ("has_security", "dataset", "user", "code"),
    [
        (True, DATASET, None, "power_bi_not_with_this_api"),
        (True, DATASET, "ada@example.org", "power_bi_not_with_this_api"),
        (False, DATASET, "ada@example.org", "power_bi_user_ignored"),
        (None, DATASET, "ada@example.org", "power_bi_user_needs_row_level_security"),
        # The last test was of another dataset.
        (False, CLIENT, "ada@example.org", "power_bi_user_needs_row_level_security"),
        (True, CLIENT, None, None),
        (False, DATASET, None, None),
        (None, DATASET, None, None),
    ],
)
def test_row_level_security_is_said_when_an_agent_is_saved(
    has_security: bool | None, dataset: str, user: str | None, code: str | None
) -> None:
    facts = {} if has_security is None else {"dataset_id": dataset, "row_level_security": has_security}

    found = warning(facts, {"dataset_id": DATASET, "impersonated_user_name": user})

    assert found == (Finding(code) if code else None)


def test_a_name_is_shown_only_for_the_id_that_was_tested(tenant: Tenant) -> None:
    known = tenant.test().known

    assert names(known, VALUES) == {"workspace_id": "Finance", "dataset_id": "Revenue"}
    assert names(known, {**VALUES, "dataset_id": CLIENT}) == {"workspace_id": "Finance"}
    assert names({}, VALUES) == {}


@pytest.mark.parametrize(
    "code", ["power_bi_row_level_security", "power_bi_not_with_this_api", "power_bi_user_needs_row_level_security"]
)
def test_nobody_is_advised_to_give_a_role_where_row_level_security_is(code: str) -> None:
    cause = CAUSES[code]
    text = f"{cause.what} {cause.next_step}".lower()

    assert cause.what.endswith(
        "No service principal can query such a dataset with the API executeQueries, whatever its rights."
    )
    assert not any(word in text for word in ("member", "contributor", "admin", " role ", "refreshuser"))


@pytest.mark.parametrize(
    ("cloud", "login", "api", "resource"),
    [
        (Cloud.PUBLIC, "microsoftonline.com", "api.powerbi.com", "analysis.windows.net"),
        (Cloud.CHINA, "chinacloudapi.cn", "api.powerbi.cn", "analysis.chinacloudapi.cn"),
        (Cloud.USGOV, "microsoftonline.com", "api.powerbigov.us", "analysis.usgovcloudapi.net"),
        (Cloud.USGOVHIGH, "microsoftonline.us", "api.high.powerbigov.us", "high.analysis.usgovcloudapi.net"),
        (Cloud.USGOVMIL, "microsoftonline.us", "api.mil.powerbigov.us", "mil.analysis.usgovcloudapi.net"),
    ],
)
def test_every_cloud_has_the_hosts_of_the_table_of_microsoft(cloud: str, login: str, api: str, resource: str) -> None:
    assert set(HOSTS) == set(Cloud)
    assert HOSTS[cloud] == Hosts(f"https://login.{login}", f"https://{api}", f"https://{resource}/powerbi/api")


@pytest.mark.parametrize(
    ("page", "cloud"),
    [
        ("app.powerbi.com", Cloud.PUBLIC),
        ("app.fabric.microsoft.com", Cloud.PUBLIC),
        ("app.powerbi.cn", Cloud.CHINA),
        ("app.powerbigov.us", Cloud.USGOV),
        ("app.high.powerbigov.us", Cloud.USGOVHIGH),
        ("app.mil.powerbigov.us", Cloud.USGOVMIL),
    ],
)
def test_the_address_of_a_page_names_the_cloud_that_is_tested(page: str, cloud: Cloud) -> None:
    parts = read_dataset(f"https://{page}/groups/{WORKSPACE}/datasets/{DATASET}/details")

    assert parts
    assert parts.values.get("cloud", Cloud.PUBLIC) == cloud


@cache
def certificate(days: int = 2) -> tuple[str, str]:
    """A certificate with an RSA key, which Entra asks for, and that key, both in PEM."""
    key, name = rsa.generate_private_key(65_537, 2048), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "agent")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    moment = datetime.now(UTC)
    builder = builder.not_valid_before(moment - timedelta(days=9)).not_valid_after(moment + timedelta(days=days))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode(), pem


def encrypted(key: str) -> str:
    """The same key, encrypted."""
    loaded = load_pem_private_key(key.encode(), None)
    return loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"canary-password")).decode()


@pytest.mark.parametrize("is_encrypted", [False, True])
def test_a_certificate_signs_in_with_sha_256_and_its_key_stays_here(tenant: Tenant, is_encrypted: bool) -> None:
    public, key = certificate()
    # The certificate of the key is used, whatever is before it.
    values = {"certificate_pem": pem.certificate() + public, "private_key_pem": key, "client_secret": None}
    if is_encrypted:
        values |= {"private_key_pem": encrypted(key), "private_key_password": "canary-password"}

    seen = tenant.test(auth_method="certificate", **values)

    assert seen.cause is None
    (assertion,) = parse_qs(tenant.server.requests[1].body)["client_assertion"]
    header = jwt.get_unverified_header(assertion)
    print_of_it = x509.load_pem_x509_certificate(public.encode()).fingerprint(hashes.SHA256())
    assert (header["alg"], header["x5t#S256"]) == ("PS256", urlsafe_b64encode(print_of_it).decode())
    assert "x5t" not in header
    public_key = x509.load_pem_x509_certificate(public.encode()).public_key()
    audience = f"https://localhost:{tenant.port}{TOKENS}"
    assert jwt.decode(assertion, public_key, ["PS256"], audience=audience)["iss"] == CLIENT
    assert assertion not in json.dumps(seen.messages)
    assert not any(key.splitlines()[1] in request.body for request in tenant.server.requests)


def test_a_credential_that_cannot_work_is_not_sent(tenant: Tenant) -> None:
    public, key = certificate()
    expired, its_key = certificate(-1)
    ec, ec_key = pem.certificate(), pem.private_key()
    faults = [
        ("entra_credential_missing", {"auth_method": "client_secret", "client_secret": None}),
        ("entra_credential_missing", {"certificate_pem": public, "private_key_pem": ""}),
        ("entra_credential_missing", {"certificate_pem": None, "private_key_pem": key}),
        ("entra_key_unreadable", {"certificate_pem": public, "private_key_pem": encrypted(key)}),
        (
            "entra_key_unreadable",
            {"certificate_pem": public, "private_key_pem": encrypted(key), "private_key_password": "canary"},
        ),
        ("entra_key_unreadable", {"certificate_pem": public, "private_key_pem": key, "private_key_password": "canary"}),
        ("entra_key_not_rsa", {"certificate_pem": ec, "private_key_pem": ec_key}),
        ("entra_key_of_another_certificate", {"certificate_pem": expired, "private_key_pem": key}),
        ("entra_certificate_expired", {"certificate_pem": expired, "private_key_pem": its_key}),
    ]

    found = [tenant.test(**{"auth_method": "certificate", **values}).cause for _, values in faults]

    assert found == [cause for cause, _ in faults]
    assert tenant.server.requests == []


def test_the_child_process_of_a_test_signs_in_with_both_credentials(
    tenant: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A copy of the project in which the cloud is the server of the tests.
    folder, url = copy_project(tmp_path / "project", ("agents_app",)), f"https://localhost:{tenant.port}"
    with (folder / "agents_app/probes/power_bi/probe.py").open("a") as module:
        module.write(f'HOSTS["public"] = Hosts("{url}", "{url}", "{HOSTS["public"].resource}")\n')
    monkeypatch.setattr(runner, "ROOT", folder)
    public, key = certificate()
    signed = {**VALUES, "auth_method": "certificate", "certificate_pem": public, "private_key_pem": key}

    results = runner.run([runner.Request("power_bi", values, LOOPBACK) for values in (VALUES, signed)])

    assert [(result.outcome, result.facts["dataset_name"]) for result in results] == [(Outcome.PASSED, "Revenue")] * 2
    assert {request.path for request in tenant.server.requests} == {DISCOVERY, TOKENS, GROUP, MODEL, GROUP_QUERY}
    assert "canary" not in str(results)
    assert TOKEN not in str(results)
