"""The commands of the user's guide, as an operator types them: both spellings, both databases, no keys.

Step 1 runs in a copy of the project as it was before the agents table was added.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from agents_app.paths import ROOT
from tests import postgres
from tests.fork_server import programs
from tests.project import reused_copy, shared_copy

BIN = Path(sys.executable).parent
BEFORE_AGENTS = "3b1f07c5d2a9"
AGENTS = "7d3e90b1c4f6"

GUIDE_AGENT = '''"""The guide's agent."""

import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from agents_app.db import Base, Json, UtcDateTime
from agents_app.values.choices import ConnectionType


class Agent(Base):
    """A data agent."""

    __tablename__ = "agents"

    id: Mapped[uuid.UUID] = mapped_column(sa.Uuid, primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(255))
    description: Mapped[str | None] = mapped_column(sa.Text)
    status: Mapped[str] = mapped_column(sa.String(50), server_default="active")
    model_type: Mapped[str | None] = mapped_column(sa.String(100))
    api_key: Mapped[str | None] = mapped_column(sa.String(500))
    system_instructions: Mapped[str | None] = mapped_column(sa.Text)
    connection_type: Mapped[ConnectionType] = mapped_column(
        sa.Enum(ConnectionType, name="connectiontype", create_constraint=True)
    )
    connection_config: Mapped[dict[str, Any]] = mapped_column(Json)
    account_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    created_by: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("users.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
'''
MODELS = '''"""The models of the guide's first day."""

from agents_app.models.account import Account
from agents_app.models.agent import Agent
from agents_app.models.user import User

__all__ = ["Account", "Agent", "User"]
'''
WSGI = """from flask import Flask

from agents_app import dbtools
from agents_app.config import load
from agents_app.db import db

app = Flask("agents_app")
app.config["SQLALCHEMY_DATABASE_URI"] = load().database_url
db.init_app(app)
dbtools.init_app(app)
"""


@dataclass
class Operator:
    """A person at a terminal in `folder`, who types Alembic's commands with `spelling` in front."""

    folder: Path
    spelling: str
    url: str

    def run(self, words: str) -> str:
        """Run a command, which must succeed, and return its output."""
        run = self.run_line(f"{self.spelling} {words}")
        assert run.returncode == 0, f"{words}: {run.stdout}{run.stderr}"
        return run.stdout + run.stderr

    def run_line(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a command line with DATABASE_URL alone (here or in `.env`), and with warnings as errors."""
        environment = {"PATH": f"{programs()}:{BIN}:{os.environ['PATH']}", "PYTHONWARNINGS": "error", "LANG": "C.UTF-8"}
        if not (self.folder / ".env").exists():
            environment["DATABASE_URL"] = self.url
        return subprocess.run(
            ["bash", "-c", line], check=False, cwd=self.folder, env=environment, capture_output=True, text=True
        )

    def run_psql(self, command: str) -> str:
        """The output of a command of psql."""
        words = [postgres.client_program("psql"), "-X", self.url, "-c", command]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    def has_agents_table(self) -> bool:
        """Whether the agents table exists."""
        engine = sa.create_engine(self.url.replace("postgresql:", "postgresql+psycopg2:"), poolclass=sa.NullPool)
        return sa.inspect(engine).has_table("agents")


@pytest.fixture(params=["alembic", "flask db"])
def spelling(request: pytest.FixtureRequest) -> str:
    """The two spellings of each command."""
    return str(request.param)


@pytest.fixture
def old_project(tmp_path: Path, spelling: str, database_url: str) -> Operator:
    """The project before the agents table was added. DATABASE_URL is the only line of `.env`."""
    folder = reused_copy(tmp_path)
    for version in (folder / "migrations" / "versions").glob("*.py"):
        if not version.name.startswith(BEFORE_AGENTS):
            version.unlink()
    for model in (folder / "agents_app" / "models").glob("*.py"):
        if model.stem not in ("account", "user"):
            model.unlink()
    account = folder / "agents_app" / "models" / "account.py"
    # Of a later release.
    account.write_text(account.read_text().partition("    requires_second_factor")[0])
    (folder / "agents_app" / "models" / "__init__.py").write_text(MODELS)
    (folder / "agents_app" / "models" / "agent.py").write_text(GUIDE_AGENT)
    (folder / "wsgi.py").write_text(WSGI)
    (folder / ".env").write_text(f"DATABASE_URL={database_url}\n")
    return Operator(folder, spelling, database_url)


@pytest.fixture
def present_project(tmp_path: Path, spelling: str, database_url: str) -> Operator:
    """The present project."""
    return Operator(reused_copy(tmp_path), spelling, database_url)


@pytest.mark.long
def test_the_steps_of_the_guide(old_project: Operator) -> None:
    versions = old_project.folder / "migrations" / "versions"
    old_project.run("upgrade head")

    # Step 1 and 2: create the migration and read it; it equals the one of the project.
    old_project.run('revision --autogenerate -m "add_agents_table"')
    (file,) = versions.glob("*_add_agents_table.py")
    revision = file.name.partition("_")[0]
    ours = next((ROOT / "migrations" / "versions").glob(f"{AGENTS}_*")).read_text()
    assert _without_date(file.read_text().replace(revision, AGENTS)) == _without_date(ours)

    # Step 3 and 4: apply it, verify it.
    old_project.run("upgrade head")
    assert f"{revision} (head)" in old_project.run("current")
    history = old_project.run("history")
    assert f"{BEFORE_AGENTS} -> {revision} (head), add_agents_table" in history
    assert f"<base> -> {BEFORE_AGENTS}, add_accounts_and_users" in history
    assert old_project.has_agents_table()

    # Step 5: roll back.
    old_project.run("downgrade -1")
    assert not old_project.has_agents_table()
    old_project.run("upgrade head")
    old_project.run(f"downgrade {BEFORE_AGENTS}")
    assert not old_project.has_agents_table()
    old_project.run("downgrade base")

    # Production: preview, apply with details, verify.
    preview = old_project.run("upgrade head --sql")
    assert "CREATE TABLE agents" in preview
    assert not old_project.has_agents_table()
    details = "upgrade head -v" if old_project.spelling == "flask db" else "-x verbose=1 upgrade head"
    assert "CREATE TABLE agents" in old_project.run(details)
    assert f"{revision} (head)" in old_project.run("current")

    # Manual migration: an empty file that can be applied.
    old_project.run('revision -m "by_hand"')
    (by_hand,) = versions.glob("*_by_hand.py")
    assert "def upgrade() -> None:\n    pass" in by_hand.read_text()
    old_project.run("upgrade head")
    old_project.run("check")


def test_the_guides_commands_of_psql(postgres_url: str) -> None:
    operator = Operator(shared_copy(), "alembic", postgres_url)
    operator.run("upgrade head")

    assert "public | agents | table" in operator.run_psql("\\dt agents")
    described = operator.run_psql("\\d agents")
    assert re.search(r"connection_type +\| connectiontype +\| +\| not null", described)
    assert (
        '"fk_agents_account_id_accounts" FOREIGN KEY (account_id) REFERENCES accounts(id) ON DELETE CASCADE'
        in described
    )
    query = "SELECT table_name FROM information_schema.tables WHERE table_name = 'agents'"
    assert "(1 row)" in operator.run_psql(query)


def test_the_guides_backup_command(tmp_path: Path, postgres_server: str, postgres_url: str) -> None:
    operator = Operator(shared_copy(), "alembic", postgres_url)
    operator.run("upgrade head")
    url = sa.make_url(postgres_url)
    host = url.query.get("host", url.host)
    backup = tmp_path / "backup_before_agents_migration.sql"

    dump = f"{postgres.client_program('pg_dump')} -h {host} -U {url.username} -d {url.database} > {backup}"
    run = operator.run_line(dump)

    assert run.returncode == 0, run.stderr
    with postgres.database(postgres_server) as other_url:
        other = Operator(shared_copy(), "alembic", other_url)
        restore = [postgres.client_program("psql"), "-X", "-v", "ON_ERROR_STOP=1", "-f", backup, other_url]
        subprocess.run(restore, check=True, capture_output=True)
        other.run("check")


@pytest.mark.long
def test_every_command_works_on_the_present_project(present_project: Operator) -> None:
    files = set((present_project.folder / "migrations" / "versions").glob("*.py"))
    present_project.run("upgrade head")
    head = present_project.run("heads").partition(" ")[0]

    assert f"{head} (head)" in present_project.run("current")
    assert f"{AGENTS} ->" in present_project.run("history")
    assert f"Rev: {AGENTS}" in present_project.run(f"show {AGENTS}")
    assert "No new upgrade operations detected." in present_project.run("check")
    assert "No changes in schema detected." in present_project.run('revision --autogenerate -m "add_agents_table"')
    if present_project.spelling == "flask db":
        assert "No changes in schema detected." in present_project.run("migrate -m add_agents_table")
    assert set((present_project.folder / "migrations" / "versions").glob("*.py")) == files
    present_project.run("stamp head")
    assert "CREATE TABLE agents" in present_project.run("upgrade head --sql")
    present_project.run(f"downgrade {BEFORE_AGENTS}")
    assert not present_project.has_agents_table()
    present_project.run("upgrade +1")
    assert present_project.has_agents_table()


def test_a_second_init_is_refused_in_one_line(spelling: str, sqlite_url: str) -> None:
    operator = Operator(shared_copy(), spelling, sqlite_url)
    run = operator.run_line(f"{spelling} init {'migrations' if spelling == 'alembic' else ''}")

    assert run.returncode != 0
    assert "already exists and is not empty" in run.stdout + run.stderr


def _without_date(text: str) -> str:
    return re.sub(r"^Create Date: .*$", "", text, flags=re.MULTILINE)
