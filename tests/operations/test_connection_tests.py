"""Tests of agents: who can start them and how many, which secrets they use, and what is stored of them."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.api.responses import as_json
from agents_app.config import settings
from agents_app.database.url import parse_url
from agents_app.db import db
from agents_app.errors import ConsoleError, Forbidden, InvalidInput, NotFound, Throttled, Unavailable
from agents_app.models import Agent, AgentVersion, ConnectionTest, Event, StartedTest
from agents_app.operations import agent_reads, agents, bulk_agents, connection_tests
from agents_app.operations.permissions import Actor
from agents_app.schemas import listing
from agents_app.values.choices import Door
from tests.conftest import OpenConsole
from tests.make import agent_values, make_agent, make_user
from tests.operations.tested_agents import KEY, PASSWORD, SilentServer, add_started, last_test, make_tested
from tests.probes.local_server import Reply, running


@contextmanager
def refused(kind: type[ConsoleError], code: str) -> Iterator[None]:
    """Expect a refusal with this code."""
    with pytest.raises(kind) as refusal:
        yield
    assert refusal.value.code == code


def test_a_viewer_cannot_test(console: Flask, admin: Actor) -> None:
    agent_id = make_agent(console, admin)
    viewer = make_user(console, "viewer", admin.account_id)

    with console.app_context():
        for ask in (
            lambda: connection_tests.run(viewer, agent_id),
            lambda: connection_tests.run_unsaved(viewer, agent_values()),
        ):
            with pytest.raises(Forbidden):
                ask()


def test_an_agent_of_another_account_is_not_found(console: Flask, admin: Actor) -> None:
    agent_id = make_agent(console, make_user(console))

    with console.app_context(), pytest.raises(NotFound):
        connection_tests.run(admin, agent_id)


@pytest.mark.parametrize("door", [Door.PAGE, Door.TOKEN, Door.TERMINAL])
def test_nothing_is_tested_while_tests_are_off(sqlite_schema_url: str, open_console: OpenConsole, door: Door) -> None:
    console = open_console(sqlite_schema_url, CONNECTION_TESTS="off")
    admin = replace(make_user(console), door=door)
    agent_id = make_agent(console, admin)

    with console.app_context():
        with refused(Unavailable, "tests_off"):
            connection_tests.run(admin, agent_id)
        with refused(Unavailable, "tests_off"):
            connection_tests.run_unsaved(admin, agent_values())


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"connection_config": {"host": "127.0.0.2"}}, "/connection_config/password"),
        ({"connection_config": {"username": "other"}}, "/connection_config/password"),
        ({"connection_config": {"sslmode": "disable"}}, "/connection_config/password"),
        ({"model_base_url": "https://rogue.example.org"}, "/api_key"),
        ({"model_provider": "anthropic"}, "/api_key"),
    ],
)
def test_a_stored_secret_is_not_used_for_another_destination(
    console: Flask, admin: Actor, closed_port: int, changes: dict[str, Any], pointer: str
) -> None:
    agent_id = make_tested(console, admin, closed_port, api_key=KEY, model_provider="openai")

    with console.app_context():
        for act in (connection_tests.run, agents.update):
            with pytest.raises(InvalidInput) as refusal:
                act(admin, agent_id, changes)
            assert [at for at, _ in refusal.value.fields] == [pointer]
        assert last_test(admin, agent_id) is None


def test_values_that_are_not_saved_use_no_stored_secret(console: Flask, admin: Actor, closed_port: int) -> None:
    make_tested(console, admin, closed_port)

    with console.app_context():
        result = connection_tests.run_unsaved(
            admin, agent_values(connection_config={"host": "127.0.0.1", "port": closed_port})
        )

    assert (result["cause"], result["is_saved"]) == ("incomplete", False)


def test_a_part_names_everything_that_it_lacks(console: Flask, admin: Actor) -> None:
    certificate = {"tenant_id": str(uuid4()), "client_id": str(uuid4()), "auth_method": "certificate"}
    dataset = {"workspace_id": str(uuid4()), "dataset_id": str(uuid4())}
    values = agent_values(connection_type="POWERBI", model_provider="azure_openai")

    with console.app_context():
        result = connection_tests.run_unsaved(admin, {**values, "connection_config": certificate | dataset})

    assert [part["cause"]["what"].partition("tested. ")[2] for part in result["parts"]] == [
        "Enter the certificate. Enter the private key.",
        "Enter the model base URL. Enter the API key.",
    ]


def test_a_test_that_connects_to_nothing_counts_too(console: Flask, admin: Actor) -> None:
    agent_id = make_agent(console, admin)

    with console.app_context():
        for _ in range(6):
            assert connection_tests.run(admin, agent_id)["cause"] == "incomplete"
        with refused(Throttled, "too_many_tests"):
            connection_tests.run(admin, agent_id)


def test_a_person_starts_six_tests_a_minute(console: Flask, admin: Actor, closed_port: int) -> None:
    agent_id = make_tested(console, admin, closed_port)
    with_token = replace(admin, door=Door.TOKEN, token_id=uuid4(), scopes=frozenset({"write"}))
    other = make_user(console, "editor", admin.account_id)

    with console.app_context():
        add_started(admin, 5, 30)
        connection_tests.run(admin, agent_id)
        for one in (admin, with_token):
            with refused(Throttled, "too_many_tests"):
                connection_tests.run(one, agent_id)
        connection_tests.run(other, agent_id)
        connection_tests.run(replace(admin, door=Door.TERMINAL), agent_id)


@pytest.mark.parametrize("age", [61, -3_600])
def test_tests_older_than_a_minute_and_of_a_clock_that_was_wrong_do_not_count(
    console: Flask, admin: Actor, closed_port: int, age: int
) -> None:
    agent_id = make_tested(console, admin, closed_port)

    with console.app_context():
        add_started(admin, 6, age)
        connection_tests.run(admin, agent_id)
        with db.reading() as connection:
            of_account = sa.select(sa.func.count()).where(StartedTest.account_id == admin.account_id)
            assert connection.scalar(of_account) == 1


def test_two_tests_of_an_account_run_at_once(console: Flask, admin: Actor, closed_port: int) -> None:
    agent_id = make_tested(console, admin, closed_port)
    others = [make_user(console, "editor", admin.account_id) for _ in "12"]

    with console.app_context():
        for other in others:
            add_started(other, 1, 9, is_running=True)
        with pytest.raises(Throttled) as refusal:
            connection_tests.run(admin, agent_id)

    assert refusal.value.retry_after in (1, 2)
    assert refusal.value.detail.endswith(("Try again in 1 second.", "Try again in 2 seconds."))


def test_a_test_whose_process_was_killed_counts_for_ten_seconds(console: Flask, admin: Actor, closed_port: int) -> None:
    agent_id = make_tested(console, admin, closed_port)

    with console.app_context():
        add_started(make_user(console, "editor", admin.account_id), 2, 10.1, is_running=True)

        assert connection_tests.run(admin, agent_id)["cause"] == "port_refused"


def test_the_result_of_the_saved_state_is_stored_with_who_and_when(
    console: Flask, admin: Actor, closed_port: int
) -> None:
    agent_id = make_tested(console, admin, closed_port)

    with console.app_context():
        result = connection_tests.run(admin, agent_id)
        stored = last_test(admin, agent_id)
        with db.reading() as connection:
            row = connection.execute(sa.select(ConnectionTest).where(ConnectionTest.agent_id == agent_id)).one()
            of_agent = (Event.target_id == agent_id, Event.action == "agent.tested")
            event = connection.execute(sa.select(Event).where(*of_agent)).one()

    assert result["is_saved"]
    assert (stored["parts"], stored["tested_at"]) == (result["parts"], result["tested_at"])
    assert (stored["outcome"], stored["cause"], stored["version"], stored["tested_by"]) == (
        *("failed", "port_refused", 1, "Admin"),
    )
    assert [step["name"] for step in stored["parts"][0]["steps"]] == ["resolve", "connect"]
    assert event.details["outcome"] == "failed"
    assert PASSWORD not in f"{row} {event} {result}"


def test_a_stored_value_that_cannot_be_shown_is_left_out(console: Flask, admin: Actor, closed_port: int) -> None:
    agent_id = make_tested(console, admin, closed_port)
    facts = {"tables": 2**64, "read_only": True}

    with console.app_context():
        connection_tests.run(admin, agent_id)
        with db.transaction() as session:
            row = session.scalars(sa.select(ConnectionTest).where(ConnectionTest.agent_id == agent_id)).one()
            part = {**row.result["connection"], "facts": facts, "warnings": [{"code": "role_writes", "facts": facts}]}
            row.result = {"connection": part}

        shown = last_test(admin, agent_id)["parts"][0]

    assert shown["facts"] == {"read_only": True}
    assert as_json(shown).status_code == 200


@pytest.mark.parametrize("password", ["failed", "resolve", "connect", "port_refused", "statements"])
def test_a_password_that_is_a_word_of_the_console_does_not_show_in_a_result(
    console: Flask, admin: Actor, closed_port: int, password: str
) -> None:
    config = {"host": "127.0.0.1", "port": closed_port}
    ids = [make_agent(console, admin, connection_config={**config, "password": one}) for one in (password, PASSWORD)]

    with console.app_context():
        parts = [connection_tests.run(admin, agent_id)["parts"][0] for agent_id in ids]

    for part in parts:
        for step in part["steps"]:
            del step["milliseconds"]
    assert parts[0] == parts[1]


def test_a_key_that_a_server_sends_back_is_not_shown(console: Flask, admin: Actor, tmp_path: Path) -> None:
    model = {"model_provider": "openai_compatible", "model_type": KEY[:-1], "api_key": KEY}
    with running(None, tmp_path) as server:
        server.answer = lambda _: Reply(body={"data": [{"id": KEY}, {"id": "x"}]})
        agent_id = make_agent(console, admin, model_base_url=f"http://127.0.0.1:{server.port}/v1", **model)
        with console.app_context():
            result = connection_tests.run(admin, agent_id)

    assert "Similar names: [secret]." in str(result["parts"][-1]["cause"])
    assert KEY not in str(result)


@pytest.mark.parametrize(
    ("changes", "is_saved"),
    [
        ({}, True),
        ({"description": "Another one.", "system_instructions": "Be brief."}, True),
        ({"connection_config": {"host": "127.0.0.1"}}, True),
        ({"connection_config": {"row_limit": 7}}, True),
        ({"connection_config": {"read_only": False}}, False),
        ({"connection_config": {"password": PASSWORD}}, False),
        ({"model_provider": "ollama"}, False),
    ],
)
def test_only_a_test_of_what_is_saved_is_the_last_test(
    console: Flask, admin: Actor, closed_port: int, changes: dict[str, Any], is_saved: bool
) -> None:
    agent_id = make_tested(console, admin, closed_port)

    with console.app_context():
        assert connection_tests.run(admin, agent_id, changes)["is_saved"] is is_saved
        assert (last_test(admin, agent_id) is not None) is is_saved


@pytest.mark.parametrize(
    ("changes", "is_out_of_date"),
    [
        ({"name": "Other", "description": "Text.", "owner": "Finance"}, False),
        ({"connection_config": {"row_limit": 7, "statement_timeout_ms": 500}}, False),
        ({"connection_config": {"credential_expires_at": "2030-01-31"}, "api_key_expires_at": "2030-01-31"}, False),
        ({"connection_config": {"schema_allow_list": ["sales"]}}, True),
        ({"connection_config": {"password": "another-password"}}, True),
        ({"connection_config": {"password": None}}, True),
        ({"api_key": KEY}, True),
        ({"model_type": "gpt-5"}, True),
        ({"api_key": KEY, "model_type": "gpt-5", "model_provider": None}, False),
    ],
)
def test_a_test_is_out_of_date_after_a_change_of_what_it_tested(
    console: Flask, admin: Actor, closed_port: int, changes: dict[str, Any], is_out_of_date: bool
) -> None:
    has_model = changes.get("model_provider", True)
    agent_id = make_tested(console, admin, closed_port, **({"model_provider": "ollama"} if has_model else {}))

    with console.app_context():
        connection_tests.run(admin, agent_id)
        agents.update(admin, agent_id, changes)
        agents.disable(admin, agent_id, {"reason": "Later."})

        assert last_test(admin, agent_id)["is_out_of_date"] is is_out_of_date
        for state, is_there in (("failed", not is_out_of_date), ("out_of_date", is_out_of_date), ("never", False)):
            assert bool(agent_reads.listing(admin, listing.parse({"test": state})).items) is is_there


def test_a_test_is_out_of_date_after_any_change_by_an_older_release(
    console: Flask, admin: Actor, closed_port: int
) -> None:
    agent_id = make_tested(console, admin, closed_port)

    with console.app_context():
        connection_tests.run(admin, agent_id)
        with db.transaction() as session:
            session.execute(sa.update(Agent).where(Agent.id == agent_id).values(version=2))

        assert last_test(admin, agent_id)["is_out_of_date"]
        agents.update(admin, agent_id, {"name": "Other"})
        assert last_test(admin, agent_id)["is_out_of_date"]
        assert agent_reads.listing(admin, listing.parse({"test": "out_of_date"})).items


def test_a_change_while_the_test_runs_makes_it_out_of_date(console: Flask, admin: Actor, silent: SilentServer) -> None:
    agent_id = make_tested(console, admin, silent.port)

    def run() -> None:
        with console.app_context():
            connection_tests.run(admin, agent_id)

    thread = threading.Thread(target=run)
    thread.start()
    client = silent.accept()
    with console.app_context():
        agents.update(admin, agent_id, {"connection_config": {"schema_allow_list": ["other"]}})
        client.close()
        thread.join()

        assert (last_test(admin, agent_id)["version"], last_test(admin, agent_id)["is_out_of_date"]) == (1, True)


def test_a_clone_was_never_tested_and_a_restored_agent_has_its_last_test(
    console: Flask, admin: Actor, closed_port: int
) -> None:
    agent_id = make_tested(console, admin, closed_port)

    with console.app_context():
        connection_tests.run(admin, agent_id)
        copy_id = agents.clone(admin, agent_id).agent_id
        before = last_test(admin, agent_id)
        agents.delete(admin, agent_id)
        agents.restore_deleted(admin, agent_id)

        assert last_test(admin, copy_id) is None
        assert last_test(admin, agent_id) == before
        assert not before["is_out_of_date"]
        deleted = bulk_agents.act(admin, {"act": "delete", "ids": [agent_id]})
        bulk_agents.undo(admin, deleted.id)
        assert last_test(admin, agent_id) == before
        # Out of date before, or without its secrets, it is out of date now.
        agents.update(admin, agent_id, {"connection_config": {"schema_allow_list": ["other"]}})
        agents.delete(admin, agent_id)
        agents.restore_deleted(admin, agent_id)
        assert last_test(admin, agent_id) == before | {"is_out_of_date": True}


@pytest.mark.parametrize("recorded", [None, 5, {"outcome": "odd"}, {"outcome": "passed"}, "without secrets"])
def test_a_last_test_that_cannot_be_used_is_not_restored_as_valid(
    console: Flask, admin: Actor, closed_port: int, recorded: Any
) -> None:
    agent_id = make_tested(console, admin, closed_port)

    with console.app_context():
        connection_tests.run(admin, agent_id)
        agents.delete(admin, agent_id)
        with db.transaction() as session:
            version = session.scalars(
                sa.select(AgentVersion).where(AgentVersion.agent_id == agent_id, AgentVersion.version == 2)
            ).one()
            if recorded == "without secrets":
                version.kept_secrets = sa.null()
            else:
                version.changes = {**version.changes, "last_test": recorded}
        agents.restore_deleted(admin, agent_id)

        found = last_test(admin, agent_id)
        assert found is None or found["is_out_of_date"]
        assert (found is not None) == (recorded == "without secrets")


def test_pages_answer_while_fifty_tests_wait_on_a_silent_host(
    sqlite_schema_url: str, open_console: OpenConsole, silent: SilentServer
) -> None:
    console = open_console(sqlite_schema_url, POOL_SIZE="8")
    people = [make_user(console) for _ in range(50)]
    ids = [make_tested(console, person, silent.port) for person in people]

    def run(person: Actor, agent_id: UUID) -> str:
        # A request keeps a connection of the pool until its end, but for what it waits for.
        with console.test_request_context("/agents"):
            try:
                return str(connection_tests.run(person, agent_id)["cause"])
            except Unavailable as refusal:
                return f"{refusal.code}, {refusal.retry_after} s"

    with ThreadPoolExecutor(50) as pool:
        waiting = [pool.submit(run, *pair) for pair in zip(people, ids, strict=True)]
        clients = [silent.accept() for _ in range(3)]
        refused_ones = list(islice(as_completed(waiting), 47))
        with console.app_context():
            assert agent_reads.read(people[0], ids[0])["name"] == "Sales"
            assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        for client in clients:
            client.close()

    assert {one.result() for one in refused_ones} == {"busy, 10 s"}


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("postgresql://u@db.example.org/c", {("db.example.org", 5432)}),
        ("postgresql://u@a:6432,b:5433/c", {("a", 6432), ("a", 5433), ("b", 6432), ("b", 5433)}),
        ("postgresql://u@/c?host=/var/run/postgresql&port=5499", {("localhost", 5499)}),
        ("postgresql:///c?host=db&hostaddr=10.0.0.7", {("db", 5432), ("10.0.0.7", 5432)}),
        ("sqlite:///instance/console.db", set()),
    ],
)
def test_the_consoles_own_database_is_blocked(
    sqlite_schema_url: str, open_console: OpenConsole, url: str, addresses: set[tuple[str, int]]
) -> None:
    console = open_console(sqlite_schema_url)
    with console.app_context():
        console.extensions["settings"] = replace(settings(), database_url=parse_url(url), migration_database_url=None)
        rules = connection_tests.address_rules()

    assert set(rules.blocked) == addresses
    assert rules.allows_loopback


@pytest.mark.parametrize("is_service", [False, True])
def test_the_consoles_own_database_is_blocked_at_its_own_port_behind_another_one(
    postgres_schema_url: str,
    open_console: OpenConsole,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_service: bool,
) -> None:
    url = parse_url(postgres_schema_url)
    (own_socket,) = Path(str(url.query["host"])).glob(".s.PGSQL.*[0-9]")
    (tmp_path / ".s.PGSQL.6543").symlink_to(own_socket)
    place = {"host": str(tmp_path), "port": "6543"}
    lines = {**place, "dbname": url.database, "user": url.username}
    file = tmp_path / "pg_service.conf"
    file.write_text("[console]\n" + "".join(f"{name}={text}\n" for name, text in lines.items()))
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    direct = url.set(query=place).render_as_string(hide_password=False)
    console = open_console("postgresql:///?service=console" if is_service else direct)

    with console.app_context():
        blocked = connection_tests.address_rules().blocked

    assert {("localhost", 6543), ("localhost", int(own_socket.suffix[1:]))} <= set(blocked)


@pytest.mark.parametrize(
    "url", ["postgresql:///?service=own", "postgresql:///console", "postgresql:///console?port={}"]
)
def test_the_consoles_own_database_is_blocked_where_only_libpq_knows_its_address(
    sqlite_schema_url: str,
    open_console: OpenConsole,
    silent: SilentServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    url: str,
) -> None:
    console, service = open_console(sqlite_schema_url), tmp_path / "services"
    service.write_text(f"[own]\nhost=127.0.0.1\nport={silent.port}\ndbname=console\n")
    monkeypatch.setenv("PGSERVICEFILE", str(service))
    if "service" not in url:
        monkeypatch.setenv("PGHOST", "127.0.0.1")
        monkeypatch.setenv("PGPORT", "1" if "port" in url else str(silent.port))
    with console.app_context():
        known, own = settings(), parse_url(url.format(silent.port))
        for one in ({"database_url": own}, {"migration_database_url": own}):
            console.extensions["settings"] = replace(known, **one)
            assert connection_tests.address_rules().blocked == (("127.0.0.1", silent.port),)


def test_loopback_is_not_allowed_where_others_reach_the_console(
    sqlite_schema_url: str, open_console: OpenConsole
) -> None:
    console = open_console(
        sqlite_schema_url, PUBLIC_URL="https://a.example.org", CONNECTION_TEST_NETWORKS="10.0.0.0/8, fd00::/8"
    )

    with console.app_context():
        rules = connection_tests.address_rules()

    assert (rules.allows_loopback, rules.networks) == (False, ("10.0.0.0/8", "fd00::/8"))
