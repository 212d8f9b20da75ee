"""Permissions of the JSON API: every rule for every kind of caller."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app import http
from agents_app.api import PREFIX
from agents_app.db import db, now
from agents_app.models import ApiToken, User
from agents_app.operations import bulk_agents, sessions, token_text, tokens
from agents_app.operations.permissions import Actor, Visitor
from agents_app.schemas.agent_files import FORMAT
from agents_app.values.choices import Role
from tests.api.conftest import Client
from tests.make import DATABASE, PASSWORD, agent_values, cookie_name, make_agent, make_token, make_user

ONE, BULK = "/agents/<uuid:agent_id>", "/agents/bulk/<uuid:bulk_id>"
EXTERNAL = "/agents/by-external-id/<text:external_id>"
NOBODY = dict.fromkeys(("no token", "cookie", "damaged", "forged", "revoked", "expired"), 401)
READERS = ("viewer reads", "viewer writes", "editor reads", "editor writes", "admin reads", "admin writes")
WITHOUT_PERMISSION = ("deactivated", "runtime", "runtime for another agent", "runtime without maker")


def allowed(*kinds: str, good: int = 200, foreign: int = 404) -> dict[str, int]:
    """The statuses if only these kinds of caller are allowed."""
    known = dict.fromkeys((*READERS, *WITHOUT_PERMISSION), 403) | dict.fromkeys(kinds, good)
    return {**NOBODY, **known, "foreign": foreign}


ALL_CALLERS = (*READERS, *WITHOUT_PERMISSION)
WRITERS = ("editor writes", "admin writes")
TABLE = {
    ("GET", "/agents"): allowed(*READERS, foreign=200),
    ("POST", "/agents"): allowed(*WRITERS, good=201, foreign=201),
    ("GET", "/agents/export"): allowed(*READERS, foreign=200),
    ("POST", "/agents/import"): allowed("admin writes", foreign=200),
    ("GET", ONE): allowed(*READERS),
    ("GET", EXTERNAL): allowed(*READERS),
    # In the other account it creates an agent.
    ("PUT", EXTERNAL): allowed(*WRITERS, foreign=201),
    ("DELETE", EXTERNAL): allowed("admin writes", good=204),
    ("GET", f"{ONE}/attention"): allowed(*READERS),
    ("PATCH", ONE): allowed(*WRITERS),
    ("DELETE", ONE): allowed("admin writes", good=204),
    ("POST", f"{ONE}/clone"): allowed(*WRITERS, good=201),
    ("POST", f"{ONE}/enable"): allowed(*WRITERS),
    ("POST", f"{ONE}/disable"): allowed(*WRITERS),
    ("GET", f"{ONE}/versions"): allowed(*READERS),
    ("GET", f"{ONE}/versions/<int:version>"): allowed(*READERS),
    ("POST", f"{ONE}/versions/<int:version>/restore"): allowed(*WRITERS),
    ("GET", "/agents/deleted"): allowed(*READERS, foreign=200),
    # The agent is not deleted.
    ("POST", f"{ONE}/restore"): allowed("admin writes", good=404),
    ("POST", f"{ONE}/test"): allowed(*WRITERS),
    ("POST", "/agents/bulk"): allowed(*WRITERS, foreign=200),
    ("POST", f"{BULK}/undo"): allowed(*WRITERS),
    ("POST", "/connections/test"): allowed(*WRITERS, foreign=200),
    ("GET", f"{ONE}/runtime"): {
        **allowed("runtime", "runtime without maker"),
        "runtime for another agent": 404,
        "foreign": 403,
    },
    ("GET", "/runtime/by-external-id/<text:external_id>"): {
        **allowed("runtime", "runtime without maker"),
        "runtime for another agent": 404,
        "foreign": 403,
    },
    ("GET", "/runtime/agents"): allowed("runtime", "runtime for another agent", "runtime without maker", foreign=403),
    ("GET", f"{ONE}/readers"): allowed(*READERS),
    ("POST", "/runtime/check"): allowed("runtime", "runtime for another agent", "runtime without maker", foreign=403),
    ("GET", "/me"): allowed(*ALL_CALLERS, foreign=200),
    ("GET", "/connection-types"): allowed(*ALL_CALLERS, foreign=200),
}
BODIES = {"": agent_values(), "PUT": agent_values(), "PATCH": {"name": "Other"}, "disable": {"reason": "Moving."}}
BODIES |= {key: {"note": "Moving."} for key in ("restore", "enable", "clone")}
BODIES["bulk"] = {"act": "enable", "ids": ["6f9619ff-8b86-4011-b42d-00c04fc964ff"]}
BODIES["check"] = {"agents": {"crm-reports-17": None}}
BODIES["import"] = {"format": FORMAT, "agents": []}
# Incomplete: nothing is connected to.
BODIES["test"] = {"connection_type": "DB", "connection_config": DATABASE}


class Callers:
    """Every kind of caller of one account, and an anonymous one."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.admin = make_user(app)
        account = self.admin.account_id
        people = {role: make_user(app, role, account) for role in ("viewer", "editor", "admin")}
        self.tokens: dict[str, str | None] = {
            "no token": None,
            "cookie": None,
            "damaged": "agc_abc",
            "forged": forged(),
        }
        for role, person in people.items():
            self.tokens[f"{role} reads"] = make_token(app, person, "read")
            self.tokens[f"{role} writes"] = make_token(app, person, "write")
        self.tokens["revoked"] = self._ended(revoked_at=now())
        self.tokens["expired"] = self._ended(expires_at=now() - timedelta(seconds=1))
        self.tokens["foreign"] = make_token(app, make_user(app), "write")
        self.tokens["runtime"] = make_token(app, people["viewer"], "runtime")
        self.tokens["runtime for another agent"] = make_token(
            app, self.admin, "runtime", agent_ids=(make_agent(app, self.admin),)
        )
        leaver = make_user(app, "admin", account)
        self.tokens["deactivated"] = make_token(app, leaver, "write")
        self.tokens["runtime without maker"] = make_token(app, leaver, "runtime")
        with app.app_context(), db.transaction() as session:
            session.execute(sa.update(User).where(User.id == leaver.user_id).values(is_active=False))

    def _ended(self, **values: Any) -> str:
        text = make_token(self.app, self.admin, "write", "runtime")
        with self.app.app_context(), db.transaction() as session:
            session.execute(sa.update(ApiToken).where(ApiToken.key_id == text[4:16]).values(**values))
        return text

    def ask(self, kind: str, method: str, rule: str) -> int:
        """The status for this kind of caller, with an agent of the account in the path."""
        path = path_of(rule, self.app, self.admin)
        body = BODIES.get(rule.rpartition("/")[2], BODIES.get(method)) if method != "GET" else None
        body = BODIES[""] if (method, rule) == ("POST", "/agents") else body
        headers = {"Cookie": self.cookie()} if kind == "cookie" else {}
        return Client(self.app, self.tokens[kind])(method, path, body, headers=headers).status_code

    def cookie(self) -> str:
        """The cookie of the admin's browser."""
        with self.app.app_context():
            found = sessions.sign_in(Visitor("::1"), self.admin.email, PASSWORD)
        signed = self.app.session_interface.get_signing_serializer(self.app).dumps({http.SESSION_ID: found})
        return f"{cookie_name(self.app)}={signed}"


def path_of(rule: str, app: Flask, admin: Actor) -> str:
    """The path of a rule, with the id of a new record of the admin's account."""
    if "<text:external_id>" in rule:
        external_id = uuid4().hex
        make_agent(app, admin, external_id=external_id)
        return rule.replace("<text:external_id>", external_id)
    if "<uuid:bulk_id>" not in rule:
        return rule.replace("<uuid:agent_id>", str(make_agent(app, admin))).replace("<int:version>", "1")
    with app.app_context():
        done = bulk_agents.act(admin, {"act": "enable", "ids": [str(make_agent(app, admin))]})
    return rule.replace("<uuid:bulk_id>", str(done.id))


def forged() -> str:
    """A token with a valid format and checksum that was never created."""
    body = f"agc_{'A' * 12}.{'b' * 40}"
    return body + token_text.checksum(body)


@pytest.fixture(scope="module")
def made() -> dict[Flask, Callers]:
    """The callers on each database, created once."""
    return {}


@pytest.fixture
def callers(console: Flask, made: dict[Flask, Callers]) -> Callers:
    """The callers on one database."""
    return made.setdefault(console, made.get(console) or Callers(console))


def test_every_api_rule_is_in_the_table(console: Flask) -> None:
    rules = {
        (method, rule.rule.removeprefix(PREFIX))
        for rule in console.url_map.iter_rules()
        if rule.rule.startswith("/api")
        for method in rule.methods - {"HEAD"}
    }

    assert rules == set(TABLE)


@pytest.mark.parametrize(("method", "rule"), TABLE, ids=lambda part: part)
def test_each_kind_of_caller_is_served_or_refused(callers: Callers, method: str, rule: str) -> None:
    expected = TABLE[method, rule]

    answered = {kind: callers.ask(kind, method, rule) for kind in expected}

    assert answered == expected
    assert set(expected) == set(callers.tokens)


def test_the_right_to_do_something_is_checked_before_what_was_sent(callers: Callers) -> None:
    api = Client(callers.app, callers.tokens["deactivated"])
    wrong = {
        (method, rule): api(
            method, path_of(rule, callers.app, callers.admin) + "?odd=1", None if method == "GET" else [7]
        )
        for method, rule in TABLE
        if TABLE[method, rule]["deactivated"] == 403
    }

    assert len(wrong) > 20
    assert {asked for asked, answer in wrong.items() if answer.status_code != 403} == set()


def test_a_token_limited_to_an_agent_fetches_it(console: Flask, admin: Actor) -> None:
    agent_id = make_agent(console, admin)
    api = Client(console, make_token(console, admin, "runtime", agent_ids=(agent_id,)))

    assert api.get(f"/agents/{agent_id}/runtime").status_code == 200
    me = api.get("/me").json
    assert (me["all_agents"], me["agent_ids"]) == (False, [str(agent_id)])


def test_a_token_follows_its_creators_current_role(console: Flask, admin: Actor) -> None:
    maker = make_user(console, "admin", admin.account_id)
    api = Client(console, make_token(console, maker, "write"))
    agent_id = make_agent(console, admin)
    _set_role(console, maker.user_id, Role.VIEWER)

    refused = api.patch(f"/agents/{agent_id}", {"name": "Other"})

    assert (refused.status_code, refused.json["code"]) == (403, "role_missing")
    assert api.get(f"/agents/{agent_id}").status_code == 200


def test_a_runtime_token_outlives_its_creator(console: Flask, admin: Actor) -> None:
    maker = make_user(console, "admin", admin.account_id)
    runtime, writer = (Client(console, make_token(console, maker, scope)) for scope in ("runtime", "write"))
    agent_id = make_agent(console, admin)
    with console.app_context(), db.transaction() as session:
        session.execute(sa.delete(User).where(User.id == maker.user_id))

    assert runtime.get(f"/agents/{agent_id}/runtime").status_code == 200
    assert writer.get(f"/agents/{agent_id}").status_code == 403


def test_a_revoked_token_is_refused_at_once(console: Flask, admin: Actor) -> None:
    api = Client(console, make_token(console, admin))
    with console.app_context():
        token_id = tokens.listing(admin)[0]["id"]
    assert api.get("/me").status_code == 200

    with console.app_context():
        tokens.revoke(replace(admin), token_id)

    assert api.get("/me").status_code == 401


@pytest.mark.parametrize(
    "header",
    [
        "{token}",
        "Basic {token}",
        "Bearer",
        "Bearer  ",
        "Bearer {token} x",
        "Bearer {token}, Bearer {token}",
        "Bearer {token}x",
        "Token {token}",
        "Bearer \u00e4",
    ],
)
def test_other_spellings_of_the_header_are_refused(console: Flask, admin: Actor, header: str) -> None:
    text = header.format(token=make_token(console, admin))

    answer = Client(console, None).get("/me", headers={"Authorization": text})

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "header", ['Bearer "{0}"', "Bearer <{0}>", "Bearer [{0}]", "Bearer {0},", "Bearer {0}.", '"Bearer {0}"']
)
def test_punctuation_around_a_token_is_named(console: Flask, admin: Actor, header: str) -> None:
    token = make_token(console, admin)

    answer = Client(console, None).get("/me", headers={"Authorization": header.format(token)})

    assert answer.status_code == 401
    assert (
        "has extra characters around the token. Send the token without quotes, brackets or punctuation." in answer.text
    )
    assert token not in answer.text


@pytest.mark.parametrize("header", ["Bearer Bearer {0}", "bearer BEARER  {0}", "Bearer: Bearer {0}", "Bearer Bearer"])
def test_a_repeated_scheme_is_named(console: Flask, admin: Actor, header: str) -> None:
    token = make_token(console, admin)

    answer = Client(console, None).get("/me", headers={"Authorization": header.format(token)})

    assert (answer.status_code, answer.json["code"]) == (401, "token_missing")
    assert answer.json["detail"].startswith("The header Authorization has the word Bearer twice.")
    assert token not in answer.text


def test_a_token_in_the_url_is_not_accepted(console: Flask, admin: Actor) -> None:
    assert Client(console, None).get(f"/me?access_token={make_token(console, admin)}").status_code == 401


def test_the_authentication_scheme_can_have_any_case(console: Flask, admin: Actor) -> None:
    header = {"Authorization": f"bearer {make_token(console, admin)}"}

    assert Client(console, None).get("/me", headers=header).status_code == 200


def _set_role(console: Flask, user_id: UUID | None, role: Role) -> None:
    with console.app_context(), db.transaction() as session:
        session.execute(sa.update(User).where(User.id == user_id).values(role=role))
