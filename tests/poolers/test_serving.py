"""The console on a direct connection and through PgBouncer: limits and `options` apply, and no settings remain."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.test import TestResponse

from agents_app import dbtools
from agents_app.database.prepared import PREPARED_FROM_USE
from agents_app.database.session import libpq_parameters, session_facts
from agents_app.database.url import parse_url
from agents_app.db import db
from agents_app.errors import Unavailable
from tests import pgbouncer, postgres
from tests.api.conftest import Client
from tests.api.test_statements import counted
from tests.conftest import OpenConsole
from tests.make import agent_values, make_agent, make_token, make_user
from tests.poolers.conftest import LOCKS, MODES, SETTINGS, StartPooler, connect, query_rows, with_options
from tests.security.conftest import Caller

pytestmark = pytest.mark.long


@contextmanager
def locked(url: str, table: str) -> Iterator[None]:
    """During the block, another client locks the table."""
    with closing(connect(url)) as other:
        other.cursor().execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


def is_unavailable(answer: TestResponse, code: str) -> bool:
    """Whether the answer has status 503, this code, and a Retry-After header."""
    return (answer.status_code, answer.json["code"], answer.headers["Retry-After"]) == (503, code, "2")


def is_through_pooler(url: str) -> bool:
    """Whether a `served_url` is the address of PgBouncer."""
    return sa.make_url(url).port == pgbouncer.PORT


def writing_client(app: Flask) -> Client:
    """An API client with the scopes read and write."""
    return Client(app, make_token(app, make_user(app), "read", "write"))


def test_the_limits_apply_to_reads_and_writes(served_url: str, open_console: OpenConsole) -> None:
    with open_console(served_url).app_context():
        with db.reading() as connection:
            reading = session_facts(connection)
        with db.transaction() as session:
            writing = session_facts(session.connection())
            zone = session.scalar(sa.text("SHOW timezone"))

    assert (reading.statement_timeout, reading.lock_timeout, zone) == ("5s", "2s", "UTC")
    assert writing == reading


def test_a_slow_statement_is_cancelled(served_url: str, open_console: OpenConsole) -> None:
    app = open_console(with_options(served_url, "-c statement_timeout=100"))
    sleep = sa.text("SELECT pg_sleep(30)")

    with app.app_context():
        for connect_to_database in (db.reading, db.transaction):
            with pytest.raises(Unavailable) as refusal, connect_to_database() as connection:
                connection.execute(sleep)
            assert refusal.value.code == "database_busy"


def test_waiting_for_a_lock_is_limited_at_every_door(served_url: str, open_console: OpenConsole) -> None:
    app = open_console(served_url)
    admin = make_user(app)
    api, page = Client(app, make_token(app, admin, "read", "write")), Caller(app, admin)
    page.ask("GET", "/agents")

    with locked(served_url, "agents"):
        answers = [api.get("/agents"), api.post("/agents", agent_values())]
        page_status = page.ask("GET", "/agents").status_code

    assert [is_unavailable(answer, "database_busy") for answer in answers] == [True, True]
    assert page_status == 503
    assert api.get("/agents").status_code == 200


def test_a_statement_is_prepared_only_on_a_direct_connection(served_url: str, open_console: OpenConsole) -> None:
    app = open_console(served_url)
    api = writing_client(app)

    with counted(app) as statements:
        for _ in range(PREPARED_FROM_USE):
            assert api.get("/agents").status_code == 200

    assert any(one.startswith("EXECUTE") for one in statements) is not is_through_pooler(served_url)


def test_a_transaction_through_a_pooler_has_one_more_statement(served_url: str, open_console: OpenConsole) -> None:
    app = open_console(served_url)
    api = writing_client(app)
    api.get("/me")

    with counted(app) as statements:
        api.get("/agents")

    assert len(statements) == (4 if is_through_pooler(served_url) else 2)


def test_settings_in_the_url_override_the_limits_and_are_passed_unchanged(
    served_url: str, open_console: OpenConsole
) -> None:
    options = r'-c statement_timeout=7s --search-path="My\ Schema",public -cmy.mark=a\\b\ c=d'
    app = open_console(with_options(served_url, options))
    with app.app_context(), db.transaction() as session:
        session.execute(sa.text('CREATE SCHEMA "My Schema"'))

    with app.app_context(), db.reading() as connection:
        facts = session_facts(connection)
        mark = connection.scalar(sa.text("SELECT current_setting('my.mark')"))

    assert (facts.statement_timeout, facts.lock_timeout, facts.schema) == ("7s", "2s", "My Schema")
    assert mark == r"a\b c=d"


def test_two_consoles_in_two_schemas_do_not_see_each_other(
    postgres_schema_url: str, served_url: str, open_console: OpenConsole
) -> None:
    with closing(connect(postgres_schema_url)) as other:
        other.cursor().execute("CREATE SCHEMA app")
        other.commit()
    dbtools.upgrade_to_head(parse_url(with_options(postgres_schema_url, "-csearch_path=app")))
    consoles = [open_console(served_url), open_console(with_options(served_url, "-csearch_path=app"))]

    clients = [writing_client(console) for console in consoles]
    created = [client.post("/agents", agent_values()).json["id"] for client in clients]
    listed = [[agent["id"] for agent in client.get("/agents").json["items"]] for client in clients]

    assert listed == [[created[0]], [created[1]]]
    assert clients[1].get(f"/agents/{created[0]}").status_code == 404
    assert query_rows(postgres_schema_url, "SELECT count(*), (SELECT count(*) FROM app.users) FROM users") == [(1, 1)]


def test_pgoptions_has_no_effect(served_url: str, open_console: OpenConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c search_path=nowhere -c statement_timeout=1")

    assert writing_client(open_console(served_url)).get("/agents").status_code == 200


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", ["1", "2"])
def test_no_setting_and_no_lock_remains_in_the_sessions_of_the_server(
    postgres_schema_url: str, start_pooler: StartPooler, open_console: OpenConsole, mode: str, size: str
) -> None:
    # Without its reset query PgBouncer passes on a session with all settings of the console.
    pooler = start_pooler(mode, default_pool_size=size, server_reset_query="")
    url = pooler.url(postgres_schema_url)
    before = query_rows(postgres_schema_url, SETTINGS)
    app = open_console(with_options(url, "-csearch_path=public -c statement_timeout=200"), POOL_SIZE=size)
    api = writing_client(app)
    api.post("/agents", agent_values())
    with app.app_context():
        for connect_to_database in (db.reading, db.transaction):
            with pytest.raises(Unavailable), connect_to_database() as connection:
                connection.execute(sa.text("SELECT pg_sleep(30)"))
        db.close_pool()

    with closing(connect(url)) as first, first.cursor() as cursor:
        cursor.execute(SETTINGS)
        settings = [cursor.fetchall()]
        # The first client is in a transaction and keeps its session, so the second gets another one.
        settings += [query_rows(url, SETTINGS)] if size == "2" else []

    assert [dict(rows) for rows in settings] == [dict(before)] * int(size)
    assert query_rows(url, LOCKS) == [(0,)]


@pytest.mark.parametrize("ignored", ["options", "options,statement_timeout,search_path"])
def test_options_apply_even_if_the_pooler_ignores_them(
    postgres_schema_url: str, start_pooler: StartPooler, open_console: OpenConsole, ignored: str
) -> None:
    url = start_pooler("transaction", ignore_startup_parameters=ignored).url(postgres_schema_url)

    with open_console(with_options(url, "-cstatement_timeout=9s")).app_context(), db.reading() as connection:
        facts = session_facts(connection)

    assert (facts.is_pooled, facts.statement_timeout, facts.lock_timeout) == (True, "9s", "2s")


def test_a_pooler_is_detected(served_url: str, open_console: OpenConsole) -> None:
    with open_console(served_url).app_context(), db.reading() as connection:
        facts = session_facts(connection)

    assert facts.is_pooled == is_through_pooler(served_url)
    assert (facts.schema, facts.encoding) == ("public", "UTF8")


def test_a_pooler_that_replaces_the_server_is_detected(
    postgres_schema_url: str, tmp_path: Path, start_pooler: StartPooler, open_console: OpenConsole
) -> None:
    server = libpq_parameters(parse_url(postgres_schema_url))[0]
    pooler = start_pooler("transaction", listen_port=str(server.get("port", 5432)))
    link = tmp_path / "link"
    link.symlink_to(server["host"])
    linked_url = parse_url(postgres_schema_url).update_query_dict({"host": str(link)})
    url = with_options(linked_url.render_as_string(hide_password=False), "-c search_path=public")

    with open_console(url).app_context():
        with db.reading() as connection:
            assert not session_facts(connection).is_pooled
        db.close_pool()
        link.unlink()
        link.symlink_to(pooler.folder)
        with pytest.raises(Unavailable), db.reading():
            pass
        with db.reading() as connection:
            assert session_facts(connection).is_pooled


def test_a_restart_of_the_pooler_is_reported(
    postgres_schema_url: str, pooler: pgbouncer.Pooler, open_console: OpenConsole
) -> None:
    api = writing_client(open_console(pooler.url(postgres_schema_url)))

    pooler.stop()
    unavailable = api.get("/agents")
    pooler.start()

    assert is_unavailable(unavailable, "database_unavailable")
    assert api.get("/agents").status_code == 200


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_a_restart_of_the_server_behind_a_pooler_is_reported(open_console: OpenConsole, mode: str) -> None:
    with postgres.cluster(synchronous_commit="on") as cluster, postgres.database(cluster.url) as url:
        dbtools.upgrade_to_head(parse_url(url))
        with pgbouncer.pooler(cluster.url, mode, server_login_retry="0.1") as pooler:
            api = writing_client(open_console(pooler.url(url)))

            cluster.kill()
            unavailable = api.get("/agents")
            cluster.start()
            for _ in range(100):
                if (back := api.get("/agents").status_code) == 200:
                    break

            assert is_unavailable(unavailable, "database_unavailable")
            assert back == 200


def test_the_console_does_not_wait_for_a_paused_pooler(
    postgres_schema_url: str, start_pooler: StartPooler, open_console: OpenConsole
) -> None:
    pooler = start_pooler("transaction")
    app = open_console(pooler.url(postgres_schema_url))
    api = writing_client(app)

    pooler.admin("PAUSE")
    while_paused = api.get("/agents")
    ready = app.test_client().get("/readyz")
    pooler.admin("RESUME")

    assert is_unavailable(while_paused, "database_unavailable")
    assert ready.json == {"status": "database_unavailable"}
    assert api.get("/agents").status_code == 200


@pytest.mark.parametrize("mode", MODES)
def test_the_console_does_not_wait_for_a_pooler_without_free_sessions(
    postgres_schema_url: str, start_pooler: StartPooler, open_console: OpenConsole, mode: str
) -> None:
    url = start_pooler(mode, default_pool_size="1").url(postgres_schema_url)
    app = open_console(url)
    with closing(connect(url)) as other, app.app_context():
        other.cursor().execute("SELECT 1")
        with pytest.raises(Unavailable), db.reading():
            pass

    assert app.test_client().get("/readyz").json == {"status": "ok"}


def test_a_pooler_that_accepts_no_more_clients_is_reported(
    postgres_schema_url: str, start_pooler: StartPooler, open_console: OpenConsole
) -> None:
    url = start_pooler("transaction", max_client_conn="1").url(postgres_schema_url)
    app = open_console(url)
    with closing(connect(url)), app.app_context(), pytest.raises(Unavailable) as refusal, db.reading():
        pass

    assert refusal.value.code == "database_busy"
    assert app.test_client().get("/readyz").json == {"status": "ok"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"username": "nobody_here"}, "The database rejected the user name or the password in DATABASE_URL."),
        ({"database": "nothing_here"}, "The server has no database with the name in DATABASE_URL."),
    ],
)
def test_a_wrong_user_or_database_is_reported(
    served_url: str, open_console: OpenConsole, change: dict[str, str], sentence: str
) -> None:
    wrong = parse_url(served_url).set(**change).render_as_string(hide_password=False)

    with open_console(wrong).app_context(), pytest.raises(Unavailable) as refusal, db.reading() as connection:
        connection.execute(sa.text("SELECT 1"))

    assert (refusal.value.detail, refusal.value.code) == (sentence, "database_unavailable")


@pytest.mark.parametrize("options", ["-c statement_timeout=soon", "-c no_such_setting=1", "-c fsync=off"])
def test_an_invalid_setting_is_reported(served_url: str, open_console: OpenConsole, options: str) -> None:
    app = open_console(with_options(served_url, options))

    with app.app_context(), pytest.raises(Unavailable) as refusal, db.reading() as connection:
        connection.execute(sa.text("SELECT 1"))

    assert refusal.value.detail == "The server rejected a setting in the options of DATABASE_URL."
    assert app.test_client().get("/readyz").json == {"status": "database_unavailable"}


def test_many_threads_through_few_sessions_all_get_answers(
    postgres_schema_url: str, start_pooler: StartPooler, open_console: OpenConsole
) -> None:
    app = open_console(start_pooler("transaction", default_pool_size="2").url(postgres_schema_url))
    admin = make_user(app)
    token = make_token(app, admin, "read", "write")
    statuses: list[int] = []

    def work() -> None:
        api = Client(app, token)
        for _ in range(5):
            statuses.append(api.post("/agents", agent_values()).status_code)
            statuses.append(api.get("/agents").status_code)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(statuses) == {200, 201}
    assert make_agent(app, admin)
