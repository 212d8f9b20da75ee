"""Log lines are JSON objects and contain nothing that looks like a secret."""

import json
import logging
import sys

import pytest
from pydantic import ValidationError

from agents_app.encryption import Keyring, parse_keys
from agents_app.logs import REMOVED, JsonFormatter, remove_secrets
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
        f"Cookie: session={CANARY}; theme=dark",
        f"Cookie: __Host-session={CANARY}",
        f"Cookie: console-a2b3c4={CANARY}; console-a2b3c4-theme=dark",
        f"Cookie: __Host-console-a2b3c4={CANARY}",
        f"host=localhost password={CANARY} user=console",
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
