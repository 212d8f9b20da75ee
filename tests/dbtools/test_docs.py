"""Runs every block of `docs/migrations.md`: commands in a copy of the project, and steps as migrations.

A `sh` block names its database (`on=`) and the database's state (`at=`). With `fails`, its last command must fail. The
lines of the `text` block after it must be printed. `python` blocks are consecutive migrations; `release=next` marks the
first one of the next release, which is deployed when the previous release runs everywhere.
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
from tests.project import reused_copy

STEP = '''"""step_{number}"""
import sqlalchemy as sa
from alembic import op

revision = "step_{number}"
down_revision = {after!r}


{body}'''

# Follows the rules of the new steps: changes an agent, and adds one.
WRITE_AS_NEXT_RELEASE = """
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


def test_every_block_of_the_page_is_run() -> None:
    for block in BLOCKS:
        required = {"sh": {"on", "at"}, "python": {"step"}}.get(block.language, set())
        assert required <= block.options.keys(), f"line {block.line}"
        assert block.language in ("sh", "python", "text", "env"), f"line {block.line}"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the project that the test may change."""
    folder = reused_copy(tmp_path)
    (folder.parent / "backups").mkdir()
    return folder


@pytest.mark.long
@pytest.mark.parametrize(("kind", "block"), TYPED)
def test_a_command_prints_what_the_page_shows(
    kind: str, block: Block, copy: Path, request: pytest.FixtureRequest
) -> None:
    url = _database(kind, block.options["at"], request)

    run = type_lines(block.text, copy, {"DATABASE_URL": url})

    assert (run.returncode != 0) == ("fails" in block.options), run.stdout + run.stderr
    assert missing_lines(block, run) == [], run.stdout + run.stderr


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_steps_of_the_page_can_be_upgraded_and_downgraded_without_warnings(
    kind: str, copy: Path, request: pytest.FixtureRequest
) -> None:
    url = _database(kind, "head", request)
    run_sql(url, *_rows(kind))
    settings = {"DATABASE_URL": url}
    after, steps, later = _steps_after_head(url)

    _write_migrations(copy, after, steps[:later], 0)
    first = type_lines("flask db plan\nalembic upgrade head", copy, settings)
    _write_migrations(copy, after, steps[later:], later)
    # The steps after a marked one would be those of the next release.
    refused = type_lines("flask db plan", copy, settings)
    back = f"alembic downgrade -{len(steps)}"
    second = type_lines(f"alembic upgrade head\n{back}\nalembic upgrade head", copy, settings)

    for run in (first, second):
        assert run.returncode == 0, run.stdout + run.stderr
    for run in (first, refused, second):
        assert not re.search("DANGER|WARN|FAILS", run.stdout), run.stdout
    assert refused.returncode == 1
    assert len(re.findall(r"^\d+\. upgrade ", refused.stdout, re.MULTILINE)) == len(steps) - later
    assert re.search(r"^Refused: The step step_\d+ follows step_\d+, which is pending", refused.stdout, re.MULTILINE)


def test_the_previous_release_can_write_while_the_steps_of_the_next_release_run(
    copy: Path, postgres_schema_url: str, open_console: OpenConsole
) -> None:
    url = postgres_schema_url
    app = open_console(url)
    admin = make.make_user(app)
    after, steps, later = _steps_after_head(url)
    config = console_config(url, dbtools.Limits())
    config.set_main_option("script_location", str(copy / "migrations"))

    def write_without_the_new_columns() -> None:
        agent = make.make_agent(app, admin)
        with app.app_context():
            agents.update(admin, agent, {"description": "Changed."})

    _write_migrations(copy, after, steps[:later], 0)
    with repeat_in_thread(write_without_the_new_columns):
        command.upgrade(config, "head")
    assert fetch_rows(url, "SELECT 1 FROM agents WHERE purpose IS NULL LIMIT 1") == [(1,)]

    _write_migrations(copy, after, steps[later:], later)
    with repeat_in_thread(lambda: run_sql(url, WRITE_AS_NEXT_RELEASE)):
        command.upgrade(config, "head")
    assert fetch_rows(url, "SELECT count(*) FROM agents WHERE purpose IS NULL") == [(0,)]


def _steps_after_head(url: str) -> tuple[str, list[Block], int]:
    """Return head, the page's steps that this server supports, and the index of the next release's first step."""
    is_sqlite = url.startswith("sqlite")
    steps = [
        step for step in STEPS if is_sqlite or "unaccent" not in step.text or postgres.has_extension(url, "unaccent")
    ]
    later = next(number for number, step in enumerate(steps) if step.options.get("release") == "next")
    return head_revision(), steps, later


def _write_migrations(folder: Path, after: str, steps: list[Block], start: int) -> None:
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
    row_id = "00000000000000000000000000000001"
    created_at = "'2026-01-01 00:00:00+00:00'" if kind == "postgresql" else "'2026-01-01 00:00:00'"
    columns = "id, name, connection_type, connection_config, account_id, created_at"
    return [
        f"INSERT INTO accounts (id, name, created_at) VALUES ('{row_id}', 'Acme', {created_at})",
        f"INSERT INTO agents ({columns}) VALUES ('{row_id}', 'sales', 'DB', '{{}}', '{row_id}', {created_at})",
    ]
