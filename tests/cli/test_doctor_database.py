"""`flask doctor` checks database, migrations, backups and clock. `flask db status` reports the same problems."""

import json
import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.database.url import parse_url
from agents_app.db import create_sqlite_file, db
from agents_app.doctor import Result, clock, database
from agents_app.models import Event
from tests import pgbouncer, postgres
from tests.cli.conftest import Checkout
from tests.cli.installation import CANARY, Installation
from tests.conftest import OpenConsole
from tests.dbtools.tools import create_engine, read_schema, run_sql
from tests.make import KEYS, make_agent, make_token, make_user

PASSWORD = "wrong-canary5Xy8Qm1TtLw6"


def url_with(url: str, **parts: str) -> str:
    return parse_url(url).set(**parts).render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def strict_server() -> Iterator[str]:
    """The URL of a server that requires a password from every role except its superuser."""
    with postgres.cluster() as own:
        superuser = url_with(own.url, username="postgres")
        run_sql(superuser, f"ALTER ROLE {postgres.OWNER} PASSWORD '{CANARY}'")
        rules = own.folder / "data" / "pg_hba.conf"
        rules.write_text("local all postgres trust\nlocal refused all reject\nlocal all all scram-sha-256\n")
        run_sql(superuser, "SELECT pg_reload_conf()")
        yield own.url


@pytest.mark.parametrize(
    ("parts", "says", "do"),
    [
        ({"password": PASSWORD}, "password authentication failed", "Check the password in DATABASE_URL"),
        ({}, "no password supplied", "Write the password into DATABASE_URL"),
        ({"database": "missing", "password": CANARY}, '"missing" does not exist', "CREATE DATABASE missing"),
        (
            {"username": "postgres", "database": "missing"},
            'database "missing" does not exist',
            "CREATE DATABASE missing",
        ),
    ],
    ids=["wrong password", "no password", "no database", "no database for a superuser"],
)
def test_the_reason_of_a_refused_connection_is_given_with_advice(
    folder: Path, strict_server: str, parts: dict[str, str], says: str, do: str
) -> None:
    refused = Installation.with_database(folder, url_with(strict_server, **parts)).only_problem("database.reachable")

    assert says in refused.detail
    assert do in str(refused.do)
    assert CANARY not in refused.detail


def test_an_unreachable_server_is_named_and_the_other_checks_run(folder: Path) -> None:
    installation = Installation.with_database(folder, f"postgresql://operator:{CANARY}@127.0.0.1:1/console")

    away = installation.only_problem("database.reachable", WORKERS="2")

    assert away.detail.startswith("Cannot use postgresql://operator:***@127.0.0.1:1/console: Connection refused")
    assert away.do == "Start the server, or correct host and port in DATABASE_URL."
    skipped = {check.code for check in installation.checks() if check.result is Result.SKIPPED}
    assert skipped >= {"keys.fit", "migrations.pending", "backups.possible", "clock.rows"}


def test_more_connections_than_the_server_allows_are_named(folder: Path, postgres_schema_url: str) -> None:
    installation = Installation.with_database(folder, postgres_schema_url)
    name = parse_url(postgres_schema_url).database
    run_sql(postgres_schema_url, f"ALTER DATABASE {name} CONNECTION LIMIT 16")

    assert installation.check("database.connections", WORKERS="1").result is Result.OK
    assert installation.check("database.connections", WORKERS="2").result is Result.WARNING
    found = installation.only_problem("database.connections", WORKERS="3")
    assert found.detail == "WORKERS x POOL_SIZE is 24 connections, and the database allows 16."
    assert found.facts == {"needed": 24, "allowed": 16}


def test_another_database_in_migration_database_url_is_named(
    folder: Path, postgres_schema_url: str, postgres_url: str, sqlite_schema_url: str
) -> None:
    installation = Installation.with_database(folder, postgres_schema_url)

    direct = f"{postgres_schema_url}&application_name=direct"
    assert installation.check("database.migration_address", MIGRATION_DATABASE_URL=direct).result is Result.OK
    run_sql(postgres_schema_url, "CREATE SCHEMA another")
    for other in (postgres_url, f"{postgres_schema_url}&options=-csearch_path%3Danother"):
        found = installation.check("database.migration_address", MIGRATION_DATABASE_URL=other)
        assert found.result is Result.PROBLEM
        assert "leads to another database" in found.detail
    assert installation.problems(MIGRATION_DATABASE_URL=sqlite_schema_url)[0].facts == {
        "setting": "MIGRATION_DATABASE_URL"
    }
    away = f"postgresql://u:{CANARY}@127.0.0.1:1/console"
    assert "MIGRATION_DATABASE_URL" in str(
        installation.only_problem("database.migration_address", MIGRATION_DATABASE_URL=away).do
    )
    assert installation.check("migrations.pending", MIGRATION_DATABASE_URL=away).result is Result.SKIPPED


@pytest.mark.parametrize(("kind", "version"), [("postgresql", (12, 22)), ("sqlite", (3, 34, 1))])
def test_a_database_that_is_too_old_is_a_warning(kind: str, version: tuple[int, ...]) -> None:
    assert database.check_version(kind, version).result is Result.WARNING
    assert database.check_version(kind, (*database.OLDEST[kind], 0)).result is Result.OK


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (None, {"migrations.pending"}),
        ("ALTER TABLE agents ADD COLUMN extra integer", {"migrations.drift"}),
        ("DROP TABLE alembic_version", {"migrations.unstamped"}),
    ],
)
def test_flask_db_status_and_flask_doctor_report_the_same_problems(
    request: pytest.FixtureRequest, checkout: Checkout, change: str | None, codes: set[str]
) -> None:
    checkout.settings.update(KEYS)
    # An empty database, or one with every table that was changed.
    for name in ("sqlite", "postgres"):
        url = request.getfixturevalue(f"{name}_url" if change is None else f"{name}_schema_url")
        if change:
            run_sql(url, change)
        create_sqlite_file(parse_url(url))

        status = checkout.flask("db", "status", "--check", "--json", DATABASE_URL=url)
        as_json = checkout.flask("doctor", "--json", DATABASE_URL=url)

        problems = json.loads(status.stdout)["problems"]
        assert [(one["code"], one["what"], one["do"]) for one in problems] == [
            (one["code"], one["detail"], one["do"])
            for one in json.loads(as_json.stdout)["checks"]
            if one["result"] == "problem" and one["group"] in ("database", "migrations", "backups")
        ]
        assert {one["code"] for one in problems} == codes
        assert (status.returncode, as_json.returncode) == (1, 1)


@pytest.mark.long
@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_pooler_is_named_with_the_limits_that_apply_through_it(
    folder: Path, postgres_server: str, postgres_schema_url: str, mode: str
) -> None:
    with pgbouncer.pooler(postgres_server, mode) as pooler:
        installation = Installation.with_database(folder, pooler.url(postgres_schema_url))

        found = installation.check("database.pooler")
        limits = installation.check("database.limits")
        status = installation.db_status("--check")
        with_direct = installation.problems(MIGRATION_DATABASE_URL=postgres_schema_url)

    assert limits.detail == "A statement ends after 5s, waiting for a lock after 2s."
    assert "Limits     5s for a statement, 2s for a lock" in status.output
    assert f"Pooler     in {mode} mode" in status.output
    assert with_direct == []
    if mode == "session":
        assert (found.result, status.exit_code) == (Result.OK, 0)
        assert found.detail == "The connection uses a pooler in session mode."
    else:
        assert (found.result, status.exit_code) == (Result.PROBLEM, 1)
        assert str(found.do).startswith("Set MIGRATION_DATABASE_URL")


def test_disabled_limits_are_named(folder: Path, postgres_schema_url: str) -> None:
    installation = Installation.with_database(folder, f"{postgres_schema_url}&options=-cstatement_timeout%3D0")

    found = installation.only_problem("database.limits")

    assert found.do == "Remove statement_timeout from the options in DATABASE_URL."
    status = installation.db_status("--check")
    assert found.detail in status.output
    assert "No problems found." not in status.output
    assert status.exit_code == 1


def test_a_schema_that_is_missing_and_tables_of_another_program_are_named(folder: Path, postgres_url: str) -> None:
    run_sql(postgres_url, "CREATE TABLE users (id integer)", "CREATE TABLE alembic_version (version_num text)")
    run_sql(postgres_url, "INSERT INTO alembic_version VALUES ('theirs')")
    installation = Installation.with_database(folder, postgres_url)

    foreign = installation.only_problem("migrations.unclear")
    assert foreign.detail.startswith("The table alembic_version is another program's")
    assert "DATABASE_SCHEMA=console" in str(foreign.do)
    assert "There is no schema app yet" in installation.only_problem("migrations.unclear", DATABASE_SCHEMA="app").detail
    assert installation.db_status("--check").exit_code == 1
    run_sql(postgres_url, "DROP TABLE alembic_version")
    assert "users" in installation.only_problem("database.foreign_tables").detail
    assert "DATABASE_SCHEMA=console" in str(installation.check("database.foreign_tables").do)
    assert installation.db_status("--check").exit_code == 1


def test_a_database_that_is_not_utf_8_is_named(folder: Path, postgres_server: str) -> None:
    with postgres.database(postgres_server, "template0 ENCODING 'LATIN1' LOCALE 'C'") as url:
        installation = Installation.with_database(folder, url)
        found, status = {one.code: one for one in installation.problems()}, installation.db_status("--check")

    assert "LATIN1" in found["database.encoding"].detail
    assert found["database.encoding"].detail in status.output
    assert status.exit_code == 1


def test_the_revision_of_the_database_is_shown(installation: Installation) -> None:
    url = installation.environ["DATABASE_URL"]
    assert installation.check("migrations.pending").result is Result.OK
    run_sql(url, "UPDATE alembic_version SET version_num = 'ffffffffffff'")

    ahead = installation.check("migrations.ahead")
    assert ahead.result is Result.WARNING
    assert "ffffffffffff, which belongs to a newer release" in ahead.detail
    assert installation.problems() == []

    run_sql(url, "INSERT INTO alembic_version VALUES ('eeeeeeeeeeee')")
    assert str(installation.only_problem("migrations.unclear").do).startswith("flask db stamp --purge REVISION")
    run_sql(url, "DROP TABLE alembic_version")
    assert "flask db stamp head" in str(installation.only_problem("migrations.unstamped").do)


def test_two_heads_and_an_unreadable_migration_are_named(ready: Checkout) -> None:
    versions = ready.folder / "migrations" / "versions"
    (first, *_) = versions.glob("*_add_events.py")
    second = versions / "eeeeeeeeeeee_second_head.py"
    second.write_text(re.sub(r"(?m)^revision\b.*", 'revision = "eeeeeeeeeeee"', first.read_text()))

    assert "eeeeeeeeeeee" in _problem(ready, "migrations.heads")["detail"]

    second.write_text(f"this is no {CANARY}\n")
    broken = _problem(ready, "migrations.files")
    assert f"{second.name}, line 1, is not valid Python" in broken["detail"]
    assert CANARY not in broken["detail"]


def _problem(checkout: Checkout, code: str) -> dict[str, str]:
    as_json = checkout.flask("doctor", "--json", BACKUP_FOLDER=str(checkout.folder / "kept"))
    assert (as_json.returncode, as_json.stderr) == (1, "")
    (found,) = [one for one in json.loads(as_json.stdout)["checks"] if one["code"] == code]
    assert found["result"] == "problem"
    assert found["do"]
    return found


def test_the_newest_backup_is_shown_with_its_age_and_other_files_are_ignored(installation: Installation) -> None:
    is_sqlite = installation.environ["DATABASE_URL"].startswith("sqlite")
    ours, other = (b"SQLite format 3\0", b"PGDMP") if is_sqlite else (b"PGDMP", b"SQLite format 3\0")
    assert installation.check("backups.newest").result is Result.WARNING
    installation.backups.mkdir()
    now = datetime.now(UTC)

    def put(name: str, content: bytes) -> None:
        (installation.backups / name).write_bytes(content)
        (installation.backups / name).chmod(0o600)

    put("other.dump", other)
    put("rows.jsonl", b'{"database": "postgresql"}')
    put(".console-20990101T000000Z.dump.x1y2", ours)
    put("empty.dump", b"")
    assert installation.check("backups.newest").detail == f"There is no backup in {installation.backups}."

    old = f"console-{now - timedelta(days=9):%Y%m%dT%H%M%SZ}.dump"
    put(old, ours)
    found = installation.check("backups.newest")
    assert (found.result, found.facts["file"]) == (Result.WARNING, str(installation.backups / old))
    assert f"{old}, 9 days old" in found.detail

    put(f"console-{now - timedelta(hours=3):%Y%m%dT%H%M%SZ}-2.dump", ours)
    fresh = installation.check("backups.newest")
    assert fresh.result is Result.OK
    assert 3 * 3600 <= fresh.facts["age_seconds"] < 4 * 3600
    assert installation.problems() == []


def test_a_full_disk_is_named(installation: Installation) -> None:
    installation.backups.mkdir()
    large = installation.backups / "console-20260101T000000Z.dump"
    large.write_bytes(b"SQLite format 3\0" if installation.database.exists() else b"PGDMP")
    large.chmod(0o600)
    assert installation.check("disk.backups").result is Result.OK
    with large.open("r+b") as file:
        file.truncate(2**43)

    assert installation.check("disk.backups").result is Result.WARNING


def test_different_clocks_are_named(installation: Installation, open_console: OpenConsole) -> None:
    app = open_console(installation.environ["DATABASE_URL"])
    actor = make_user(app)
    make_agent(app, actor)
    assert installation.check("clock.rows").result is Result.OK
    with app.app_context(), db.transaction() as session:
        session.execute(sa.update(Event).values(created_at=datetime.now(UTC) + timedelta(days=2)))

    assert "timedatectl" in str(installation.only_problem("clock.rows").do)
    for seconds, result in ((-61, Result.PROBLEM), (61, Result.PROBLEM), (6, Result.WARNING), (-1, Result.OK)):
        assert clock.check_difference(seconds).result is result
    if not installation.database.exists():
        assert abs(installation.check("clock.server").facts["seconds"]) < 5


def test_nothing_is_changed_and_no_file_is_made(installation: Installation, open_console: OpenConsole) -> None:
    app = open_console(installation.environ["DATABASE_URL"])
    make_agent(app, make_user(app), api_key=CANARY)
    with app.app_context():
        db.engine.dispose()
    before = _everything(installation)

    installation.checks()

    assert _everything(installation) == before


def test_it_checks_a_database_in_use_and_one_in_another_journal_mode(on_sqlite: Installation) -> None:
    engine = create_engine(on_sqlite.environ["DATABASE_URL"])
    with engine.begin() as writer:
        writer.exec_driver_sql("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    with engine.connect() as other:
        other.exec_driver_sql("UPDATE alembic_version SET version_num = 'eeeeeeeeeeee'")
        other.commit()
        assert "eeeeeeeeeeee" in on_sqlite.check("migrations.ahead").detail
    on_sqlite.database.with_name("console.db-wal").unlink(missing_ok=True)
    with sqlite3.connect(on_sqlite.database) as raw:
        raw.execute("PRAGMA journal_mode = DELETE")
    raw.close()
    before = _everything(on_sqlite)

    assert on_sqlite.problems() == []
    assert _everything(on_sqlite) == before


def _everything(installation: Installation) -> object:
    files = {
        path: (path.stat().st_mtime_ns, path.stat().st_mode, path.read_bytes() if path.is_file() else None)
        for path in sorted(installation.folder.rglob("*"))
    }
    url = installation.environ["DATABASE_URL"]
    if url.startswith("sqlite"):
        return files
    with create_engine(url).connect() as connection:
        tables = sa.inspect(connection).get_table_names()
        rows = {name: sorted(map(str, connection.execute(sa.text(f"SELECT * FROM {name}")))) for name in tables}
    return files, rows, read_schema(url)


def test_the_output_contains_no_secret(installation: Installation, open_console: OpenConsole) -> None:
    app = open_console(installation.environ["DATABASE_URL"])
    actor = make_user(app)
    make_agent(app, actor, api_key=CANARY, connection_config={"password": CANARY})
    token = make_token(app, actor)
    url = installation.environ["DATABASE_URL"]
    settings = [
        {},
        {"SECRET_KEY": CANARY, "ENCRYPTION_KEYS": f"k1:{CANARY}", "TOKEN_PEPPERS": CANARY, "BIND": CANARY},
        {"PUBLIC_URL": f"https://u:{CANARY}@h", "BACKUP_FOLDER": f"~{CANARY}/x", "DATABASE_SCHEMA": CANARY},
        {"DATABASE_URL": f"postgresql://u:{CANARY}@127.0.0.1:1/db?sslpassword={CANARY}"},
        {"DATABASE_URL": f"postgresql://u@127.0.0.1:1/db?password={CANARY}"},
        {"MIGRATION_DATABASE_URL": f"postgresql://u:{CANARY}@127.0.0.1:1/db"},
    ]
    if not url.startswith("sqlite"):
        settings.append({"DATABASE_URL": url_with(url, password=CANARY)})

    answers = str([installation.checks(**texts) for texts in settings])

    for secret in (CANARY, token.rpartition(".")[2], *(key.partition(":")[2] or key for key in KEYS.values())):
        assert secret not in answers


READY = {"ok", "schema_ahead", "schema_behind", "schema_unclear", "secret_unavailable", "database_unavailable"}


def test_readyz_is_public_and_returns_only_a_code(installation: Installation, open_console: OpenConsole) -> None:
    url = installation.environ["DATABASE_URL"]
    app = open_console(url)
    make_agent(app, make_user(app), api_key=CANARY)
    said: list[tuple[int, str]] = [_readyz(app)]
    other = KEYS["ENCRYPTION_KEYS"].replace("nA9s", "oB8t")
    said.append(_readyz(open_console(url, ENCRYPTION_KEYS=other)))
    for change in (
        "UPDATE alembic_version SET version_num = 'ffffffffffff'",
        "INSERT INTO alembic_version VALUES ('eeeeeeeeeeee')",
        "DROP TABLE alembic_version",
    ):
        run_sql(url, change)
        said.append(_readyz(app))
    said.append(_readyz(open_console("postgresql://user:canary@127.0.0.1:1/console")))

    assert said == [
        (200, "ok"),
        (503, "secret_unavailable"),
        (200, "schema_ahead"),
        (503, "schema_unclear"),
        (503, "schema_behind"),
        (503, "database_unavailable"),
    ]


def _readyz(app: Flask) -> tuple[int, str]:
    answer = app.test_client().get("/readyz")
    assert list(answer.json) == ["status"]
    return answer.status_code, answer.json["status"]
