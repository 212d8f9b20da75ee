"""A backup can be restored by a role that may not create its extensions."""

from pathlib import Path

import pytest

from agents_app.database.url import parse_url
from agents_app.dbtools.backup.backups import create_backup, restore_backup
from tests import postgres
from tests.dbtools.test_busy_tables import NO_CONTRIB
from tests.dbtools.tools import fetch_rows, run_sql

EXTENSIONS = "SELECT extname FROM pg_extension WHERE extname <> 'plpgsql'"


@pytest.mark.parametrize(("is_allowed", "extensions"), [(True, [("pg_trgm",)]), (False, [])])
def test_an_extension_that_the_role_may_not_create_is_skipped_and_reported(
    postgres_server: str,
    postgres_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    is_allowed: bool,
    extensions: list[tuple[str]],
) -> None:
    if not postgres.has_extension(postgres_server, "pg_trgm"):
        pytest.skip(NO_CONTRIB)
    run_sql(postgres_url, "CREATE EXTENSION pg_trgm", "CREATE TABLE t AS SELECT 1 AS a")
    file = create_backup(parse_url(postgres_url), tmp_path).file

    with postgres.database(postgres_server) as other:
        if not is_allowed:
            run_sql(other, f"REVOKE CREATE ON DATABASE {parse_url(other).database} FROM CURRENT_USER")
        restore_backup(parse_url(other), file)

        assert fetch_rows(other, "SELECT a FROM t") == [(1,)]
        assert fetch_rows(other, EXTENSIONS) == extensions
    assert ("Skipped the extension pg_trgm" in capsys.readouterr().err) != is_allowed
