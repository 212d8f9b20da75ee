"""Log lines are JSON objects, or text for people at a terminal, and contain nothing that looks like a secret."""

import io
import json
import logging
import sys

import pytest
from pydantic import ValidationError

from agents_app.encryption import Keyring, parse_keys
from agents_app.logs import REMOVED, JsonFormatter, TextFormatter, formatter, remove_secrets
from agents_app.schemas.agents import AgentValues
from tests.make import KEYS

CANARY = "canary5Xy8Qm1TtLw6RbNc4HsJd9GfPa2Ue7Zk3v"
SEALED = Keyring(parse_keys(KEYS["ENCRYPTION_KEYS"])).encrypt("x", "place")


@pytest.mark.parametrize(
    "text",
    [
        f"token agc_{'a' * 12}.{CANARY}1 was sent",
        f"postgresql://console:{CANARY}@localhost:5432/db",
        f"postgresql://console:a@{CANARY}@localhost/db",
        f"Authorization: Bearer {CANARY}",
        f"authorization: basic {CANARY}",
        f"AUTHORIZATION: BEARER {CANARY}",
        f"authorization: ba\u017f\u0131c {CANARY}",
        f"Cookie: session={CANARY}; theme=dark",
        f"Cookie: __Host-session={CANARY}",
        f"Cookie: console-a2b3c4={CANARY}; console-a2b3c4-theme=dark",
        f"Cookie: __Host-console-a2b3c4={CANARY}",
        f"host=localhost password={CANARY} user=console",
        f"host=localhost PASSWORD={CANARY} user=console",
        f"host=localhost pa\u017f\u017fword={CANARY} user=console",
        f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n-----END RSA PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{CANARY}",
    ],
)
def test_text_that_looks_like_a_secret_is_removed(text: str) -> None:
    cleaned = remove_secrets(text)

    assert CANARY not in cleaned
    assert REMOVED in cleaned


def test_an_encrypted_value_is_removed() -> None:
    assert SEALED not in remove_secrets(f"stored {SEALED} there")


@pytest.mark.parametrize("text", ["GET /api/v1/agents 200", "http://localhost:8000/agents", "v1:k1:short", "agc_"])
def test_other_text_is_kept(text: str) -> None:
    assert remove_secrets(text) == text


def test_a_traceback_is_cleaned_too() -> None:
    try:
        raise RuntimeError(f"cannot reach postgresql://console:{CANARY}@localhost/db")
    except RuntimeError:
        record = logging.LogRecord("agents_app", logging.ERROR, "", 0, "broken\nline %s", ("two",), sys.exc_info())

    line = JsonFormatter().format(record)

    assert json.loads(line)["message"] == "broken\nline two"
    assert "\n" not in line
    assert "RuntimeError" in line
    assert CANARY not in line


def test_an_exception_does_not_contain_the_refused_value() -> None:
    with pytest.raises(ValidationError) as refusal:
        AgentValues.model_validate({"api_key": CANARY, "color": CANARY, "model_type": [CANARY]})

    assert CANARY not in str(refusal.value)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def record_of(message: str, level: int = logging.INFO, **fields: object) -> logging.LogRecord:
    record = logging.LogRecord("agents_app", level, "", 0, message, (), None)
    vars(record).update(fields)
    return record


@pytest.fixture
def _usual_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.mark.parametrize("char", ["\n", "\r", "\x1b", "\x9b", "\u2028", "\u0085", "\u202e", "\x00"])
def test_a_client_can_neither_add_a_line_nor_steer_the_terminal(char: str) -> None:
    request = {"method": "GET", "path": f"/a{char}b", "status": 200, "duration_ms": 1.0, "client_request_id": char}

    for record in (record_of("request", **request), record_of(f"message {char}", cause=char)):
        line = TextFormatter(has_colours=False).format(record)

        assert char not in line
        assert len(line.splitlines()) == 1


def test_a_line_of_text_has_no_secret_in_any_part() -> None:
    try:
        raise RuntimeError(f"cannot reach postgresql://console:{CANARY}@localhost/db\npassword={CANARY}")
    except RuntimeError:
        record = record_of(f"Bearer {CANARY}", cause=f"password={CANARY}", path=f"/a/{SEALED}")
        record.exc_info = sys.exc_info()

    text = TextFormatter(has_colours=True).format(record)

    assert (CANARY in text, SEALED in text) == (False, False)
    assert text.count(REMOVED) >= 5


def test_a_request_is_one_line_that_begins_with_what_happened() -> None:
    fields = {"method": "GET", "path": "/agents", "status": 404, "duration_ms": 12.3, "address": "::1"}
    record = record_of("request", **fields, account_id="a1", user_id="u1")
    record.created = 0

    line = TextFormatter(has_colours=False).format(record)

    assert line == "00:00:00Z GET /agents 404 12.3 ms user_id=u1 address=::1"


def test_a_traceback_is_readable_and_its_text_cannot_look_like_a_line() -> None:
    record = record_of("unexpected error", logging.ERROR, code="x")
    record.created = 0
    try:
        raise RuntimeError("one\n00:00:01Z GET / 200 1 ms")
    except RuntimeError:
        record.exc_info = sys.exc_info()

    first, *others = TextFormatter(has_colours=False).format(record).splitlines()

    assert first == "00:00:00Z error unexpected error code=x"
    assert others[0] == "    Traceback (most recent call last):"
    assert others[-2:] == ["    RuntimeError: one", "    00:00:01Z GET / 200 1 ms"]


@pytest.mark.usefixtures("_usual_terminal")
@pytest.mark.parametrize(
    ("setting", "stream", "expected"),
    [
        (None, io.StringIO(), JsonFormatter),
        (None, Terminal(), TextFormatter),
        ("json", Terminal(), JsonFormatter),
        ("text", io.StringIO(), TextFormatter),
    ],
)
def test_a_terminal_means_text_unless_the_setting_says_otherwise(
    setting: str | None, stream: io.StringIO, expected: type
) -> None:
    assert type(formatter(setting, stream)) is expected


@pytest.mark.usefixtures("_usual_terminal")
@pytest.mark.parametrize(
    ("variables", "stream", "has_colours"),
    [
        ({}, Terminal(), True),
        ({"NO_COLOR": ""}, Terminal(), True),
        ({"NO_COLOR": "1"}, Terminal(), False),
        ({"TERM": "dumb"}, Terminal(), False),
        ({}, io.StringIO(), False),
    ],
)
def test_colours_are_for_terminals_that_want_them(
    variables: dict[str, str], stream: io.StringIO, has_colours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    line = formatter("text", stream).format(record_of("broken", logging.ERROR))

    assert ("\x1b[31merror\x1b[0m" in line) is has_colours
    assert ("\x1b" in line) is has_colours
