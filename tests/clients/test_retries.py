"""The program of docs/api.md that sends a request again as long as that can help."""

import runpy
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.clients.test_guides import API, console_that_answers

TRIES = 5
NOW, LATER = {"Retry-After": "0"}, {"Retry-After": "3600"}
KEY = {"Idempotency-Key": "one"}


@pytest.fixture
def send(tmp_path: Path) -> Any:
    """The function of the program."""
    (block,) = (one for one in API if one.options.get("file") == "retry.py")
    program = tmp_path / "retry.py"
    program.write_text(block.text.partition("\nheaders = ")[0])
    return runpy.run_path(str(program))["send"]


@pytest.mark.parametrize(
    ("method", "headers", "status", "answered", "tries"),
    [
        ("POST", {}, 502, NOW, 1),
        ("POST", KEY, 502, NOW, TRIES),
        ("PUT", {}, 504, NOW, TRIES),
        ("GET", {}, 502, NOW, TRIES),
        ("POST", {}, 503, NOW, TRIES),
        ("POST", {}, 503, LATER, 1),
        ("GET", {}, 404, NOW, 1),
        ("POST", KEY, 409, NOW, 1),
    ],
)
def test_only_what_can_help_and_is_done_once_is_sent_again(
    send: Any, method: str, headers: dict[str, str], status: int, answered: dict[str, str], tries: int
) -> None:
    answers: list[tuple[int, dict[str, str], Any]] = [(status, answered, {})] * TRIES

    with console_that_answers(answers) as (address, asked), pytest.raises(urllib.error.HTTPError):
        send(urllib.request.Request(address, method=method, headers=headers))

    assert len(asked) == tries


def test_an_answer_ends_the_tries(send: Any) -> None:
    with console_that_answers([(429, NOW, {}), (200, {}, {"name": "Orders"})]) as (address, asked):
        assert send(urllib.request.Request(address)) == b'{"name": "Orders"}'

    assert len(asked) == 2
