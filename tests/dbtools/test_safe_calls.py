"""The safe form that a warning shows: copied into a step, it makes the same index or constraint."""

from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory

from agents_app.database.url import parse_url
from agents_app.dbtools.database.connections import connect
from agents_app.dbtools.position import read_position
from agents_app.dbtools.review.plan import make_plan
from agents_app.dbtools.review.warnings import StepWarning
from tests.dbtools.rule_cases import ALTER, BUSY
from tests.dbtools.tools import Project, fetch_rows, run_sql

STEPS = [
    "CREATE INDEX ON busy (name)",
    "CREATE UNIQUE INDEX ix ON busy (lower(name), id DESC NULLS LAST) WHERE name <> 'a''b'",
    "CREATE UNIQUE INDEX ix ON busy (kind, id) INCLUDE (name) NULLS NOT DISTINCT",
    "CREATE INDEX ix ON busy USING hash (name)",
    "CREATE INDEX ix ON busy (name varchar_pattern_ops)",
    """CREATE INDEX "Ix'x" ON other."Busy" ("Id")""",
    ALTER + "ADD CONSTRAINT uq UNIQUE (id, name) DEFERRABLE INITIALLY DEFERRED",
    ALTER + "ADD CONSTRAINT uq UNIQUE NULLS NOT DISTINCT (name)",
    ALTER + "ADD CONSTRAINT uq UNIQUE (id) INCLUDE (name)",
    "op.create_index('ix', 'busy', ['name'], postgresql_where=sa.text('id > 1'), postgresql_using='hash')",
    "op.create_unique_constraint('uq', 'busy', ['name'], deferrable=True)",
]
INDEXES = """
SELECT schemaname, indexdef FROM pg_indexes
WHERE schemaname IN ('public', 'other') AND indexname NOT LIKE '%%pkey' AND tablename <> 'alembic_version'
    AND tablename IN ('busy', 'Busy') ORDER BY 1, 2
"""
CONSTRAINTS = (
    "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'busy'::regclass ORDER BY 1"
)


@pytest.mark.long
@pytest.mark.parametrize("step", STEPS)
def test_the_safe_form_of_an_index_makes_the_same_index(tmp_path: Path, postgres_url: str, step: str) -> None:
    run_sql(postgres_url, *BUSY, "CREATE SCHEMA other", 'CREATE TABLE other."Busy" ("Id" integer)')
    run_sql(postgres_url, """INSERT INTO other."Busy" VALUES (1)""")
    before = _definitions(postgres_url)
    project = Project(tmp_path, postgres_url)
    project.revision("one", step if step.startswith("op.") else f"op.execute({step!r})", "pass")
    (warning,) = (found for found in _warnings(project) if "CONCURRENTLY" in found.what or "UNIQUE" in found.what)
    command.upgrade(project.config(), "head")
    wanted = _definitions(postgres_url) - before
    run_sql(postgres_url, "DROP TABLE busy", "DROP SCHEMA other CASCADE", "DELETE FROM alembic_version")
    run_sql(postgres_url, "DELETE FROM applied_steps") if _has(postgres_url, "applied_steps") else None
    run_sql(postgres_url, BUSY[1], "CREATE SCHEMA other", 'CREATE TABLE other."Busy" ("Id" integer)')

    safe = Project(tmp_path, postgres_url)
    safe.revision("two", warning.instead.removeprefix("In a step of its own: "), "pass")
    command.upgrade(safe.config(), "head")

    found = _definitions(postgres_url) - before
    assert len(found) == len(wanted) > 0
    if step.startswith("CREATE INDEX ON"):
        assert {text.partition(" ON ")[2] for _, text in found} == {text.partition(" ON ")[2] for _, text in wanted}
    else:
        assert found == wanted


def _definitions(url: str) -> set[tuple[str, str]]:
    return {(str(first), str(second)) for query in (INDEXES, CONSTRAINTS) for first, second in fetch_rows(url, query)}


def _has(url: str, table: str) -> bool:
    return fetch_rows(url, f"SELECT to_regclass('{table}') IS NOT NULL") == [(True,)]


def _warnings(project: Project) -> list[StepWarning]:
    with connect(parse_url(project.url)) as connection:
        script = ScriptDirectory.from_config(project.config())
        plan = make_plan(connection, script, read_position(connection, script))
    return [warning for step in plan.steps for warning in step.warnings]
