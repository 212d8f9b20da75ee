"""The limit of the requests of a token: what is refused, and what every response says about it."""

import re
from threading import Thread
from uuid import uuid4

import pytest
from flask import Flask

from agents_app.api.rate_limits import WINDOW_S, Quota, Windows
from tests.api.conftest import Client
from tests.conftest import OpenConsole
from tests.make import agent_values, make_agent, make_token, make_user

POLICY = '"requests";q=3;w=60'


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def limited(open_console: OpenConsole, sqlite_schema_url: str) -> Flask:
    """A console with three requests a minute for each token."""
    return open_console(sqlite_schema_url, API_RATE_LIMIT="3")


def test_a_token_that_sent_too_much_is_refused_and_others_are_not(limited: Flask) -> None:
    admin = make_user(limited)
    api, other = (Client(limited, make_token(limited, admin, "write")) for _ in range(2))
    agent_id = make_agent(limited, admin)

    answers = [api.get("/me"), api.get(f"/agents/{uuid4()}"), api.get("/agents?odd=1")]
    answers.append(api.post("/agents", agent_values()))

    assert [answer.status_code for answer in answers] == [200, 404, 422, 429]
    refused = answers[-1]
    assert refused.json["code"] == "rate_limited"
    assert "3 requests in a minute" in refused.json["detail"]
    assert re.fullmatch(r'"requests";r=0;t=(60|59)', refused.headers["RateLimit"])
    assert refused.headers["RateLimit"].endswith(f";t={refused.headers['Retry-After']}")
    assert [item["id"] for item in other.get("/agents").json["items"]] == [str(agent_id)]


def test_every_response_to_a_token_says_what_is_left(limited: Flask) -> None:
    admin = make_user(limited)
    agent_id = make_agent(limited, admin)
    api, runtime = (Client(limited, make_token(limited, admin, scope)) for scope in ("write", "runtime"))
    path = f"/agents/{agent_id}/runtime"

    fetched = runtime.get(path)
    known = runtime.get(path, headers={"If-None-Match": fetched.headers["ETag"]})
    refused, invalid, failed = runtime.get("/agents"), api.post("/agents", {}), api.post("/agents", data="{")

    answers = [fetched, known, refused, invalid, failed]
    assert [answer.status_code for answer in answers] == [200, 304, 403, 422, 415]
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {POLICY}
    assert [answer.headers["RateLimit"].split(";")[1] for answer in answers] == ["r=2", "r=1", "r=0", "r=2", "r=1"]


def test_a_caller_without_a_token_learns_no_limit(limited: Flask) -> None:
    answer = Client(limited, None).get("/me")

    assert (answer.status_code, "RateLimit" in answer.headers) == (401, False)


def test_without_a_limit_nothing_is_counted(open_console: OpenConsole, sqlite_schema_url: str) -> None:
    app = open_console(sqlite_schema_url, API_RATE_LIMIT="0")

    answer = Client(app, make_token(app, make_user(app))).get("/me")

    assert (answer.status_code, "RateLimit" in answer.headers, "RateLimit-Policy" in answer.headers) == (
        200,
        False,
        False,
    )


def test_a_minute_begins_with_the_first_request_and_ends_for_all_of_them() -> None:
    clock, token = Clock(), uuid4()
    windows = Windows(2, clock)

    first = windows.count(token)
    clock.now += 59.5
    second, third = windows.count(token), windows.count(token)
    clock.now += 0.5
    fourth = windows.count(token)

    assert first == Quota(is_exceeded=False, remaining=1, seconds=60)
    assert second == Quota(is_exceeded=False, remaining=0, seconds=1)
    assert third == Quota(is_exceeded=True, remaining=0, seconds=1)
    assert fourth == Quota(is_exceeded=False, remaining=1, seconds=60)


def test_tokens_that_are_not_used_any_more_take_no_memory() -> None:
    clock = Clock()
    windows = Windows(2, clock)
    for _ in range(1_000):
        windows.count(uuid4())
    clock.now += WINDOW_S

    windows.count(uuid4())

    assert len(windows) == 1


def test_requests_at_the_same_time_are_all_counted() -> None:
    windows, token = Windows(800), uuid4()
    threads = [Thread(target=lambda: [windows.count(token) for _ in range(100)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert windows.count(token).is_exceeded
