"""The table of permissions, by role and by scope."""

import uuid
from dataclasses import replace

import pytest
from flask import Flask

from agents_app.errors import Forbidden, NotFound
from agents_app.operations import agent_history, agent_reads, agents, connection_tests, runtime
from agents_app.operations.permissions import PERMISSIONS, Actor
from agents_app.schemas import listing
from agents_app.values.choices import Door, Role, Scope
from tests.make import agent_values, make_agent, make_user

VIEWER = {"agents.read", "events.read"}
EDITOR = VIEWER | {f"agents.{act}" for act in ("create", "update", "test", "clone", "enable", "disable", "restore")}
BY_ROLE = {
    Role.VIEWER: VIEWER,
    Role.EDITOR: EDITOR,
    Role.ADMIN: EDITOR
    | {"agents.delete", "agents.restore_deleted", "agents.import", "system.read"}
    | {"tokens.manage", "users.manage", "accounts.manage"},
}
WRITES = {act for act in BY_ROLE[Role.ADMIN] if act.startswith("agents.")} - {"agents.read"}
OPERATIONS = {
    "read": agent_reads.read,
    "listing": lambda actor, _: agent_reads.listing(actor, listing.parse({})),
    "create": lambda actor, _: agents.create(actor, agent_values()),
    "update": lambda actor, agent_id: agents.update(actor, agent_id, {"name": "Other"}),
    "test": connection_tests.run,
    "clone": agents.clone,
    "disable": lambda actor, agent_id: agents.disable(actor, agent_id, {"reason": "Moving."}),
    "enable": agents.enable,
    "delete": agents.delete,
    "restore_deleted": agents.restore_deleted,
    "restore_version": lambda actor, agent_id: agents.restore_version(actor, agent_id, 1),
    "versions": agent_history.listing,
    "version": lambda actor, agent_id: agent_history.read_version(actor, agent_id, 1),
    "difference": lambda actor, agent_id: agent_history.difference(actor, agent_id, 1),
    "runtime": runtime.fetch,
}
WITHOUT_ROLE = Actor(uuid.uuid4(), "nobody", Door.PAGE)
TOKEN = replace(WITHOUT_ROLE, door=Door.TOKEN, token_id=uuid.uuid4())


@pytest.mark.parametrize("role", Role)
def test_a_role_has_the_permissions_of_the_table_and_no_others(role: Role) -> None:
    person = replace(WITHOUT_ROLE, role=role)

    assert {act for act in PERMISSIONS if person.may(act)} == BY_ROLE[role]


@pytest.mark.parametrize("role", [*Role, None])
@pytest.mark.parametrize("scope", Scope)
def test_a_token_has_the_permissions_of_its_scope_and_the_role_of_its_maker(role: Role | None, scope: Scope) -> None:
    token = replace(TOKEN, role=role, scopes=frozenset({scope}))
    within = {Scope.READ: {"agents.read"}, Scope.WRITE: WRITES, Scope.RUNTIME: set()}[scope]
    expected = within & BY_ROLE[role] if role else set()

    allowed = {act for act in PERMISSIONS if token.may(act)}

    assert allowed == (expected if scope is not Scope.RUNTIME else {"agents.runtime"})


@pytest.mark.parametrize("act", OPERATIONS)
def test_every_operation_asks_the_table(app: Flask, act: str) -> None:
    agent_id = make_agent(app, make_user(app))

    for actor in (WITHOUT_ROLE, TOKEN):
        with pytest.raises(Forbidden):
            OPERATIONS[act](actor, agent_id)


@pytest.mark.parametrize("act", [act for act in OPERATIONS if act not in ("listing", "create")])
def test_an_agent_of_another_account_is_not_found(app: Flask, act: str) -> None:
    owner, outsider = make_user(app), make_user(app)
    agent_id = make_agent(app, owner)
    actor = replace(outsider, token_id=uuid.uuid4(), scopes=frozenset(Scope)) if act == "runtime" else outsider

    with pytest.raises(NotFound) as foreign:
        OPERATIONS[act](actor, agent_id)
    with pytest.raises(NotFound) as missing:
        OPERATIONS[act](actor, uuid.uuid4())

    assert foreign.value.detail == missing.value.detail
    assert agent_reads.read(owner, agent_id)["version"] == 1


@pytest.mark.parametrize(
    ("actor", "act", "sentence"),
    [
        (replace(WITHOUT_ROLE, role=Role.VIEWER), "agents.update", "Only an editor or admin can do this."),
        (replace(WITHOUT_ROLE, role=Role.EDITOR), "agents.delete", "Only an admin can do this."),
        (replace(WITHOUT_ROLE, role=Role.ADMIN), "agents.runtime", "This needs an API token with the scope runtime."),
        (TOKEN, "agents.update", "This needs a token with the scope write."),
        (TOKEN, "users.manage", "API tokens cannot do this. Use the pages or the terminal."),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_a_refusal_names_the_missing_permission(actor: Actor, act: str, sentence: str) -> None:
    with pytest.raises(Forbidden) as refusal:
        actor.require(act)

    assert refusal.value.detail == sentence
