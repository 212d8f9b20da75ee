"""The probe of a model: the cause of each refusal and who can remove it, and that no key leaves the probe."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn

import pytest

from agents_app.probes import runner
from agents_app.probes.causes import CAUSES
from agents_app.probes.causes.cause import Responsible
from agents_app.probes.model.interfaces import INTERFACES
from agents_app.probes.model.probe import LIMITS, examine
from agents_app.probes.network.addresses import AddressRules
from agents_app.probes.network.http_client import Limits
from agents_app.probes.recorder import Message, ProbeFailed, Recorder
from agents_app.probes.steps import LABELS
from agents_app.values.choices import EXAMPLE_MODEL_URLS, MODEL_PROVIDER_LABELS, ModelProvider
from tests.probes.local_server import LocalServer, Reply, Request, running, slowly, zeros
from tests.probes.model.model_server import (
    ALIAS,
    CLAUDES,
    KEY,
    PROVIDERS,
    anthropic_error,
    azure_error,
    openai,
    openai_error,
)

LOOPBACK = AddressRules(allows_loopback=True)
METADATA = {"Location": "http://169.254.169.254/latest/meta-data"}
PAGE = {"Content-Type": "text/html; charset=utf-8"}


@dataclass
class Seen:
    """What a test reported."""

    messages: list[Message] = field(default_factory=list)

    @property
    def cause(self) -> str | None:
        return next((message["cause"] for message in self.messages if "cause" in message), None)

    @property
    def warnings(self) -> list[str]:
        return [message["warning"] for message in self.messages if "warning" in message]

    @property
    def steps(self) -> list[str]:
        return [message["begin"] for message in self.messages if "begin" in message]

    def sentences(self) -> str:
        """What a person reads of the cause and the warnings."""
        codes = [
            (message.get("cause") or message.get("warning"), message.get("facts", {})) for message in self.messages
        ]
        causes = [(CAUSES[code], facts) for code, facts in codes if code]
        return " ".join(f"{cause.what} {cause.next_step}".format_map(facts) for cause, facts in causes)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    with running(None, tmp_path_factory.mktemp("models")) as server:
        yield server


def ask(
    server: LocalServer, provider: str, limits: Limits = LIMITS, rules: AddressRules = LOOPBACK, **values: Any
) -> Seen:
    """Test a model of this provider on the server. No message has the key or a text of the server."""
    _, path, model = PROVIDERS[provider]
    url = f"http://localhost:{server.port}{path}"
    known = {"model_provider": provider, "model_base_url": url, "model_type": model, "api_key": KEY}
    seen = Seen()
    server.requests.clear()
    with suppress(ProbeFailed):
        examine({**known, **values}, rules, Recorder(seen.messages.append), limits)
    assert set(seen.steps) <= set(LABELS)
    assert "canary" not in json.dumps(seen.messages) + seen.sentences()
    return seen


def test_every_provider_has_an_interface_and_an_example() -> None:
    assert set(INTERFACES) == set(EXAMPLE_MODEL_URLS) == set(MODEL_PROVIDER_LABELS) == set(ModelProvider)
    assert set(PROVIDERS) == {provider.value for provider in ModelProvider}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_model_that_the_provider_has_passes_and_the_key_is_sent_in_one_header(
    server: LocalServer, provider: str
) -> None:
    server.answer = PROVIDERS[provider][0]

    seen = ask(server, provider)

    assert (seen.cause, seen.steps) == (None, ["resolve", "models", "model"])
    assert seen.warnings == (["model_key_not_checked"] if provider == "ollama" else [])
    header = {"anthropic": "x-api-key", "azure_openai": "api-key"}.get(provider, "authorization")
    for request in server.requests:
        assert not any(KEY in text for name, text in request.headers.items() if name != header)
        assert KEY not in request.path + request.body


@pytest.mark.parametrize("provider", [name for name in PROVIDERS if name != "ollama"])
def test_a_wrong_key_is_reported_at_the_list_of_models(server: LocalServer, provider: str) -> None:
    server.answer = PROVIDERS[provider][0]

    seen = ask(server, provider, api_key="canary-other")

    assert (seen.cause, seen.steps) == ("model_key_wrong", ["resolve", "models"])


def test_a_server_that_requires_a_key_says_so_where_the_agent_has_none(server: LocalServer) -> None:
    server.answer = openai

    assert ask(server, "openai_compatible", api_key=None).cause == "model_key_missing"
    assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_unknown_model_is_reported_with_similar_names(server: LocalServer, provider: str) -> None:
    server.answer = PROVIDERS[provider][0]

    seen = ask(server, provider, model_type="gpt-5-min")

    assert seen.cause == ("model_deployment_unknown" if provider == "azure_openai" else "model_unknown")
    assert "gpt-5-min" in seen.sentences()
    assert ("Similar names: gpt-5-mini, gpt-5." in seen.sentences()) == (server.answer is openai)


@pytest.mark.parametrize("model", [None, ""])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_without_a_model_only_the_key_is_tested(server: LocalServer, provider: str, model: str | None) -> None:
    server.answer = PROVIDERS[provider][0]

    seen = ask(server, provider, model_type=model)

    assert (seen.cause, seen.steps) == (None, ["resolve", "models"])
    assert all(request.method == "GET" for request in server.requests)


@pytest.mark.parametrize("model", [*CLAUDES, ALIAS])
def test_a_model_is_found_on_every_page_and_by_its_alias(server: LocalServer, model: str) -> None:
    server.answer = PROVIDERS["anthropic"][0]

    assert ask(server, "anthropic", model_type=model).cause is None
    # Only an alias needs a request of its own.
    assert any(request.path == f"/v1/models/{model}" for request in server.requests) == (model == ALIAS)


def test_a_list_that_never_ends_is_read_up_to_a_limit(server: LocalServer) -> None:
    def endless(request: Request) -> Reply:
        number = len(server.requests)
        return Reply(404) if "?" not in request.path and number > 1 else Reply(body=page(f"model-{number}"))

    server.answer = endless

    assert ask(server, "openai").cause == "model_unknown"
    assert len(server.requests) < 30
    # The limit of one answer is that of all pages together.
    assert ask(server, "openai", Limits(size=200)).cause == "answer_too_large"


def page(name: str) -> dict[str, Any]:
    return {"data": [{"id": name}], "has_more": True, "last_id": name}


@pytest.mark.parametrize(
    ("provider", "path"),
    [
        ("openai", "/v1"),
        ("anthropic", ""),
        ("anthropic", "/v1"),
        ("ollama", ""),
        ("ollama", "/v1"),
        ("ollama", "/api"),
        ("azure_openai", ""),
        ("azure_openai", "/openai"),
        ("azure_openai", "/openai/v1"),
    ],
)
def test_the_usual_spellings_of_a_base_url_are_accepted(server: LocalServer, provider: str, path: str) -> None:
    server.answer = PROVIDERS[provider][0]

    assert ask(server, provider, model_base_url=f"http://localhost:{server.port}{path}").cause is None
    unknown = ask(server, provider, model_base_url=f"http://localhost:{server.port}{path}", model_type="other")
    assert unknown.cause in ("model_unknown", "model_deployment_unknown")


BUSY = {"Retry-After": "7"}
REFUSALS: list[tuple[str, Reply, str]] = [
    ("openai", openai_error(403, None), "model_key_forbidden"),
    ("openai", openai_error(403, "unsupported_country_region_territory", "request_forbidden"), "model_address_refused"),
    ("openai", openai_error(401, "ip_not_authorized"), "model_address_refused"),
    ("openai", openai_error(429, "insufficient_quota", "insufficient_quota"), "model_no_quota"),
    ("openai", openai_error(429, "billing_not_active", "billing_not_active"), "model_no_quota"),
    ("openai", openai_error(429, "rate_limit_exceeded", "requests"), "model_rate_limited"),
    ("openai", openai_error(503, None, "server_error"), "model_busy"),
    ("openai", openai_error(404, None), "model_wrong_url"),
    ("openai", openai_error(418, None), "model_refused"),
    ("anthropic", anthropic_error(403, "permission_error"), "model_key_forbidden"),
    ("anthropic", anthropic_error(402, "billing_error"), "model_no_quota"),
    ("anthropic", anthropic_error(400, "invalid_request_error", "Your credit balance is too low"), "model_no_quota"),
    ("anthropic", anthropic_error(429, "rate_limit_error"), "model_rate_limited"),
    ("anthropic", anthropic_error(529, "overloaded_error"), "model_busy"),
    ("azure_openai", azure_error(403, "AuthenticationTypeDisabled"), "model_keys_off"),
    (
        "azure_openai",
        azure_error(403, "403", "Access denied due to Virtual Network/Firewall rules."),
        "model_address_refused",
    ),
    ("azure_openai", azure_error(403, "403"), "model_key_forbidden"),
    ("azure_openai", azure_error(429, "429"), "model_rate_limited"),
    ("azure_openai", azure_error(404, "404", "Resource not found"), "model_wrong_url"),
    ("openai_compatible", Reply(402, {"error": {"message": "Insufficient Balance"}}), "model_no_quota"),
    ("openai_compatible", Reply(401, {"detail": "Unauthorized"}), "model_key_wrong"),
    ("openai_compatible", Reply(400, [{"error": {"message": "API key not valid."}}]), "model_key_wrong"),
    ("ollama", Reply(401, {"error": "unauthorized"}), "model_key_wrong"),
    ("ollama", Reply(404, b"404 page not found", {"Content-Type": "text/plain"}), "model_wrong_url"),
]


@pytest.mark.parametrize(("provider", "reply", "cause"), REFUSALS)
def test_each_refusal_has_its_cause(server: LocalServer, provider: str, reply: Reply, cause: str) -> None:
    server.answer = lambda request: reply

    seen = ask(server, provider)

    assert (seen.cause, seen.steps) == (cause, ["resolve", "models"])
    assert len(server.requests) == 1


@pytest.mark.parametrize("reply", [openai_error(429, None), openai_error(503, None), Reply(502, b"<html>", PAGE)])
def test_a_busy_provider_says_when_to_try_again(server: LocalServer, reply: Reply) -> None:
    server.answer = lambda request: Reply(reply.status, reply.body, {**reply.headers, **BUSY})

    seen = ask(server, "openai")

    assert CAUSES[seen.cause or ""].responsible is Responsible.WAIT
    assert "Try again in 7 seconds." in seen.sentences()


@pytest.mark.parametrize("status", [200, 401, 403, 404])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_web_page_in_place_of_the_list_is_a_wrong_base_url(server: LocalServer, provider: str, status: int) -> None:
    server.answer = lambda request: Reply(status, b"<!doctype html><title>canary</title>", PAGE)

    seen = ask(server, provider)

    assert seen.cause == "model_wrong_url"
    assert MODEL_PROVIDER_LABELS[ModelProvider(provider)] in seen.sentences()
    assert EXAMPLE_MODEL_URLS[ModelProvider(provider)] in seen.sentences()
    assert ("a web page" if status == 200 else f"status {status}") in seen.sentences()


@pytest.mark.parametrize(
    ("reply", "limits", "cause"),
    [
        (Reply(302, headers=METADATA), LIMITS, "redirected"),
        (Reply(307, headers=METADATA), LIMITS, "redirected"),
        (Reply(stream=zeros(100)), Limits(), "answer_too_large"),
        (Reply(stream=slowly), Limits(total=0.2), "server_slow"),
        (Reply(body=b'{"data": ['), LIMITS, "model_wrong_url"),
        (Reply(body=b"[" * 100_000), LIMITS, "model_wrong_url"),
        (Reply(body={"data": "canary"}), LIMITS, "model_wrong_url"),
        (Reply(body={"object": "list"}), LIMITS, "model_wrong_url"),
        (Reply(body=b""), LIMITS, "model_wrong_url"),
        (Reply(body={"data": [1, None, {"id": 5}, {"id": ["canary"]}]}), LIMITS, "model_unknown"),
    ],
)
def test_an_answer_that_is_no_list_is_refused(server: LocalServer, reply: Reply, limits: Limits, cause: str) -> None:
    server.answer = lambda request: reply

    assert ask(server, "openai", limits).cause == cause


def test_a_valid_key_that_cannot_read_the_list_is_a_warning(server: LocalServer) -> None:
    text = "You have insufficient permissions for this operation. Missing scopes: api.model.read."
    for status in (401, 403):
        server.answer = lambda request, status=status: openai_error(status, None, text=text)  # type: ignore[misc]

        seen = ask(server, "openai")

        assert (seen.cause, seen.warnings) == (None, ["model_list_forbidden"])


def test_a_list_that_is_open_to_everyone_does_not_show_that_the_key_is_valid(server: LocalServer) -> None:
    server.answer = lambda request: Reply(body=[{"id": "gpt-5-mini"}])

    assert ask(server, "openai").warnings == ["model_key_not_checked"]
    assert ask(server, "openai", api_key=None).warnings == []


def test_a_gateway_may_list_a_group_of_models(server: LocalServer) -> None:
    server.answer = lambda request: Reply(body={"data": [{"id": "openai/*"}]})

    assert ask(server, "openai_compatible", model_type="openai/gpt-5").cause is None


def test_only_plain_names_of_a_list_are_shown(server: LocalServer) -> None:
    names = ["gpt-5-mini-canary <b>", "gpt-5-mini\u202e canary", "gpt-5-mini\ncanary"]

    def answer(request: Request) -> Reply:
        return Reply(body={"data": [{"id": name} for name in names]}) if request.path == "/v1/models" else Reply(404)

    server.answer = answer

    assert ask(server, "openai").cause == "model_unknown"


@pytest.mark.parametrize("status", [404, 418])
def test_an_unclear_answer_about_a_deployment_is_a_warning(server: LocalServer, status: int) -> None:
    azure: Callable[[Request], Reply] = PROVIDERS["azure_openai"][0]
    server.answer = lambda request: azure(request) if request.method == "GET" else azure_error(status, "404")

    seen = ask(server, "azure_openai")

    assert (seen.cause, seen.warnings) == (None, ["model_deployment_not_checked"])


@pytest.mark.parametrize(
    ("url", "rules", "cause"),
    [
        ("http://169.254.169.254/v1", LOOPBACK, "address_blocked"),
        ("https://[::ffff:169.254.169.254]/v1", LOOPBACK, "address_blocked"),
        ("http://localhost:1/v1", AddressRules(), "address_blocked"),
        ("http://192.0.2.7/v1", LOOPBACK, "https_required"),
        ("http://localhost:1/v1", LOOPBACK, "port_refused"),
    ],
)
def test_the_address_rules_hold_for_a_base_url(server: LocalServer, url: str, rules: AddressRules, cause: str) -> None:
    assert ask(server, "openai", rules=rules, model_base_url=url).cause == cause
    assert server.requests == []


def test_the_providers_own_host_is_not_one_that_a_person_can_correct(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_name(*given: Any, **named: Any) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "canary")

    monkeypatch.setattr(socket, "getaddrinfo", no_name)

    assert ask(server, "openai", model_base_url=None).cause == "service_unknown"
    assert ask(server, "openai", model_base_url="https://models.example.org/v1").cause == "host_unknown"


def test_the_probe_runs_in_a_child_process(server: LocalServer) -> None:
    server.answer = openai
    url = f"http://localhost:{server.port}/v1"
    values = {"model_provider": "openai", "model_base_url": url, "model_type": "gpt-5", "api_key": KEY}

    (result,) = runner.run([runner.Request("model", values, LOOPBACK)])

    assert (result.cause, [step.name for step in result.steps]) == (None, ["resolve", "models", "model"])
