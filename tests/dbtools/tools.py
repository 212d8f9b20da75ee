"""Helpers of the migration tests: Alembic in this process, with the project's migrations or those of a test."""

import os
import shutil
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg2.extensions import set_wait_callback
from psycopg2.extras import wait_select
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool

from agents_app import dbtools
from agents_app.database.url import parse_url
from agents_app.db import NAMING_CONVENTION, OF_MODELS, create_sqlite_file
from agents_app.paths import ROOT
from tests import postgres

GUIDE_REVISION = "7d3e90b1c4f6"
REVISION_BEFORE_GUIDE = "3b1f07c5d2a9"
VERSIONS = ROOT / "migrations" / "versions"

SHORT_WAITS = dbtools.Limits(migration_timeout=0, table_timeout=0.05, attempts=2, retry_delay=0)

ENV = """
from alembic import context
from agents_app import dbtools
found = context.config.attributes
dbtools.run_command(found["models"], found["metadata"], None)
"""

REVISION = '''"""{name}"""
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "{name}"
down_revision = {after!r}


def upgrade():
{upgrade}


def downgrade():
{downgrade}
'''


def mostly_long(cases: Iterable[Any], each: int) -> list[Any]:
    """The cases of a test. One of so many runs with every change of the code, the others only in `make long`."""
    values = [case if isinstance(case, tuple) else (case,) for case in cases]
    return [pytest.param(*case, marks=pytest.mark.long if number % each else ()) for number, case in enumerate(values)]


def create_engine(url: str) -> Engine:
    """An engine without a pool."""
    create_sqlite_file(parse_url(url))
    return sa.create_engine(parse_url(url), poolclass=NullPool)


def console_config(url: str, limits: dbtools.Limits = SHORT_WAITS) -> Config:
    """The configuration of Alembic for the project's migrations."""
    config = dbtools.alembic_config(parse_url(url), limits)
    config.attributes["backup_folder"] = Path(os.environ["BACKUP_FOLDER"])
    return config


def head_revision() -> str:
    """The newest revision of the project."""
    return ScriptDirectory(str(ROOT / "migrations")).get_current_head() or ""


def revision_before(name: str) -> str:
    """The revision that the product's migration with this name follows."""
    (found,) = [step for step in ScriptDirectory(str(ROOT / "migrations")).walk_revisions() if step.doc == name]
    return str(found.down_revision)


def pretend_position(url: str, revision: str) -> None:
    """Record an earlier revision, while the tables are those of this release: people can still sign in."""
    run_sql(url, f"UPDATE alembic_version SET version_num = '{revision}'")


class Project:
    """A folder with migrations and models of a test."""

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self.metadata = sa.MetaData(naming_convention=NAMING_CONVENTION, info={OF_MODELS: True})
        self.models = ModuleType("models")
        self.models.__path__ = []
        self.folder = folder / f"migrations-{uuid.uuid4().hex[:8]}"
        self.versions = self.folder / "versions"
        self.versions.mkdir(parents=True)
        (self.folder / "env.py").write_text(ENV)
        shutil.copy(ROOT / "migrations" / "script.py.mako", self.folder)
        self.printed = StringIO()
        self._last: str | None = None

    def config(self, limits: dbtools.Limits = SHORT_WAITS) -> Config:
        """The configuration of Alembic for this folder."""
        config = dbtools.alembic_config(parse_url(self.url), limits)
        config.set_main_option("script_location", str(self.folder))
        config.stdout = self.printed
        config.attributes |= {"models": self.models, "metadata": self.metadata}
        config.attributes["backup_folder"] = Path(os.environ["BACKUP_FOLDER"])
        return config

    def revision(self, name: str, upgrade: str, downgrade: str = "pass") -> Path:
        """Add a migration after the last one."""
        parts = {"upgrade": _indented(upgrade), "downgrade": _indented(downgrade)}
        path = self.versions / f"{name}.py"
        path.write_text(REVISION.format(name=name, after=self._last, **parts))
        self._last = name
        return path

    def add_guide_parents(self) -> None:
        """Declare the tables that the guide's table references."""
        for name in ("accounts", "users"):
            sa.Table(name, self.metadata, sa.Column("id", sa.Uuid(), primary_key=True))


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.strip().splitlines())


def read_schema(url: str) -> dict[str, Any]:
    """The tables and enums of a schema, for comparison with another one."""
    engine = create_engine(url)
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        tables = {name: _table(inspector, name) for name in inspector.get_table_names() if name != "alembic_version"}
        return {"tables": tables, "enums": _enums(inspector)}


def _enums(inspector: Any) -> Any:
    return inspector.get_enums() if inspector.dialect.name == "postgresql" else []


def _table(inspector: Any, name: str) -> dict[str, Any]:
    columns = [{**column, "type": str(column["type"])} for column in inspector.get_columns(name)]
    by_name = {"key": lambda found: str(found["name"])}
    return {
        "columns": columns,
        "primary key": inspector.get_pk_constraint(name),
        "foreign keys": sorted(inspector.get_foreign_keys(name), **by_name),
        "unique": sorted(inspector.get_unique_constraints(name), **by_name),
        "checks": sorted(inspector.get_check_constraints(name), **by_name),
        "indexes": sorted(map(_index, inspector.get_indexes(name)), **by_name),
    }


def _index(found: dict[str, Any]) -> dict[str, Any]:
    # SQLite returns the condition of an index as an expression, which is equal to no other one.
    return {**found, "dialect_options": {name: str(value) for name, value in found.get("dialect_options", {}).items()}}


def fetch_rows(url: str, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    with create_engine(url).connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def run_sql(url: str, *statements: str) -> None:
    """Run statements and commit."""
    with create_engine(url).begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def run_psql(url: str, script: str) -> None:
    """Run a script of `--sql` as an operator does. Its statements are sent one by one, as CONCURRENTLY needs."""
    psql = [postgres.client_program("psql"), "-X", "-v", "ON_ERROR_STOP=1", url]
    done = subprocess.run(psql, check=False, input=script, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr


@contextmanager
def repeat_in_thread(act: Callable[[], object]) -> Iterator[None]:
    """Call `act` in another thread before, during and after the block. Raises its exceptions.

    Migrations set the wait callback of psycopg2 for the whole process, and restore the previous one. A thread that is
    connecting when its callback becomes None fails, so here the previous one is not None.
    """
    stop, started = threading.Event(), threading.Event()

    def repeat() -> None:
        try:
            act()
        finally:
            started.set()
        while not stop.is_set():
            act()
        act()

    set_wait_callback(wait_select)
    try:
        with ThreadPoolExecutor(1) as other:
            done = other.submit(repeat)
            started.wait()
            try:
                yield
            finally:
                stop.set()
            done.result()
    finally:
        set_wait_callback(None)
