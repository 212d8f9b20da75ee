"""The console on a database of its own address and behind PgBouncer: limits hold, `options` count, nothing is left."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.test import TestResponse

from agents_app import dbtools
from agents_app.database.session import libpq_parameters, session_facts
from agents_app.database.url import parse_url
from agents_app.db import db
from agents_app.errors import Unavailable
from tests import pgbouncer, postgres
from tests.api.conftest import Client
from tests.api.test_statements import counted
from tests.conftest import OpenConsole
from tests.make import agent_values, make_agent, make_token, make_user
from tests.poolers.conftest import LOCKS, MODES, SETTINGS, StartPooler, answer_of, connect, with_options
from tests.security.conftest import Caller


@contextmanager
def locked(url: str, table: str) -> Iterator[None]:
    """While the block runs another client has the table."""
    with closing(connect(url)) as other:
        other.cursor().execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


def refused(answer: TestResponse, code: str) -> bool:
    """Whether the answer says what failed and when to come back."""
    return (answer.status_code, answer.json["code"], answer.headers["Retry-After"]) == (503, code, "2")


def is_through_pooler(url: str) -> bool:
    """Whether a `served_url` is PgBouncer's."""
    return sa.make_url(url).port == pgbouncer.PORT


def api_of(app: Flask) -> Client:
    """A program that may write."""
    return Client(app, make_token(app, make_user(app), "read", "write"))


def test_the_limits_are_in_force_for_reading_and_for_writing(served_url: str, open_console: OpenConsole) -> None:
    with open_console(served_url).app_context():
        with db.reading() as connection:
            reading = session_facts(connection)
        with db.transaction() as session:
            writing = session_facts(session.connection())
            zone = session.scalar(sa.text("SHOW timezone"))

    assert (reading.statement_timeout, reading.lock_timeout, zone) == ("5s", "2s", "UTC")
    assert writing == reading


def test_a_statement_that_sleeps_is_cut_off(served_url: str, open_console: OpenConsole) -> None:
    app = open_console(with_options(served_url, "-c statement_timeout=100"))
    sleep = sa.text("SELECT pg_sleep(30)")

    with app.app_context():
        for way in (db.reading, db.transaction):
            with pytest.raises(Unavailable) as refusal, way() as asked:
                asked.execute(sleep)
            assert refusal.value.code == "database_busy"


def test_a_lock_that_waits_is_cut_off_at_every_door(served_url: str, open_console: OpenConsole) -> None:
    app = open_console(served_url)
    admin = make_user(app)
    api, page = Client(app, make_token(app, admin, "read", "write")), Caller(app, admin)
    page.ask("GET", "/agents")

    with locked(served_url, "agents"):
        waited = [api.get("/agents"), api.post("/agents", agent_values())]
        shown = page.ask("GET", "/agents").status_code

    assert [refused(answer, "database_busy") for answer in waited] == [True, True]
    assert shown == 503
    assert api.get("/agents").status_code == 200


def test_a_transaction_through_a_pooler_costs_one_statement_more(served_url: str, open_console: OpenConsole) -> None:
    app = open_console(served_url)
    api = api_of(app)
    api.get("/me")

    with counted(app) as statements:
        api.get("/agents")

    assert len(statements) == (4 if is_through_pooler(served_url) else 2)


def test_settings_of_the_url_win_over_the_limits_and_are_kept_whole(served_url: str, open_console: OpenConsole) -> None:
    options = r'-c statement_timeout=7s --search-path="My\ Schema",public -cmy.mark=a\\b\ c=d'
    app = open_console(with_options(served_url, options))
    with app.app_context(), db.transaction() as session:
        session.execute(sa.text('CREATE SCHEMA "My Schema"'))

    with app.app_context(), db.reading() as connection:
        facts = session_facts(connection)
        mark = connection.scalar(sa.text("SELECT current_setting('my.mark')"))

    assert (facts.statement_timeout, facts.lock_timeout, facts.schema) == ("7s", "2s", "My Schema")
    assert mark == r"a\b c=d"


def test_two_consoles_in_two_schemas_never_see_each_other(
    postgres_schema_url: str, served_url: str, open_console: OpenConsole
) -> None:
    with closing(connect(postgres_schema_url)) as other:
        other.cursor().execute("CREATE SCHEMA app")
        other.commit()
    dbtools.upgrade_to_head(parse_url(with_options(postgres_schema_url, "-csearch_path=app")))
    consoles = [open_console(served_url), open_console(with_options(served_url, "-csearch_path=app"))]

    clients = [api_of(console) for console in consoles]
    made = [client.post("/agents", agent_values()).json["id"] for client in clients]
    listed = [[agent["id"] for agent in client.get("/agents").json["items"]] for client in clients]

    assert listed == [[made[0]], [made[1]]]
    assert clients[1].get(f"/agents/{made[0]}").status_code == 404
    assert answer_of(postgres_schema_url, "SELECT count(*), (SELECT count(*) FROM app.users) FROM users") == [(1, 1)]


def test_nothing_is_taken_from_pgoptions(
    served_url: str, open_console: OpenConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c search_path=nowhere -c statement_timeout=1")

    assert api_of(open_console(served_url)).get("/agents").status_code == 200


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", ["1", "2"])
def test_no_setting_and_no_lock_is_left_in_the_server_s_sessions(
    postgres_schema_url: str, start_pooler: StartPooler, open_console: OpenConsole, mode: str, size: str
) -> None:
    # Without its reset query PgBouncer hands a session on as the console left it.
    pooler = start_pooler(mode, default_pool_size=size, server_reset_query="")
    url = pooler.url(postgres_schema_url)
    before = answer_of(postgres_schema_url, SETTINGS)
    app = open_console(with_options(url, "-csearch_path=public -c statement_timeout=200"), POOL_SIZE=size)
    api = api_of(app)
    api.post("/agents", agent_values())
    with app.app_context():
        for way in (db.reading, db.transaction):
            with pytest.raises(Unavailable), way() as asked:
                asked.execute(sa.text("SELECT pg_sleep(30)"))
        db.close_pool()

    with closing(connect(url)) as first, first.cursor() as cursor:
        cursor.execute(SETTINGS)
        found = [cursor.fetchall()]
        # In its transaction the first keeps a session, so that the second has another.
        found += [answer_of(url, SETTINGS)] if size == "2" else []

    assert [dict(rows) for rows in found] == [dict(before)] * int(size)
    assert answer_of(url, LOCKS) == [(0,)]


@pytest.mark.parametrize("ignored", ["options", "options,statement_timeout,search_path"])
def test_a_pooler_that_forgets_options_without_a_word_changes_nothing(
    postgres_schema_url: str, start_pooler: StartPooler, open_console: OpenConsole, ignored: str
) -> None:
    url = start_pooler("transaction", ignore_startup_parameters=ignored).url(postgres_schema_url)

    with open_console(with_options(url, "-cstatement_timeout=9s")).app_context(), db.reading() as connection:
        facts = session_facts(connection)

    assert (facts.is_pooled, facts.statement_timeout, facts.lock_timeout) == (True, "9s", "2s")


def test_the_server_s_own_address_is_told_from_a_pooler(served_url: str, open_console: OpenConsole) -> None:
    with open_console(served_url).app_context(), db.reading() as connection:
        facts = session_facts(connection)

    assert facts.is_pooled == is_through_pooler(served_url)
    assert (facts.schema, facts.encoding) == ("public", "UTF8")


def test_a_pooler_that_takes_a_server_s_place_is_noticed(
    postgres_schema_url: str, tmp_path: Path, start_pooler: StartPooler, open_console: OpenConsole
) -> None:
    server = libpq_parameters(parse_url(postgres_schema_url))[0]
    pooler = start_pooler("transaction", listen_port=str(server.get("port", 5432)))
    place = tmp_path / "place"
    place.symlink_to(server["host"])
    at_place = parse_url(postgres_schema_url).update_query_dict({"host": str(place)})
    url = with_options(at_place.render_as_string(hide_password=False), "-c search_path=public")

    with open_console(url).app_context():
        with db.reading() as connection:
            assert not session_facts(connection).is_pooled
        db.close_pool()
        place.unlink()
        place.symlink_to(pooler.folder)
        with pytest.raises(Unavailable), db.reading():
            pass
        with db.reading() as connection:
            assert session_facts(connection).is_pooled


def test_a_pooler_that_goes_and_comes_back_is_said(
    postgres_schema_url: str, pooler: pgbouncer.Pooler, open_console: OpenConsole
) -> None:
    api = api_of(open_console(pooler.url(postgres_schema_url)))

    pooler.stop()
    away = api.get("/agents")
    pooler.start()

    assert refused(away, "database_unavailable")
    assert api.get("/agents").status_code == 200


@pytest.mark.parametrize("mode", ["transaction", pytest.param("session", marks=pytest.mark.long)])
def test_a_server_that_goes_and_comes_back_behind_a_pooler_is_said(open_console: OpenConsole, mode: str) -> None:
    with postgres.cluster(synchronous_commit="on") as cluster, postgres.database(cluster.url) as url:
        dbtools.upgrade_to_head(parse_url(url))
        with pgbouncer.pooler(cluster.url, mode, server_login_retry="0.1") as pooler:
            api = api_of(open_console(pooler.url(url)))

            cluster.kill()
            away = api.get("/agents")
            cluster.start()
            for _ in range(100):
                if (back := api.get("/agents").status_code) == 200:
                    break

            assert refused(away, "database_unavailable")
            assert back == 200


def test_a_pooler_that_is_paused_is_not_waited_for(
    postgres_schema_url: str, start_pooler: StartPooler, open_console: OpenConsole
) -> None:
    pooler = start_pooler("transaction")
    app = open_console(pooler.url(postgres_schema_url))
    api = api_of(app)

    pooler.admin("PAUSE")
    waited = api.get("/agents")
    ready = app.test_client().get("/readyz")
    pooler.admin("RESUME")

    assert refused(waited, "database_unavailable")
    assert ready.json == {"status": "database_unavailable"}
    assert api.get("/agents").status_code == 200


@pytest.mark.parametrize("mode", MODES)
def test_a_pooler_whose_sessions_are_all_taken_is_not_waited_for(
    postgres_schema_url: str, start_pooler: StartPooler, open_console: OpenConsole, mode: str
) -> None:
    url = start_pooler(mode, default_pool_size="1").url(postgres_schema_url)
    app = open_console(url)
    with closing(connect(url)) as other, app.app_context():
        other.cursor().execute("SELECT 1")
        with pytest.raises(Unavailable), db.reading():
            pass

    assert app.test_client().get("/readyz").json == {"status": "ok"}


def test_a_pooler_that_takes_no_more_clients_is_said(
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
def test_a_wrong_user_or_database_is_called_that(
    served_url: str, open_console: OpenConsole, change: dict[str, str], sentence: str
) -> None:
    wrong = parse_url(served_url).set(**change).render_as_string(hide_password=False)

    with open_console(wrong).app_context(), pytest.raises(Unavailable) as refusal, db.reading() as connection:
        connection.execute(sa.text("SELECT 1"))

    assert (refusal.value.detail, refusal.value.code) == (sentence, "database_unavailable")


@pytest.mark.parametrize("options", ["-c statement_timeout=soon", "-c no_such_setting=1", "-c fsync=off"])
def test_a_setting_that_cannot_be_made_is_called_that(served_url: str, open_console: OpenConsole, options: str) -> None:
    app = open_console(with_options(served_url, options))

    with app.app_context(), pytest.raises(Unavailable) as refusal, db.reading() as connection:
        connection.execute(sa.text("SELECT 1"))

    assert refusal.value.detail == "The server rejected a setting in the options of DATABASE_URL."
    assert app.test_client().get("/readyz").json == {"status": "database_unavailable"}


def test_many_threads_through_few_sessions_all_come_through(
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
