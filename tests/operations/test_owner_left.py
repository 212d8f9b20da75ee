"""Whether the owner of an agent has left: only people who were deactivated or deleted, and no active person."""

from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy import event

from agents_app.db import db
from agents_app.operations import agent_reads, attention, user_details, users
from agents_app.operations.permissions import Actor
from agents_app.schemas import listing
from tests.conftest import OpenConsole
from tests.make import make_agent, make_user

WHOLE = {"password": "a password"}
NAME = "Éva  Łukács"


def owned(app: Flask, admin: Actor, owner: str | None) -> UUID:
    return make_agent(app, admin, connection_config=WHOLE, owner=owner)


def leave(app: Flask, admin: Actor, **fields: Any) -> Actor:
    """A person of the account who was deactivated."""
    person = make_user(app, "editor", admin.account_id, **fields)
    assert person.user_id
    users.deactivate(admin, person.user_id)
    return person


def check(admin: Actor, expected: list[UUID]) -> None:
    """Check that every place says of exactly these agents that their owner has left."""
    page, counts = agent_reads.listing_with_counts(admin, listing.parse({}))
    asked, _ = agent_reads.listing_with_counts(admin, listing.parse({"needs_attention": "true"}))
    over_json = agent_reads.listing(admin, listing.parse({"needs_attention": "true"}))
    of_each = [item["id"] for item in page.items if "owner_left" in codes(attention.of_agent(admin, item["id"]))]
    found = {agent["id"]: codes(agent["reasons"]) for agent in attention.listing(admin)}

    assert set(page.owner_left) == set(of_each) == set(expected)
    assert found == {agent_id: codes(reasons) for agent_id, reasons in asked.reasons.items()}
    assert found == {agent_id: ["owner_left"] for agent_id in expected}
    assert {item["id"] for item in asked.items} == {item["id"] for item in over_json.items} == set(expected)
    assert counts.attention == len(expected)


def codes(reasons: list[dict[str, str]]) -> list[str]:
    return [reason["code"] for reason in reasons]


def test_a_text_that_is_nobody_of_the_account_has_not_left(app: Flask, admin: Actor) -> None:
    outsider = make_user(app, name="Edith")
    leave(app, outsider, name="Foreign")
    leave(app, admin, name="Grace Hopper")
    for owner in ("Finance", "Foreign", "Edith", "Grace", "Grace Hopper Junior", "Grace Hopper, Ada", None):
        owned(app, admin, owner)

    check(admin, [])


def test_an_active_person_of_the_same_name_has_not_left(app: Flask, admin: Actor) -> None:
    gone = leave(app, admin, name=NAME)
    make_user(app, "viewer", admin.account_id, name=NAME.upper())
    owned(app, admin, NAME)
    by_address = owned(app, admin, gone.email)

    check(admin, [by_address])


def test_a_person_who_is_activated_has_not_left(app: Flask, admin: Actor) -> None:
    person = leave(app, admin, name=NAME)
    agent_id = owned(app, admin, NAME)
    check(admin, [agent_id])
    assert person.user_id

    users.activate(admin, person.user_id)

    check(admin, [])


def test_a_deactivated_person_has_left_by_name_and_address_however_they_are_written(app: Flask, admin: Actor) -> None:
    person = leave(app, admin, name=NAME, email=f"{uuid4().hex}@example.org")
    expected = [
        owned(app, admin, owner) for owner in (NAME, "eva lukacs", "\u00c9VA LUKA\u0301CS", person.email.upper())
    ]
    owned(app, admin, "Eva Lukacsi")

    check(admin, expected)


def test_a_deleted_person_has_left_by_the_name_that_activity_keeps(app: Flask, admin: Actor) -> None:
    person = make_user(app, "editor", admin.account_id, name="Edith")
    assert person.user_id
    user_details.change(admin, person.user_id, {"name": NAME})
    users.delete(admin, person.user_id)
    expected = [owned(app, admin, NAME)]
    owned(app, admin, "Edith")
    owned(app, admin, person.email)

    check(admin, expected)
    make_user(app, "viewer", admin.account_id, name=NAME)
    check(admin, [])


@pytest.mark.parametrize("agents", [1, 12])
def test_the_list_needs_two_statements_whether_someone_has_left_or_not(app: Flask, admin: Actor, agents: int) -> None:
    for number in range(agents):
        owned(app, admin, f"Owner {number}")
    counts = []
    for _ in range(2):
        sent: list[str] = []

        def note(_conn: Any, _cursor: Any, statement: str, *_rest: Any, sent: list[str] = sent) -> None:
            sent.append(statement)

        sa.event.listen(db.engine, "before_cursor_execute", note)
        agent_reads.listing_with_counts(admin, listing.parse({}))
        event.remove(db.engine, "before_cursor_execute", note)
        counts.append(len(sent))
        leave(app, admin, name="Owner 0")

    assert counts == [2, 2]


def test_owners_and_deleted_people_are_found_by_indexes(sqlite_schema_url: str, open_console: OpenConsole) -> None:
    console = open_console(sqlite_schema_url)
    admin = make_user(console)
    sent: list[Any] = []
    with console.app_context():
        leave(console, admin, name="Edith")
        event.listen(db.engine, "before_cursor_execute", lambda *given: sent.append(given[2:4]))
        agent_reads.listing_with_counts(admin, listing.parse({}))
        with db.engine.connect() as connection:
            plans = [
                "\n".join(str(row[-1]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values))
                for statement, values in sent[:1]
            ]

    # It reads the same rows as ix_events_account_id_deleted_users would: those of the deleted people of the account.
    assert "events USING INDEX ix_events_account_id_action (account_id=? AND action=?)" in plans[0]
    assert "USING COVERING INDEX ix_agents_account_id_owner (account_id=? AND owner>?)" in plans[0]
