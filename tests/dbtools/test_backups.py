"""Backups of a whole database: errors in one line, and complete restored data, also while other sessions write."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.util import CommandError

from agents_app.database.url import parse_url
from agents_app.dbtools.backup import backups
from agents_app.dbtools.backup.pg_programs import find_program
from agents_app.dbtools.runner.error_messages import readable_errors
from tests import postgres
from tests.dbtools.tools import console_config, fetch_rows, read_schema, run_sql
from tests.fork_server import LANGUAGE, programs
from tests.project import shared_copy

# Two tables that have the same number of rows at any time.
WRITER = """
import sys, sqlalchemy as sa
from agents_app.database.url import parse_url
engine = sa.create_engine(parse_url(sys.argv[1])).execution_options(console_begin="BEGIN IMMEDIATE")
number = 0
while True:
    with engine.begin() as connection:
        for table in ("ones", "twos"):
            connection.execute(sa.text(f"INSERT INTO {table} VALUES (:n, :text)"), {"n": number, "text": "x" * 300})
    if number == 100:
        print("writing", flush=True)
    number += 1
"""
FILL = """
INSERT INTO ones WITH RECURSIVE numbers(n) AS (SELECT -20000 UNION ALL SELECT n + 1 FROM numbers WHERE n < -1)
SELECT n, 'a text that fills some pages' FROM numbers
"""
NEW_SETTING = "SET transaction_timeout = 0;"
# Like version 17 and later, it first sets what an older server does not know.
NEWER_PG_RESTORE = """#!/bin/sh
{real} "$@" | sed '0,/^SET lock_timeout/s//{setting}\\nSET lock_timeout/'
"""
OTHER_TYPE = {"sqlite": b"PGDMP\x01\x0e", "postgresql": b"SQLite format 3\x00"}


@pytest.fixture
def empty_url(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[str]:
    """A second, empty database of the same type."""
    if parse_url(database_url).get_backend_name() == "sqlite":
        yield f"sqlite:///{tmp_path / 'other.db'}"
        return
    with postgres.database(request.getfixturevalue("postgres_server")) as url:
        yield url


def test_an_existing_file_is_not_overwritten(schema_url: str, tmp_path: Path) -> None:
    file = tmp_path / "kept"
    file.write_text("existing content")

    assert "kept already exists" in _refusal(lambda: _backup(schema_url, tmp_path, file), schema_url)

    assert file.read_text() == "existing content"


def test_a_missing_folder_and_a_missing_database_are_named(sqlite_schema_url: str, tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    missing = f"sqlite:///{absent}.db"

    assert f"There is no folder {absent}" in _refusal(
        lambda: _backup(sqlite_schema_url, tmp_path, absent / "file"), sqlite_schema_url
    )
    assert f"There is no database {absent}.db" in _refusal(lambda: _backup(missing, tmp_path, None), missing)
    assert not Path(f"{absent}.db").exists()


def test_an_unreachable_server_is_reported_without_the_password(tmp_path: Path) -> None:
    url = "postgresql://operator:geheim@127.0.0.1:1/console"

    refusal = _refusal(lambda: _backup(url, tmp_path, None), url)

    assert "Connection refused" in refusal
    assert "geheim" not in refusal


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"hello", "is not a backup"),
        (b"--\n-- PostgreSQL database dump\n", "is an SQL script. Run it with: psql"),
        (b'{"database": "sqlite"', "contains saved rows. Restore them with: flask db restore-rows"),
    ],
)
def test_a_file_that_is_not_a_backup_is_refused(
    database_url: str, tmp_path: Path, content: bytes, message: str
) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)

    assert message in _refusal(lambda: _restore(database_url, file), database_url)


def test_a_backup_of_the_other_database_type_is_refused(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(OTHER_TYPE[parse_url(database_url).get_backend_name()])

    refusal = _refusal(lambda: _restore(database_url, file), database_url)

    assert "is a backup of" in refusal
    assert "but DATABASE_URL names" in refusal


@pytest.mark.parametrize("share", [0.3, 0.95])
def test_a_truncated_backup_is_refused_and_nothing_is_changed(
    database_url: str, empty_url: str, tmp_path: Path, share: float
) -> None:
    _fill(database_url)
    file = _backup(database_url, tmp_path, None).file
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])

    refusal = _refusal(lambda: _restore(empty_url, file), empty_url)

    assert "damaged" in refusal or "malformed" in refusal
    assert "\n" not in refusal
    assert _tables(empty_url) == set()


def test_a_backup_is_not_restored_into_a_database_with_tables(
    database_url: str, empty_url: str, tmp_path: Path
) -> None:
    _fill(database_url)
    file = _backup(database_url, tmp_path, None).file
    run_sql(empty_url, "CREATE TABLE ones (n integer)", "INSERT INTO ones VALUES (7)")

    assert "already has tables (" in _refusal(lambda: _restore(empty_url, file), empty_url)

    assert fetch_rows(empty_url, "SELECT * FROM ones") == [(7,)]
    assert _tables(empty_url) == {"ones"}


def test_a_restored_database_is_the_same(database_url: str, empty_url: str, tmp_path: Path) -> None:
    command.upgrade(console_config(database_url), "18ad6f3c902e")
    run_sql(database_url, "INSERT INTO encryption_keys VALUES ('k1', 'it''s', '2026-01-01 00:00:00')")

    file = _backup(database_url, tmp_path / "new", None).file
    position = _restore(empty_url, file)

    assert (position.current, len(position.pending) > 0, position.is_ahead) == ("18ad6f3c902e", True, False)
    assert _schema(empty_url) == _schema(database_url)
    query = "SELECT * FROM encryption_keys"
    assert fetch_rows(empty_url, query) == fetch_rows(database_url, query)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_newer_client_restores_into_a_server_that_does_not_know_its_settings(
    postgres_url: str, postgres_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sql(postgres_url, "CREATE TABLE texts (line text)", f"INSERT INTO texts VALUES ('{NEW_SETTING}')")
    file = _backup(postgres_url, tmp_path, None).file
    real = find_program("pg_restore", 0)
    program = tmp_path / "bin" / "pg_restore"
    program.parent.mkdir()
    program.write_text(NEWER_PG_RESTORE.format(real=real, setting=NEW_SETTING))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")

    with postgres.database(postgres_server) as other:
        _restore(other, file)

        assert fetch_rows(other, "SELECT line FROM texts") == [(NEW_SETTING,)]


def test_a_restore_that_fails_names_the_error_of_the_server_and_changes_nothing(
    postgres_url: str, postgres_server: str, tmp_path: Path
) -> None:
    run_sql(postgres_url, "CREATE TABLE ones (n integer)", "CREATE VIEW same AS SELECT n FROM ones")
    file = _backup(postgres_url, tmp_path, None).file

    with postgres.database(postgres_server) as other:
        run_sql(other, "CREATE VIEW same AS SELECT 1 AS n")
        refusal = _refusal(lambda: _restore(other, file), other)

        assert refusal == 'relation "same" already exists. Nothing was changed.'
        assert _tables(other) == set()


def test_a_backup_is_consistent_while_other_sessions_write(database_url: str, empty_url: str, tmp_path: Path) -> None:
    _fill(database_url)
    with _writing(database_url) as writer:
        before = fetch_rows(database_url, "SELECT max(n) FROM twos")[0][0]
        file = _backup(database_url, tmp_path, None).file
        assert writer.poll() is None
    after = fetch_rows(database_url, "SELECT max(n) FROM twos")[0][0]

    _restore(empty_url, file)

    ((ones,),) = fetch_rows(empty_url, "SELECT count(*) FROM ones")
    ((twos, last),) = fetch_rows(empty_url, "SELECT count(*), max(n) FROM twos")
    assert ones == twos + 20_000
    assert twos == last + 1
    assert before <= last < after
    query = f"SELECT * FROM twos WHERE n <= {last} ORDER BY n"
    assert fetch_rows(empty_url, query) == fetch_rows(database_url, query)


def test_the_commands_back_up_and_restore(schema_url: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    if parse_url(schema_url).get_backend_name() == "sqlite":
        _back_up_and_restore(schema_url, f"sqlite:///{tmp_path / 'other.db'}")
        return
    with postgres.database(request.getfixturevalue("postgres_server")) as url:
        _back_up_and_restore(schema_url, url)


def _back_up_and_restore(url: str, other: str) -> None:
    written = _run_flask_db("backup --json", url)
    backup = json.loads(written.stdout)
    restored = _run_flask_db(f"restore {backup['file']}", other)

    assert written.stderr == ""
    assert backup["revision"] in restored.stdout
    assert "which is head" in restored.stdout
    assert "ENCRYPTION_KEYS" in restored.stdout
    again = _run_flask_db(f"restore {backup['file']}", other, code=1)
    assert again.stderr.startswith("Error: The database already has tables")
    assert again.stderr.count("\n") == 1


def test_the_newest_backup_of_the_folder_is_restored_whatever_its_database_is_called(
    sqlite_schema_url: str, tmp_path: Path
) -> None:
    folder, other = tmp_path / "backups", f"sqlite:///{tmp_path / 'other.db'}"
    folder.mkdir()
    in_folder = {"BACKUP_FOLDER": str(folder)}
    none = _run_flask_db("restore --newest", other, code=1, **in_folder)
    newest = _backup(sqlite_schema_url, folder, None).file
    # Copied later, but taken before.
    old = newest.with_name("old-20200101T000000Z.sqlite")
    old.write_bytes(newest.read_bytes())

    restored = _run_flask_db("restore --newest", other, **in_folder)

    assert "There is no backup of this type of database in " in none.stderr
    assert newest.name in restored.stdout


@pytest.mark.parametrize("words", [[], [""], ["--newest", "FILE"]])
def test_a_restore_needs_the_name_of_a_backup_or_newest(sqlite_url: str, words: list[str]) -> None:
    refused = _run_flask_db("restore", sqlite_url, *words, code=2)

    assert "Name the file of a backup, or give --newest." in refused.stderr


def _run_flask_db(words: str, url: str, *more: str, code: int = 0, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DATABASE_URL": url, "PYTHONWARNINGS": "error", "LANG": LANGUAGE, **settings}
    command_line = [str(programs() / "python"), "-m", "flask", "db", *words.split(), *more]
    run = subprocess.run(command_line, cwd=shared_copy(), env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == code, run.stderr
    return run


def _backup(url: str, folder: Path, file: Path | None) -> backups.Backup:
    return backups.create_backup(parse_url(url), folder, file)


def _restore(url: str, file: Path) -> backups.Position:
    return backups.restore_backup(parse_url(url), file)


def _refusal(action: Callable[[], object], url: str) -> str:
    with pytest.raises(CommandError) as refusal, readable_errors(parse_url(url)):
        action()
    return str(refusal.value)


def _fill(url: str) -> None:
    run_sql(url, "CREATE TABLE ones (n integer, a text)", "CREATE TABLE twos (n integer, a text)", FILL)


def _schema(url: str) -> dict[str, Any]:
    schema = read_schema(url)
    for table in schema["tables"].values():
        # PostgreSQL writes casts in other places in a restored constraint.
        table["checks"] = [check["name"] for check in table["checks"]]
    return schema


def _tables(url: str) -> set[str]:
    path = parse_url(url).database or ""
    if url.startswith("sqlite") and not Path(path).exists():
        return set()
    return set(read_schema(url)["tables"])


@contextmanager
def _writing(url: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, url], cwd=shared_copy(), stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        try:
            yield writer
        finally:
            writer.kill()
