"""Unusual URLs of one real database: every tool that reads a URL finds the database."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command

from agents_app.database.url import parse_url
from tests.dbtools.conftest import FlaskDb
from tests.dbtools.tools import console_config, create_engine

UNUSUAL_URLS = {
    "a folder before the path": "postgresql://{user}@{quoted_host}:{port}/{name}",
    "percent codes": "postgresql://{quoted_user}:{quoted_password}@{quoted_host}:{port}/{quoted_name}?connect_timeout=9",
    "all parts in the query": "postgres:///?host={host}&port={port}&user={user}&dbname={name}",
    "the first of several hosts that answers": "postgresql://{user}@%2Fnowhere:1,{quoted_host}:{port}/{name}",
    "several hosts, one port": "postgresql://{user}@/{name}?host=/nowhere,{host}&port={port}",
    "a host that accepts writes": "postgresql://{user}@{quoted_host}:{port}/{name}?target_session_attrs=read-write",
    "key=value format of libpq": "host={host} port={port} user={user} dbname={name}",
}


@pytest.fixture(params=UNUSUAL_URLS)
def unusual_url(request: pytest.FixtureRequest, postgres_schema_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An unusual URL of a database with every table."""
    url = sa.make_url(postgres_schema_url)
    host = url.query.get("host", url.host)
    parts = {"user": url.username, "name": url.database, "host": host, "port": url.port or 5432}
    quoted = {
        f"quoted_{name}": "".join(f"%{byte:02X}" for byte in str(text).encode())
        for name, text in {**parts, "password": url.password or "a/b@"}.items()
    }
    # For URLs without a password, if the server requires one.
    monkeypatch.setenv("PGPASSWORD", str(url.password or "none"))
    return UNUSUAL_URLS[str(request.param)].format(**parts, **quoted)


def test_alembic_flask_db_and_pg_dump_find_the_database(unusual_url: str, flask_db: FlaskDb, tmp_path: Path) -> None:
    with create_engine(unusual_url).connect() as connection:
        name = connection.exec_driver_sql("SELECT current_database()").scalar_one()

    command.check(console_config(unusual_url))
    status = flask_db(unusual_url, "status", "--json")
    backup = flask_db(unusual_url, "backup", "--json")

    assert parse_url(unusual_url).database == name
    assert (status.exit_code, json.loads(status.stdout)["pending"]) == (0, [])
    assert (backup.exit_code, backup.stderr.count("rror")) == (0, 0)
    assert Path(json.loads(backup.stdout)["file"]).is_relative_to(tmp_path)


@pytest.mark.parametrize(
    "text", ["sqlite://x.db", "postgresql://u:canary@h/d?sslmode=yes", "jdbc:postgresql://h/canary"]
)
def test_the_url_of_a_scratch_database_is_parsed_like_every_other_url(
    text: str, sqlite_schema_url: str, flask_db: FlaskDb
) -> None:
    refused = flask_db(sqlite_schema_url, "rehearse", "--scratch-url", text)

    with pytest.raises(ValueError, match=r".") as refusal:
        parse_url(text)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == f"Error: --scratch-url {refusal.value}\n"
    assert "canary" not in refused.stderr
