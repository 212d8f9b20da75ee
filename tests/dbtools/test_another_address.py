"""MIGRATION_DATABASE_URL must be another address of the console's database. Commands refuse any other database."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.dbtools.conftest import FlaskDb
from tests.dbtools.tools import fetch_rows, read_schema
from tests.fork_server import LANGUAGE, programs
from tests.project import shared_copy

OTHER_DATABASE = "leads to another database than DATABASE_URL, or to another schema."
COMMANDS = [
    ("upgrade",),
    ("downgrade", "-1"),
    ("stamp", "head"),
    ("deploy", "--no-backup"),
    ("deploy", "--dry-run"),
    ("backup",),
    ("rehearse",),
]


@pytest.mark.long
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_refuses_a_database_that_is_not_the_console_s(
    postgres_url: str, postgres_schema_url: str, flask_db: FlaskDb, tmp_path: Path, words: tuple[str, ...]
) -> None:
    for console, other in ((postgres_url, postgres_schema_url), (postgres_schema_url, postgres_url)):
        before = read_schema(other)

        result = flask_db(console, *words, direct=other)

        assert result.exit_code != 0
        assert OTHER_DATABASE in result.output
        assert read_schema(other) == before
    assert not (tmp_path / "backups").exists()


def test_plain_alembic_refuses_another_database(postgres_url: str, postgres_schema_url: str) -> None:
    addresses = {"DATABASE_URL": postgres_schema_url, "MIGRATION_DATABASE_URL": postgres_url}

    result = subprocess.run(
        [programs() / "python", "-m", "alembic", "upgrade", "head"],
        check=False,
        cwd=shared_copy(),
        env={**os.environ, **addresses, "LANG": LANGUAGE},
        capture_output=True,
        text=True,
    )

    assert result.returncode != 0
    assert OTHER_DATABASE in result.stdout + result.stderr
    assert fetch_rows(postgres_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


def test_another_address_of_the_same_database_is_accepted(postgres_url: str, flask_db: FlaskDb) -> None:
    other_address = f"{postgres_url}&application_name=direct"

    assert flask_db(postgres_url, "upgrade", direct=other_address).exit_code == 0
