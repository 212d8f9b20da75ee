"""The probe of a model: reads the provider's list of models with the key of the agent, and looks for its model.

No model is run, so a test costs nothing. Whether the account still has quota is known only where the list is refused.
"""

import json
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any
from urllib.parse import quote, urlsplit

from agents_app.probes.model.errors import error_codes, is_page, refusal
from agents_app.probes.model.interfaces import deployment_request, interface_of, spellings
from agents_app.probes.network.addresses import AddressRules
from agents_app.probes.network.http_client import Answer, Limits, Server, locate
from agents_app.probes.recorder import ProbeFailed, Recorder
from agents_app.values.choices import EXAMPLE_MODEL_URLS, MODEL_PROVIDER_LABELS, MODEL_URLS, ModelProvider

# Some providers list hundreds of models with their descriptions.
LIMITS = Limits(size=8_000_000)
PAGES_MAX, SIMILAR_FROM, SIMILAR_MAX = 20, 2_000, 3
# The names in a list are texts of a server. Others than these are compared, but not shown.
SHOWN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,99}")
PAGE_ID = re.compile(r"[!-~]{1,200}")
# What Azure answers to a request without messages, if the deployment exists.
DEPLOYMENT_EXISTS = (200, 400, 405, 409, 415, 422)


def run(values: Mapping[str, Any], rules: AddressRules, recorder: Recorder) -> None:
    """Test the model of an agent. `values` are its model_provider, model_base_url, model_type and api_key."""
    examine(values, rules, recorder, LIMITS)


def examine(values: Mapping[str, Any], rules: AddressRules, recorder: Recorder, limits: Limits) -> None:
    """Test the model of an agent, with these limits for each request."""
    provider = ModelProvider(values["model_provider"])
    entered_url = values.get("model_base_url")
    url = entered_url or MODEL_URLS[provider]
    with recorder.step("resolve"):
        server = locate(url, rules, allows_http=True, limits=limits, is_service=not entered_url)
    session = _Session(provider, server, urlsplit(url).path.rstrip("/"), values.get("api_key"), recorder)
    with recorder.step("models"):
        names = session.read_names()
    model = values.get("model_type")
    if model and names is not None:
        with recorder.step("model"):
            session.find(model, names)


class _Session:
    """The requests to one server with one key."""

    def __init__(
        self, provider: ModelProvider, server: Server, base: str, api_key: str | None, recorder: Recorder
    ) -> None:
        self._provider, self._server, self._base, self._recorder = provider, server, base, recorder
        self._interface = interface_of(provider, base)
        self._path = self._interface.path(base)
        self._api_key = api_key
        self._bytes_left = server.limits.size

    def read_names(self) -> list[str] | None:
        """The names in the list of models. None if the key is valid, but may not read the list."""
        try:
            names = [name for page in self._pages() for name in page]
        except ProbeFailed as failure:
            if failure.code != "model_list_forbidden":
                raise
            self._recorder.warn(failure.code, **failure.facts)
            return None
        if self._api_key and self._is_open():
            self._recorder.warn("model_key_not_checked", host=self._server.host)
        return names

    def find(self, model: str, names: list[str]) -> None:
        """Check that the provider has the model."""
        if self._provider is ModelProvider.AZURE_OPENAI:
            self._find_deployment(model)
        elif not self._is_listed(model, names) and not self._is_alias(model):
            raise self._server_failure("model_unknown", model=model, similar=_similar(model, names))

    def _pages(self) -> Iterator[list[str]]:
        """The names on each page of the list."""
        after = ""
        for _ in range(PAGES_MAX):
            body = self._read_list(after)
            entries = body.get(self._interface.members, "")
            # An Ollama without models may answer null.
            if not isinstance(entries, list | None):
                raise self._not_this_api("another answer")
            yield [name for entry in entries or () for name in self._names_of(entry)]
            last = body.get("last_id")
            if body.get("has_more") is not True or not isinstance(last, str) or not PAGE_ID.fullmatch(last):
                return
            after = f"{self._interface.after}={quote(last, safe='')}"

    def _read_list(self, after: str) -> dict[str, Any]:
        query = "&".join(part for part in (self._interface.query, after) if part)
        answer = self._send("GET", self._path + (f"?{query}" if query else ""))
        if answer.status != 200:
            raise self._refusal(answer)
        # The limit of one answer is also that of all pages together.
        self._bytes_left -= len(answer.body)
        if self._bytes_left < 0:
            raise self._server.fail("answer_too_large")
        if is_page(answer):
            raise self._not_this_api("a web page")
        # Some compatible servers answer with the list alone.
        bare = answer.body.lstrip()[:1] == b"["
        return {self._interface.members: _json(answer)} if bare else answer.json_object()

    def _names_of(self, entry: object) -> list[str]:
        known = [entry.get(name) for name in self._interface.names] if isinstance(entry, dict) else []
        return [name for name in known if isinstance(name, str)]

    def _is_listed(self, model: str, names: list[str]) -> bool:
        wanted = set(spellings(self._provider, model))
        # A gateway lists a group of models as openai/*.
        return any(name in wanted or (name.endswith("/*") and model.startswith(name[:-1])) for name in names)

    def _is_alias(self, model: str) -> bool:
        """Whether the provider knows the model by a name that its list does not have."""
        if self._provider is ModelProvider.OLLAMA:
            return False
        answer = self._send("GET", f"{self._path}/{quote(model, safe='')}")
        if answer.status == 429 or answer.status >= 500:
            raise self._refusal(answer)
        return answer.status == 200 and isinstance(answer.json_object().get("id"), str)

    def _is_open(self) -> bool:
        """Whether the server shows the list without the key."""
        return self._send("GET", self._path, has_key=False).status == 200

    def _find_deployment(self, model: str) -> None:
        target, body = deployment_request(self._base, quote(model, safe=""))
        content = json.dumps({**body, **({"model": model} if body else {})}).encode()
        answer = self._send("POST", target, content)
        if answer.status == 404 and "deploymentnotfound" in error_codes(answer.json_object()):
            raise self._server_failure("model_deployment_unknown", model=model)
        if answer.status in (401, 403, 429) or answer.status >= 500:
            raise self._refusal(answer)
        if answer.status not in DEPLOYMENT_EXISTS:
            reference = f"status {answer.status}"
            self._recorder.warn("model_deployment_not_checked", model=model, reference=reference)

    def _send(self, method: str, target: str, body: bytes | None = None, *, has_key: bool = True) -> Answer:
        headers = self._interface.key(self._api_key if has_key else None)
        return self._server.request(
            method, target, headers | ({"Content-Type": "application/json"} if body else {}), body
        )

    def _refusal(self, answer: Answer) -> ProbeFailed:
        return refusal(answer, has_key=bool(self._api_key), **self._facts())

    def _not_this_api(self, reference: str) -> ProbeFailed:
        return ProbeFailed("model_wrong_url", **self._facts(), reference=reference)

    def _server_failure(self, code: str, **facts: str) -> ProbeFailed:
        return ProbeFailed(code, host=self._server.host, **facts)

    def _facts(self) -> dict[str, str]:
        label, example = MODEL_PROVIDER_LABELS[self._provider], EXAMPLE_MODEL_URLS[self._provider]
        return {"host": self._server.host, "provider": label, "example": example}


def _similar(model: str, names: list[str]) -> str:
    """A sentence with names that are like the model's, with a space in front. Empty if there are none."""
    shown = [name for name in dict.fromkeys(names) if SHOWN_NAME.fullmatch(name)]
    found = get_close_matches(model, shown[:SIMILAR_FROM], SIMILAR_MAX)
    return f" Similar names: {', '.join(found)}." if found else ""


def _json(answer: Answer) -> object:
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return ""
