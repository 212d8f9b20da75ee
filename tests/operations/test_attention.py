"""Which agents need attention, and why. The list, its count and the terminal use the same definition."""

import base64
import os
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy import event

from agents_app.db import db, now
from agents_app.errors import Unavailable
from agents_app.models import Agent, ConnectionTest
from agents_app.operations import agent_reads, agents, attention, connection_tests, rotation
from agents_app.operations.agent_list_statements import COUNT_UP_TO
from agents_app.operations.permissions import Actor
from agents_app.probes.results import Finding, Result
from agents_app.schemas import listing
from tests.conftest import OpenConsole
from tests.make import KEYS, make_agent, make_last_test, make_user

WHOLE = {"password": "a password"}
# SQLite takes more, and not any number: some builds 32,766.
VARIABLES_MAX = 2_000


def on_day(days: int) -> str:
    """The day in so many days."""
    return (now().date() + timedelta(days=days)).isoformat()


def store_test(
    admin: Actor, agent_id: UUID, outcome: str, *, is_out_of_date: bool = False, is_sample: bool = False
) -> None:
    """Store a last test of this outcome."""
    row = ConnectionTest(agent_id=agent_id, account_id=admin.account_id, version=1, actor_name="Admin", result={})
    row.outcome, row.valid_for_version, row.is_sample = outcome, 0 if is_out_of_date else 1, is_sample
    with db.transaction() as session:
        session.add(row)


def store(agent_id: UUID, **columns: Any) -> None:
    """Store these values in the row of an agent, and nothing else."""
    with db.transaction() as session:
        session.execute(sa.update(Agent).where(Agent.id == agent_id).values(**columns))


def stored_config(agent_id: UUID) -> Any:
    """The stored configuration of an agent."""
    with db.reading() as connection:
        return connection.scalar(sa.select(Agent.connection_config).where(Agent.id == agent_id))


def listed(admin: Actor) -> list[UUID]:
    """The agents that the list shows as needing attention."""
    page, counts = agent_reads.listing_with_counts(admin, listing.parse({"needs_attention": "true", "sort": "name"}))
    assert counts.attention == len(page.items) == len(page.reasons)
    return [item["id"] for item in page.items]


def reasons_in_each_list(console: Flask, admin: Actor, agent_id: UUID) -> list[str]:
    """Why the only agent needs attention. Every list shows it exactly if there is a reason."""
    with console.app_context():
        found = attention.listing(admin)
        codes = [reason["code"] for agent in found for reason in agent["reasons"]]
        assert [agent["id"] for agent in found] == listed(admin) == [agent_id] * bool(codes)
    return codes


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        ({}, []),
        ({"connection_config": {"password": None}}, ["incomplete"]),
        ({"model_provider": "openai"}, ["incomplete"]),
        ({"model_provider": "openai", "api_key": "sk-1"}, []),
    ],
)
def test_an_agent_needs_attention_if_it_lacks_something(
    console: Flask, admin: Actor, values: dict[str, Any], codes: list[str]
) -> None:
    agent_id = make_agent(console, admin, **{"connection_config": WHOLE, **values})

    assert reasons_in_each_list(console, admin, agent_id) == codes


# Days are counted when the test runs: the tests may run over midnight.
@pytest.mark.parametrize(("days", "codes"), [(31, []), (30, ["expiring"]), (0, ["expiring"]), (-1, ["expired"])])
def test_an_agent_needs_attention_if_its_password_or_api_key_expires(
    console: Flask, admin: Actor, days: int, codes: list[str]
) -> None:
    for values in (
        {"connection_config": WHOLE | {"credential_expires_at": on_day(days)}},
        {"connection_config": WHOLE, "api_key": "sk-1", "api_key_expires_at": on_day(days)},
    ):
        agent_id = make_agent(console, admin, **values)

        assert reasons_in_each_list(console, admin, agent_id) == codes
        with console.app_context():
            agents.delete(admin, agent_id)


@pytest.mark.parametrize(
    ("outcome", "is_out_of_date", "codes"),
    [("passed", False, []), ("warning", False, []), ("failed", True, []), ("failed", False, ["test_failed"])],
)
def test_an_agent_needs_attention_if_its_last_test_failed(
    console: Flask, admin: Actor, outcome: str, is_out_of_date: bool, codes: list[str]
) -> None:
    agent_id = make_agent(console, admin, connection_config=WHOLE)

    with console.app_context():
        store_test(admin, agent_id, outcome, is_out_of_date=is_out_of_date)

        assert [reason["code"] for agent in attention.listing(admin) for reason in agent["reasons"]] == codes
        assert listed(admin) == [agent_id] * bool(codes)


def test_a_failed_test_that_is_a_sample_is_called_one(console: Flask, admin: Actor) -> None:
    agent_id = make_agent(console, admin, connection_config=WHOLE)

    with console.app_context():
        store_test(admin, agent_id, "failed", is_sample=True)

        assert [reason["detail"] for reason in attention.of_agent(admin, agent_id)] == [
            "The last test failed. This result is sample data."
        ]


@pytest.mark.parametrize(
    ("causes", "codes"),
    [(["incomplete"], ["incomplete"]), (["incomplete", "server_slow"], ["test_failed", "incomplete"])],
)
def test_what_is_missing_is_said_once_and_hides_no_other_cause(
    console: Flask, admin: Actor, causes: list[str], codes: list[str]
) -> None:
    agent_id = make_agent(console, admin)
    facts = {"missing": "Enter the password."}
    parts = zip(("connection", "model"), causes, strict=False)
    make_last_test(console, admin, agent_id, **{part: Result((), Finding(code, facts)) for part, code in parts})

    with console.app_context():
        found = attention.of_agent(admin, agent_id)

        assert [reason["code"] for reason in found] == codes
        assert sum("nter the password" in reason["detail"] for reason in found) <= 1
        assert listed(admin) == [agent_id]


def test_a_damaged_secret_is_found_where_every_secret_is_decrypted(console: Flask, admin: Actor) -> None:
    agent_id = make_agent(console, admin, connection_config=WHOLE, api_key="sk-1")

    with console.app_context():
        store(agent_id, api_key="v1:k1:AAAA")
        (found,) = attention.listing(admin)

        assert found["reasons"] == [
            {"code": "secret_unreadable", "detail": "A stored secret cannot be decrypted: api_key."}
        ]
        assert listed(admin) == []


def test_an_agent_needs_attention_if_the_key_of_a_secret_is_not_set(schema_url: str, open_console: OpenConsole) -> None:
    new, old = f"k2:{base64.b64encode(os.urandom(32)).decode()}", KEYS["ENCRYPTION_KEYS"]
    console = open_console(schema_url)
    admin = make_user(console)
    agent_id = make_agent(console, admin, connection_config=WHOLE, api_key="sk-1")
    other_id = make_agent(console, admin, name="Without a secret")

    with open_console(schema_url, ENCRYPTION_KEYS=new).app_context():
        assert [agent["id"] for agent in attention.listing(admin)] == listed(admin) == [agent_id, other_id]
    with open_console(schema_url, ENCRYPTION_KEYS=f"{new},{old}").app_context():
        assert listed(admin) == [other_id]
        agents.update(admin, agent_id, {"api_key": "sk-2"})
        assert listed(admin) == [other_id]
        rotation.rotate("root", lambda _done: None)
        # The rotation of an older release does not write this column.
        store(agent_id, secret_key_ids="<k1>")
        rotation.rotate("root", lambda _done: None)
    with open_console(schema_url, ENCRYPTION_KEYS=new).app_context():
        assert listed(admin) == [other_id]
    with open_console(schema_url, ENCRYPTION_KEYS=old).app_context():
        cause = connection_tests.run(admin, agent_id)["parts"][0]["cause"]
        # While the key is missing, nothing can be saved.
        assert (cause["code"], cause["responsible"]) == ("encryption_key_missing", "operator")
        with pytest.raises(Unavailable):
            agents.update(admin, agent_id, {"connection_config": {"password": "pw"}})


def test_what_an_older_release_writes_counts_at_once(console: Flask, admin: Actor) -> None:
    agent_id = make_agent(console, admin, connection_config=WHOLE)

    with console.app_context():
        whole = stored_config(agent_id)
        incomplete = {name: value for name, value in whole.items() if name != "password"}
        store(agent_id, connection_config=incomplete, version=2)
        assert [agent["id"] for agent in attention.listing(admin)] == listed(admin) == [agent_id]
        agents.update(admin, agent_id, {"description": "Text."})
        assert listed(admin) == [agent_id]
        store(agent_id, connection_config=whole, version=4)
        assert attention.listing(admin) == listed(admin) == []
        store(agent_id, credential_expires_at=now().date(), version=5)
        assert listed(admin) == [agent_id]


def plans_of_list(admin: Actor, explain: str) -> list[str]:
    """How the database executes the statements of the list: the questions before it, and the agents."""
    sent: list[Any] = []
    event.listen(db.engine, "before_cursor_execute", lambda *given: sent.append(given[2:4]))
    agent_reads.listing_with_counts(admin, listing.parse({}))
    with db.engine.connect() as connection:
        return [
            "\n".join(str(row[-1]) for row in connection.exec_driver_sql(f"{explain} {statement}", values))
            for statement, values in sent[:2]
        ]


def test_more_agents_of_an_older_release_than_a_statement_takes_parameters_are_found(
    console: Flask, admin: Actor
) -> None:
    row = {"name": "x", "connection_type": "DB", "connection_config": {}, "account_id": admin.account_id}
    row |= {"created_at": now(), "updated_at": now()}
    with console.app_context():
        with db.transaction() as session:
            session.execute(sa.insert(Agent), [row | {"id": uuid4()} for _ in range(VARIABLES_MAX + 1)])
        with db.reading() as connection:
            driver: Any = connection.connection.dbapi_connection
            if isinstance(driver, sqlite3.Connection):
                driver.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, VARIABLES_MAX)
        asked, others = (listing.parse({"needs_attention": wanted, "limit": "200"}) for wanted in ("true", "false"))
        sent = statements_of(lambda: agent_reads.listing_with_counts(admin, asked))
        page, counts = agent_reads.listing_with_counts(admin, asked)

        assert (len(page.items), counts.attention, counts.matching) == (200, COUNT_UP_TO + 1, COUNT_UP_TO + 1)
        assert len(agent_reads.listing(admin, asked).items) == 200
        assert agent_reads.listing(admin, others).items == []
        # Neither has it a text for each of them.
        assert max(map(len, sent)) < 20_000


def statements_of(act: Callable[[], object]) -> list[str]:
    """The statements that this act sends."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        sent.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    act()
    event.remove(db.engine, "before_cursor_execute", note)
    return sent


def test_the_list_finds_them_by_indexes_and_reads_no_other_agent(
    sqlite_schema_url: str, open_console: OpenConsole
) -> None:
    console = open_console(sqlite_schema_url)
    admin = make_user(console)
    with console.app_context():
        before, rows = plans_of_list(admin, "EXPLAIN QUERY PLAN")

    assert "agents USING INDEX ix_agents_account_id_not_examined (account_id=?)" in before
    for search in (
        "agents_1 USING INDEX ix_agents_account_id_attention_date (account_id=? AND attention_date<?)",
        "agents_1 USING INDEX ix_agents_account_id_secret_key_ids (account_id=? AND secret_key_ids=?)",
        "agents_1 USING COVERING INDEX ix_agents_account_id_secret_key_ids (account_id=? AND secret_key_ids>?)",
        "connection_tests USING INDEX ix_connection_tests_account_id_outcome (account_id=? AND outcome=?)",
        "agents USING COVERING INDEX ix_agents_account_id_status (account_id=? AND status=?)",
    ):
        assert f"SEARCH {search}" in rows


def test_postgresql_uses_the_indexes_where_one_account_has_almost_all_agents(
    postgres_schema_url: str, open_console: OpenConsole
) -> None:
    console = open_console(postgres_schema_url)
    admin = make_user(console)
    make_agent(console, admin, connection_config=WHOLE)
    columns = sa.inspect(Agent).columns
    copied = [sa.func.gen_random_uuid() if column.key == "id" else column for column in columns]
    numbers = sa.func.generate_series(1, 3_000).table_valued()
    copies = sa.select(*copied).join_from(Agent, numbers, sa.true())
    with console.app_context():
        with db.transaction() as session:
            session.execute(sa.insert(Agent).from_select([column.key for column in columns], copies))
        with db.engine.begin() as connection:
            connection.exec_driver_sql("ANALYZE agents")
        before, rows = plans_of_list(admin, "EXPLAIN")

    assert "ix_agents_account_id_not_examined" in before
    assert rows.count("ix_agents_account_id_attention_date") == 1
    # The disabled agents, of which there are none.
    assert "ix_agents_account_id_status" in rows


def test_the_list_and_its_count_have_the_same_agents_and_none_of_another_account(console: Flask, admin: Actor) -> None:
    make_agent(console, make_user(console), name="Foreign")
    make_agent(console, admin, name="Fine", connection_config=WHOLE)
    for name in ("Beta", "Alpha"):
        make_agent(console, admin, name=name)

    with console.app_context():
        listed = agent_reads.listing(admin, listing.parse({"needs_attention": "true", "sort": "name"}))
        others = agent_reads.listing(admin, listing.parse({"needs_attention": "false"}))
        _, counts = agent_reads.listing_with_counts(admin, listing.parse({"limit": 1}))
        found = attention.listing(admin)

    assert [item["name"] for item in listed.items] == [agent["name"] for agent in found] == ["Alpha", "Beta"]
    assert [item["name"] for item in others.items] == ["Fine"]
    assert (counts.attention, counts.all) == (2, 3)
