"""Texts that look the same are the same in search, sort, comparisons and sign-in, also those of earlier releases."""

import unicodedata
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db
from agents_app.models import Account, Agent, AgentVersion, User
from agents_app.operations import accounts, agent_reads, agents, passwords, sessions
from agents_app.operations.permissions import Actor, Visitor
from agents_app.schemas import listing
from tests.make import make_agent, make_user

COMPOSED, APART = "Z\u00fcrich caf\u00e9", "Zu\u0308rich cafe\u0301"
NO_VISITOR = Visitor("192.0.2.7", "test")


@pytest.fixture(autouse=True)
def _in_the_app(console: Flask) -> object:
    with console.app_context():
        yield


def found(admin: Actor, words: str) -> set[UUID]:
    """The agents that these words find."""
    return {item["id"] for item in agent_reads.listing(admin, listing.parse({"q": words})).items}


def as_stored_before(agent_id: UUID, name: str) -> None:
    """Write the row as the previous release did, with this name."""
    old = {"name": name, "name_key": name.casefold(), "search_text": name.casefold()}
    with db.transaction() as session:
        session.execute(sa.update(Agent).where(Agent.id == agent_id).values(**old))


def test_two_spellings_of_a_name_are_stored_alike_and_found_by_one_search(console: Flask, admin: Actor) -> None:
    ids = {make_agent(console, admin, name=name) for name in (COMPOSED, APART, APART.upper())}

    for words in (COMPOSED, APART, "zurich CAFE", "\uff5aurich"):
        assert found(admin, words) == ids
    assert {agent_reads.read(admin, one)["name"] for one in ids} == {COMPOSED, COMPOSED.upper()}


def test_wildcard_characters_are_searched_literally_in_every_width(console: Flask, admin: Actor) -> None:
    plain, percent = make_agent(console, admin, name="100 of"), make_agent(console, admin, name="100\uff05 of_f")

    assert found(admin, "%") == found(admin, "\uff05") == found(admin, "f_f") == {percent}
    assert found(admin, "100") == {plain, percent}


def test_what_the_previous_release_writes_at_the_same_time_is_found(console: Flask, admin: Actor) -> None:
    agent_id = make_agent(console, admin)
    as_stored_before(agent_id, COMPOSED)

    assert found(admin, COMPOSED) == found(admin, COMPOSED.upper()) == {agent_id}


def test_the_previous_release_finds_what_this_release_writes(console: Flask, admin: Actor) -> None:
    agent_id = make_agent(console, admin, name=COMPOSED)

    with db.reading() as connection:
        stored = connection.scalar(sa.select(Agent.search_text).where(Agent.id == agent_id))
    assert all(word in stored for word in COMPOSED.casefold().split())


def test_the_same_text_in_another_spelling_changes_nothing_that_was_stored(console: Flask, admin: Actor) -> None:
    agent_id = make_agent(console, admin, description="x", connection_config={"schema_allow_list": [COMPOSED]})
    as_stored_before(agent_id, APART)

    assert not agents.update(admin, agent_id, {"name": COMPOSED})
    assert not agents.update(admin, agent_id, {"name": f" {APART}\ufeff"})
    assert not agents.update(admin, agent_id, {"connection_config": {"schema_allow_list": [APART]}})
    assert agents.update(admin, agent_id, {"description": "y"})
    assert agent_reads.read(admin, agent_id)["name"] == APART


def test_a_direction_mark_that_is_stored_stays_until_the_name_changes(console: Flask, admin: Actor) -> None:
    agent_id = make_agent(console, admin)
    as_stored_before(agent_id, "Sales \u202egpj")

    assert agents.update(admin, agent_id, {"name": "Sales \u202egpj", "description": "y"})
    assert agent_reads.read(admin, agent_id)["name"] == "Sales \u202egpj"


def test_a_deleted_agent_with_direction_marks_is_restored_without_them(console: Flask, admin: Actor) -> None:
    agent_id = make_agent(console, admin, name="Sales", model_type="gpt", connection_config={"database": "d"})
    agents.disable(admin, agent_id, {"reason": "moving"})
    agents.delete(admin, agent_id)
    with db.transaction() as session:
        last = session.scalars(
            sa.select(AgentVersion).where(AgentVersion.agent_id == agent_id).order_by(AgentVersion.version)
        ).all()[-1]
        config = last.snapshot["connection_config"] | {"database": "\u202ed"}
        marked = {"name": "\u202eSales", "model_type": "\u2066gpt\u2069", "status_reason": "\u202dmoving"}
        last.snapshot = last.snapshot | marked | {"connection_config": config}

    agents.restore_deleted(admin, agent_id)

    found = agent_reads.read(admin, agent_id)
    assert [found[name] for name in ("name", "model_type", "status_reason")] == ["Sales", "gpt", "moving"]
    assert found["connection_config"]["database"] == "d"


def test_pages_of_a_list_by_name_have_every_agent_once_whatever_its_spelling(console: Flask, admin: Actor) -> None:
    names = [COMPOSED, "Zz", "Cafe\u0301 2", "Caf\u00e9 1", "Cafez"]
    ids = [make_agent(console, admin, name="x") for _ in names]
    for agent_id, name in zip(ids, names, strict=True):
        as_stored_before(agent_id, name)

    seen, cursor = [], None
    while True:
        asked = {"sort": "name", "limit": 1} | ({"cursor": cursor} if cursor else {})
        page = agent_reads.listing(admin, listing.parse(asked))
        seen += [item["id"] for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert sorted(seen) == sorted(ids)


def test_the_filter_by_model_finds_both_spellings(console: Flask, admin: Actor) -> None:
    agent_id = make_agent(console, admin, model_type=COMPOSED)
    with db.transaction() as session:
        session.execute(sa.update(Agent).where(Agent.id == agent_id).values(model_type=APART))

    page = agent_reads.listing(admin, listing.parse({"model_type": COMPOSED}))

    assert [item["id"] for item in page.items] == [agent_id]


@pytest.mark.parametrize("stored_as", ["NFC", "NFD"])
@pytest.mark.parametrize("typed_as", ["NFC", "NFD"])
def test_a_password_and_an_address_are_accepted_in_each_spelling(console: Flask, stored_as: str, typed_as: str) -> None:
    password = "ein l\u00e4ngerer Satz 27"
    person = make_user(console)
    email = f"z\u00fc{person.user_id}@example.org"
    old = {
        "password_hash": passwords.HASHER.hash(unicodedata.normalize(stored_as, password)),
        "email": unicodedata.normalize(stored_as, email),
    }
    with db.transaction() as session:
        session.execute(sa.update(User).where(User.id == person.user_id).values(**old))

    typed = [unicodedata.normalize(typed_as, value) for value in (email.upper(), password)]

    assert sessions.sign_in(NO_VISITOR, f"Ada <{typed[0]}>", typed[1])
    assert not passwords.is_correct(old["password_hash"], password.casefold())


@pytest.mark.parametrize("stored", ["u\u0308\u00fc{}@example.org", "'u\u0308{}@example.org'"])
def test_a_user_of_the_previous_release_signs_in_with_the_same_text(console: Flask, stored: str) -> None:
    person = make_user(console)
    email = stored.format(person.user_id)
    old = {"password_hash": passwords.HASHER.hash("ein Satz 27 lang"), "email": email}
    with db.transaction() as session:
        session.execute(sa.update(User).where(User.id == person.user_id).values(**old))

    assert sessions.sign_in(NO_VISITOR, f" {email.upper()}", "ein Satz 27 lang")


def test_the_terminal_finds_an_account_by_each_spelling_of_its_name(console: Flask, admin: Actor) -> None:
    name = f"Z\u00fcrich {admin.account_id}"
    with db.transaction() as session:
        stored = unicodedata.normalize("NFD", name)
        session.execute(sa.update(Account).where(Account.id == admin.account_id).values(name=stored))

    assert accounts.terminal_actor("op", name).account_id == admin.account_id
    assert not accounts.rename(admin, {"name": name})


@pytest.mark.parametrize("number", [1_000, 1_000.0, "1000", " 1000 "])
def test_a_whole_number_is_the_same_in_every_spelling_of_json(console: Flask, admin: Actor, number: object) -> None:
    agent_id = make_agent(console, admin, connection_config={"row_limit": number})

    stored = agent_reads.read(admin, agent_id)["connection_config"]["row_limit"]
    assert (stored, type(stored)) == (1_000, int)
