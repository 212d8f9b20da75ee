"""`flask users identities|link|unlink|dismiss`: accounts at the provider that wait to be linked to a person."""

from uuid import uuid4

import pytest

from agents_app.db import db
from agents_app.models import Identity
from tests.cli.conftest import Terminal
from tests.conftest import OpenConsole
from tests.make import make_account, make_user

ISSUER = "https://id.example.org/realm"


@pytest.fixture
def terminal(schema_url: str, open_console: OpenConsole) -> Terminal:
    """A terminal with a new account, on a console with a provider."""
    named = {"OIDC_ISSUER": ISSUER, "OIDC_CLIENT_ID": "console", "OIDC_CLIENT_SECRET": "secret-of-the-tests"}
    app = open_console(schema_url, **named)
    return Terminal(app, make_account(app))


def add_waiting(terminal: Terminal) -> str:
    """Add an identity that waits. Returns its id."""
    known = {"issuer": ISSUER, "subject": uuid4().hex, "name": "Ann \x1b[31m", "email": "ann@example.org"}
    identity = Identity(id=uuid4(), account_id=terminal.account_id, **known)
    with terminal.app.app_context(), db.transaction() as session:
        session.add(identity)
    return str(identity.id)


def test_what_is_not_there_is_neither_linked_nor_dismissed(terminal: Terminal) -> None:
    ben = make_user(terminal.app, account_id=terminal.account_id)
    outsider = make_user(terminal.app)
    identity_id = add_waiting(terminal)

    unknown = terminal("users", "link", ben.email, uuid4())
    foreign = terminal("users", "link", outsider.email, identity_id)
    gone = terminal("users", "dismiss", uuid4())
    unlinked = terminal("users", "unlink", ben.email)

    assert unknown.stderr == gone.stderr == "Error: This identity does not wait any more.\n"
    assert foreign.stderr == "Error: No person in this account has this address.\n"
    assert (unknown.exit_code, foreign.exit_code, gone.exit_code, unlinked.exit_code) == (1, 1, 1, 0)
    assert unlinked.stderr == f"Nothing was changed: {ben.email} is not linked.\n"
    assert len(terminal.json("users", "identities")["items"]) == 1


def test_a_waiting_account_is_listed_linked_and_unlinked(terminal: Terminal) -> None:
    ben = make_user(terminal.app, account_id=terminal.account_id)
    identity_id = add_waiting(terminal)

    listed = terminal("users", "identities").stdout
    linked = terminal("users", "link", ben.email, identity_id)
    again = terminal("users", "link", ben.email, add_waiting(terminal))
    unlinked = terminal("users", "unlink", ben.email)

    assert identity_id in listed
    assert "ann@example.org" in listed
    assert "\x1b" not in listed
    assert linked.stderr == f"{ben.email} is linked.\n"
    assert again.stderr == f"Error: {ben.name} is linked to id.example.org already.\n"
    assert unlinked.stderr == f"{ben.email} is unlinked.\n"


def test_a_waiting_account_is_dismissed(terminal: Terminal) -> None:
    result = terminal("users", "dismiss", add_waiting(terminal))

    assert result.stderr == "The account does not wait any more.\n"
    assert terminal.json("users", "identities")["items"] == []
