"""Copies every row of the console into another database in one transaction, and compares the two before it commits."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import URL, Connection

from agents_app.database.migration_limits import Limits
from agents_app.dbtools.branches import require_one_head
from agents_app.dbtools.copying import checks, rows, target
from agents_app.dbtools.copying.rows import NOTHING_COPIED
from agents_app.dbtools.database.connections import migration_connection, snapshot_connection
from agents_app.dbtools.output import print_progress, progress_bar
from agents_app.dbtools.phases import way_to_head
from agents_app.dbtools.position import Position, read_position
from agents_app.dbtools.runner.error_messages import readable_errors
from agents_app.dbtools.version_table import read_revisions

STOP_FIRST = "Stop every process of the console, then copy again. To leave out what it still writes: --while-running"


@dataclass(frozen=True)
class Copy:
    """What was copied: the revision of both databases, and how many rows each table has."""

    revision: str
    tables: dict[str, int]
    seconds: float

    @property
    def rows(self) -> int:
        return sum(self.tables.values())


@dataclass(frozen=True)
class _Tables:
    # A table comes after those that it refers to. Those of `unordered` refer to themselves or to each other.
    ordered: list[sa.Table]
    unordered: list[sa.Table]


def copy_database(
    source: URL, to: URL, make_config: Callable[[], Config], metadata: sa.MetaData, *, while_running: bool
) -> Copy:
    """Copy the rows of every table of the models to another database, which has no rows, and compare all of them.

    The source is only read. With `while_running` it may change, and the copy is as the source was at the
    beginning. Raises CommandError or Unavailable; the target then has tables, but no row in them.
    """
    started = time.monotonic()
    script = ScriptDirectory.from_config(make_config())
    require_one_head(script)
    tables = _in_order(metadata)
    with snapshot_connection(source) as connection:
        _require_at_head(read_position(connection, script))
        _require_copyable(connection, to, script, tables.ordered)
    # While no snapshot is open: in another schema of the same database, steps would wait for it.
    with target.naming_target(to):
        target.create_tables(to, script, make_config())
    with snapshot_connection(source) as connection:
        counts = {table.name: _count(connection, table) for table in tables.ordered}
        limits = make_config().attributes.get("limits", Limits())
        with readable_errors(to), _writing(to, limits) as copy:
            revision = _require_same_revision(connection, copy)
            _copy_rows(connection, copy, tables, sum(counts.values()))
            _compare(connection, copy, tables, source=None if while_running else source, counts=counts)
    return Copy(revision, counts, round(time.monotonic() - started, 2))


def _require_copyable(connection: Connection, to: URL, script: ScriptDirectory, tables: list[sa.Table]) -> None:
    checks.require_columns_of_models(connection, tables)
    with target.naming_target(to):
        target.require_usable(connection, to, script, tables)
    print_progress("Looking for values that cannot be copied.")
    checks.require_valid_values(connection, tables, for_postgresql=to.get_backend_name() == "postgresql")


def _in_order(metadata: sa.MetaData) -> _Tables:
    sort: Any = sa.schema.sort_tables_and_constraints
    found = list(sort(metadata.tables.values()))
    ordered = [table for table, _ in found if table is not None]
    cyclic = {constraint.table for table, constraints in found if table is None for constraint in constraints}
    own = {table for table in ordered for one in table.foreign_key_constraints if one.referred_table is table}
    return _Tables(ordered, [table for table in ordered if table in cyclic | own])


def _require_at_head(position: Position) -> None:
    if position.is_ahead:
        what = f"The database is at {position.current}, which is from a newer release. Copy it with that release."
        raise CommandError(f"{what} {NOTHING_COPIED}")
    if not position.is_at_head:
        raise CommandError(f"Steps are pending. {NOTHING_COPIED} Apply them first: {way_to_head(position)}")


@contextmanager
def _writing(url: URL, limits: Limits) -> Iterator[Connection]:
    # One transaction on both databases, while no migration and no other copy runs.
    with (
        migration_connection(url, limits, verbose=False) as connection,
        nullcontext() if connection.in_transaction() else connection.begin(),
    ):
        yield connection


def _count(connection: Connection, table: sa.Table) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def _require_same_revision(source: Connection, copy: Connection) -> str:
    found = read_revisions(copy)
    if read_revisions(source) != found:
        raise CommandError(f"The two databases are not at the same revision. {NOTHING_COPIED}")
    return ", ".join(found)


def _copy_rows(source: Connection, copy: Connection, tables: _Tables, total: int) -> None:
    # Another copy may have ended since the first look.
    target.require_no_rows(copy, tables.ordered)
    for table in reversed(tables.ordered):
        if table.name in target.RECORDS:
            copy.execute(table.delete())
    with progress_bar("Copy", total) as advance, target.unordered_rows(copy, tables.unordered):
        for table in tables.ordered:
            for batch in rows.batches(source, table):
                rows.insert(copy, table, batch)
                advance(len(batch))
    target.set_sequences(copy, tables.ordered)


def _compare(
    snapshot: Connection, copy: Connection, tables: _Tables, *, source: URL | None, counts: dict[str, int]
) -> None:
    """Compare the copy with the source as it is now or, without `source`, with the snapshot."""
    with (
        snapshot_connection(source) if source else nullcontext(snapshot) as present,
        progress_bar("Compare", sum(counts.values())) as advance,
    ):
        for table in tables.ordered:
            difference = _difference(present, copy, table)
            if difference and source and not _difference(snapshot, copy, table):
                what = f"The console wrote to {table.name} while it was copied. {NOTHING_COPIED}"
                raise CommandError(f"{what} {STOP_FIRST}")
            if difference:
                raise CommandError(f"{difference} {NOTHING_COPIED}")
            advance(counts[table.name])


def _difference(source: Connection, copy: Connection, table: sa.Table) -> str | None:
    """A sentence about the first row that is not the same in both; None if all are."""
    for original, copied in zip_longest(rows.rows(source, table), rows.rows(copy, table)):
        if original != copied:
            key = rows.key_text(table, original or copied)
            others = [
                column.name
                for column, *values in zip(table.columns, original or (), copied or (), strict=False)
                if values[0] != values[1]
            ]
            return f"The copy differs from the source: {table.name}, {key} ({', '.join(others) or 'missing row'})."
    return None
