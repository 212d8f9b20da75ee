"""`docs/migrations.md`, block by block: each command is typed in a copy of the project, each step applied and undone.

A `sh` block says `on=` which database and `at=` which state of it, and `fails` where its last command must; the lines
of a `text` block after it must be printed. `python` blocks are one migration after the other; `release=next` begins
those of a release that is deployed when the one before runs everywhere.
"""

import re
from pathlib import Path

import pytest
from alembic import command

from agents_app import dbtools
from agents_app.operations import agents
from agents_app.paths import ROOT
from tests import make, postgres
from tests.conftest import OpenConsole
from tests.dbtools.tools import GUIDE_REVISION, console_config, fetch_rows, head_revision, repeat_in_thread, run_sql
from tests.documents import KINDS, Block, missing_lines, read_blocks, type_lines
from tests.project import copy_project

STEP = '''"""step_{number}"""
import sqlalchemy as sa
from alembic import op

revision = "step_{number}"
down_revision = {after!r}


{body}'''

# One that keeps to the rules of the steps: a new agent, and a change of an old one.
WRITE_AS_THE_NEXT_RELEASE = """
WITH changed AS (
    UPDATE agents SET description = 'Changed again.', purpose = 'known'
    WHERE id = (SELECT id FROM agents ORDER BY random() LIMIT 1)
)
INSERT INTO agents (id, name, connection_type, connection_config, account_id, created_at, purpose)
SELECT gen_random_uuid(), 'agent', 'DB', '{}', id, now(), 'known' FROM accounts
"""


BLOCKS = read_blocks(ROOT / "docs" / "migrations.md")
TYPED = [
    pytest.param(kind, block, id=f"line {block.line} on {kind}")
    for block in BLOCKS
    if block.language == "sh"
    for kind in KINDS[block.options["on"]]
]
STEPS = [block for block in BLOCKS if block.language == "python"]


def test_every_command_and_every_step_on_the_page_is_run() -> None:
    for block in BLOCKS:
        wanted = {"sh": {"on", "at"}, "python": {"step"}}.get(block.language, set())
        assert wanted <= block.options.keys(), f"line {block.line}"
        assert block.language in ("sh", "python", "text", "env"), f"line {block.line}"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the project that may be changed."""
    (tmp_path / "backups").mkdir()
    return copy_project(tmp_path / "project")


@pytest.mark.parametrize(("kind", "block"), TYPED)
def test_what_the_page_says_is_typed_and_printed(
    kind: str, block: Block, copy: Path, request: pytest.FixtureRequest
) -> None:
    url = _database(kind, block.options["at"], request)

    run = type_lines(block.text, copy, {"DATABASE_URL": url})

    assert (run.returncode != 0) == ("fails" in block.options), run.stdout + run.stderr
    assert missing_lines(block, run) == [], run.stdout + run.stderr


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_every_step_of_the_page_goes_up_down_and_up_without_a_warning(
    kind: str, copy: Path, request: pytest.FixtureRequest
) -> None:
    url = _database(kind, "head", request)
    run_sql(url, *_rows(kind))
    settings = {"DATABASE_URL": url}
    after, steps, later = _steps_after_head(url)

    _write(copy, after, steps[:later], 0)
    first = type_lines("flask db plan\nalembic upgrade head", copy, settings)
    _write(copy, after, steps[later:], later)
    back = f"alembic downgrade -{len(steps)}"
    second = type_lines(f"flask db plan\nalembic upgrade head\n{back}\nalembic upgrade head", copy, settings)

    for run in (first, second):
        assert run.returncode == 0, run.stdout + run.stderr
        assert not re.search("DANGER|WARN", run.stdout), run.stdout


def test_no_write_is_refused_while_the_release_before_runs_beside_the_steps_of_the_next(
    copy: Path, postgres_schema_url: str, open_console: OpenConsole
) -> None:
    url = postgres_schema_url
    app = open_console(url)
    admin = make.make_user(app)
    after, steps, later = _steps_after_head(url)
    config = console_config(url, dbtools.LockSettings())
    config.set_main_option("script_location", str(copy / "migrations"))

    def write_without_the_new_columns() -> None:
        agent = make.make_agent(app, admin)
        with app.app_context():
            agents.update(admin, agent, {"description": "Changed."})

    _write(copy, after, steps[:later], 0)
    with repeat_in_thread(write_without_the_new_columns):
        command.upgrade(config, "head")
    assert fetch_rows(url, "SELECT 1 FROM agents WHERE purpose IS NULL LIMIT 1") == [(1,)]

    _write(copy, after, steps[later:], later)
    with repeat_in_thread(lambda: run_sql(url, WRITE_AS_THE_NEXT_RELEASE)):
        command.upgrade(config, "head")
    assert fetch_rows(url, "SELECT count(*) FROM agents WHERE purpose IS NULL") == [(0,)]


def _steps_after_head(url: str) -> tuple[str, list[Block], int]:
    """The revision that the page's steps follow, the steps that this server can do, where the next release begins."""
    is_sqlite = url.startswith("sqlite")
    steps = [
        step for step in STEPS if is_sqlite or "pg_trgm" not in step.text or postgres.has_extension(url, "pg_trgm")
    ]
    later = next(number for number, step in enumerate(steps) if step.options.get("release") == "next")
    return head_revision(), steps, later


def _write(folder: Path, after: str, steps: list[Block], start: int) -> None:
    for number, step in enumerate(steps, start):
        path = folder / "migrations" / "versions" / f"step_{number}_x.py"
        path.write_text(STEP.format(number=number, after=f"step_{number - 1}" if number else after, body=step.text))


def _database(kind: str, state: str, request: pytest.FixtureRequest) -> str:
    if state == "head":
        ready: str = request.getfixturevalue({"sqlite": "sqlite_schema_url", "postgresql": "postgres_schema_url"}[kind])
        return ready
    url: str = request.getfixturevalue({"sqlite": "sqlite_url", "postgresql": "postgres_url"}[kind])
    if state in ("guide", "rows"):
        command.upgrade(console_config(url), GUIDE_REVISION)
    if state == "rows":
        run_sql(url, *_rows(kind))
    return url


def _rows(kind: str) -> list[str]:
    one = "00000000000000000000000000000001"
    then = "'2026-01-01 00:00:00+00:00'" if kind == "postgresql" else "'2026-01-01 00:00:00'"
    columns = "id, name, connection_type, connection_config, account_id, created_at"
    return [
        f"INSERT INTO accounts (id, name, created_at) VALUES ('{one}', 'Acme', {then})",
        f"INSERT INTO agents ({columns}) VALUES ('{one}', 'sales', 'DB', '{{}}', '{one}', {then})",
    ]
