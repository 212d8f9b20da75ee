"""Reading changes nothing: GET, HEAD and OPTIONS of every rule, for every kind of caller, change no row.

Of the bookkeeping of reading (when a person was last seen, a token last used, what was tried, refused or fetched)
nothing is compared.
"""

import ast
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app import models
from agents_app.db import Base, db
from agents_app.values.choices import Scope
from tests.conftest import OpenConsole
from tests.make import make_token
from tests.security.conftest import Caller
from tests.security.tenant import Tenant
from tests.test_shape import APP

BOOKKEEPING = {"last_seen_at", "last_used_at"}
TABLES = {
    name: sa.select(*(column for column in table.columns if column.name not in BOOKKEEPING))
    for name, table in Base.metadata.tables.items()
    if name != models.LoginAttempt.__tablename__
}
READ_EVENTS = ("access.denied", "token.refused", "agent.fetched")
METHODS = ("GET", "HEAD", "OPTIONS")
PEOPLE = ("nobody", "ended", "viewer", "editor", "admin", "foreign")
# Parameters that a form of some page sends.
ASKED = "name=Acme&role=editor&reason=x&version=1&theme=dark&password=a+long+pass+phrase+28&kept=x&q=x&limit=5"


def rows(app: Flask) -> dict[str, list[tuple[Any, ...]]]:
    """Every row, without the columns that reading updates."""
    with app.app_context(), db.reading() as connection:
        found = {name: [tuple(row) for row in connection.execute(asked)] for name, asked in TABLES.items()}
    found["events"] = [row for row in found["events"] if not set(READ_EVENTS) & set(map(str, row))]
    return {name: sorted(some, key=repr) for name, some in found.items()}


def all_callers(tenant: Tenant) -> dict[str, Caller]:
    """One caller of each kind: people, and tokens with one scope and with all."""
    scopes = {scope.value: (scope.value,) for scope in Scope} | {"every scope": tuple(scope.value for scope in Scope)}
    # First, because creating it ends all other sessions of the same person.
    people = sorted(PEOPLE, key=lambda kind: kind != "ended")
    callers = {kind: tenant.caller(kind) for kind in people}
    tokens = {name: make_token(tenant.app, tenant.admin, *given) for name, given in scopes.items()}
    return callers | {name: Caller(tenant.app, token=token) for name, token in tokens.items()}


def addresses(tenant: Tenant) -> list[str]:
    """Every rule with ids of existing records, and with its one-time code."""
    named = [(rule.rule, tenant.path(rule.rule)) for rule in tenant.app.url_map.iter_rules()]
    restored = ("/agents/<uuid:agent_id>/restore", f"/agents/{tenant.path('<uuid:deleted_id>')}/restore")
    return [path + ("&" if "?" in path else "?") + ASKED for _, path in [*named, restored]]


@pytest.mark.long
def test_reading_changes_nothing_for_any_caller(schema_url: str, open_console: OpenConsole) -> None:
    tenant = Tenant(open_console(schema_url))
    paths, callers = addresses(tenant), all_callers(tenant)
    before = rows(tenant.app)

    for path in paths:
        for caller in callers.values():
            for method in METHODS:
                caller.ask(method, path).close()
        assert rows(tenant.app) == before, path

    assert before["invitations"]
    assert before["agent_versions"]


def test_reading_an_empty_console_changes_nothing(schema_url: str, open_console: OpenConsole) -> None:
    app = open_console(schema_url)
    before = rows(app)

    for rule in app.url_map.iter_rules():
        path = re.sub(r"<uuid:\w+>", str(uuid.uuid4()), rule.rule)
        for method in METHODS:
            Caller(app).ask(method, f"{path}?{ASKED}").close()

    assert rows(app) == before


@pytest.mark.parametrize("path", sorted((APP / "web").glob("*.py")), ids=lambda path: path.name)
def test_no_page_writes_for_a_method_other_than_post(path: Path) -> None:
    compared = [
        ast.unparse(node)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Compare) and "request.method" in ast.unparse(node)
    ]

    assert [text for text in compared if "'POST'" not in text and "'HEAD'" not in text] == []


def test_a_head_request_does_not_consume_the_message_of_the_next_page(console: Flask) -> None:
    tenant = Tenant(console)
    caller = tenant.caller("admin")
    caller.ask("POST", tenant.path("/agents/<uuid:agent_id>/clone"), {})

    caller.ask("HEAD", "/agents")

    assert "This is the clone." in caller.ask("GET", "/agents").text
    assert "This is the clone." not in caller.ask("GET", "/agents").text
