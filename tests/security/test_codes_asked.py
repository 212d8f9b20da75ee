"""Which forms ask for a code of the second factor first. A new form that gives or takes access needs a line here."""

import ast
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db
from agents_app.models import UserSession
from agents_app.paths import ROOT
from agents_app.web.session_forms import SESSION_FORMS
from tests.second_factor import set_up
from tests.security.tenant import Tenant

# The parts of the pages whose forms ask, without those below. Those of `identities` need a provider and records of it,
# which are missing here: their operations are checked at the end.
ASKING = ("web.tokens.", "web.users.", "web.accounts.", "web.profile.", "web.second_factors.")
# Forms of these parts that do not ask, and why.
NOT_ASKED = {
    "web.profile.end": "it only takes access away from the person's own browsers",
    "web.profile.end_others": "the same",
    "web.second_factors.set_up": "who has a second factor cannot set up another one",
    "web.second_factors.remove": "it has an input for the code, and for the password",
}
# The permissions of operations that change access.
CHANGES = ("users.manage", "tokens.manage", "accounts.manage")


@pytest.mark.parametrize("endpoint", SESSION_FORMS)
def test_the_forms_that_give_or_take_access_ask_for_a_code_and_no_others_do(console: Flask, endpoint: str) -> None:
    tenant = Tenant(console)
    signed_in = tenant.caller("admin")
    rule = next(rule.rule for rule in console.url_map.iter_rules(endpoint) if "POST" in (rule.methods or ()))
    path = tenant.path(rule.replace("agent_id", "deleted_id") if endpoint.endswith("restore_deleted") else rule)
    with console.app_context():
        session_ids = sa.select(UserSession.id).where(UserSession.user_id == tenant.admin.user_id)
        with db.reading() as connection:
            (row_id,) = connection.scalars(session_ids)
        give_factor(tenant, row_id)

    answer = signed_in.ask("POST", path, {"role": "viewer", "required": "yes"})

    is_asked = answer.status_code == 403 and 'action="/confirm"' in answer.text
    assert is_asked is (endpoint.startswith(ASKING) and endpoint not in NOT_ASKED)


def give_factor(tenant: Tenant, row_id: object) -> None:
    """Set up a second factor in another browser, and let the session of this one live on without a code."""
    with db.reading() as connection:
        row = dict(connection.execute(sa.select(UserSession).where(UserSession.id == row_id)).one()._mapping)
    set_up(tenant.admin)
    with db.transaction() as session:
        session.execute(sa.insert(UserSession).values(**row))


def test_every_operation_that_changes_people_tokens_or_the_account_asks_for_a_code() -> None:
    missing = [
        name
        for name, function in operations()
        if calls(function, "transaction") and calls(function, "require", *CHANGES)
    ]

    assert missing == []


def test_the_rule_above_finds_operations() -> None:
    asking = [name for name, function in operations() if calls(function, "require_to_change", *CHANGES)]

    assert {"users.py:delete", "tokens.py:revoke", "accounts.py:rename", "second_factors.py:reset"} <= set(asking)
    assert {"identities.py:link", "identities.py:unlink"} <= set(asking)
    assert {"identities.py:link_own", "identities.py:unlink_own", "user_details.py:change_password"} <= {
        name for name, function in operations() if calls(function, "require_recent_code")
    }


def operations() -> Iterator[tuple[str, ast.FunctionDef]]:
    """The functions of all operations."""
    for path in sorted((ROOT / "agents_app" / "operations").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                yield f"{path.name}:{node.name}", node


def calls(function: ast.FunctionDef, name: str, *permissions: str) -> bool:
    """Whether it calls a method with this name, with one of these permissions."""
    found = [
        node
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name
    ]
    given = {argument.value for node in found for argument in node.args if isinstance(argument, ast.Constant)}
    return bool(found) and (not permissions or bool(given & set(permissions)))
