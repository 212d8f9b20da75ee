"""The user's guide, command by command, as an operator types it: both spellings, both databases, no key set.

Step 1 is done in a copy of the project as it was before the agents table came.
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
from tests.project import copy_project, shared_copy

BIN = Path(sys.executable).parent
BEFORE = "3b1f07c5d2a9"
AGENTS = "7d3e90b1c4f6"

AGENT_OF_THE_GUIDE = '''"""The guide's agent."""

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
    """Somebody at a terminal in `folder`, who types Alembic's commands with `spelling` before them."""

    folder: Path
    spelling: str
    url: str

    def types(self, words: str) -> str:
        """What a command prints; it must succeed."""
        run = self.tries(f"{self.spelling} {words}")
        assert run.returncode == 0, f"{words}: {run.stdout}{run.stderr}"
        return run.stdout + run.stderr

    def tries(self, line: str) -> subprocess.CompletedProcess[str]:
        """A command line, with nothing but DATABASE_URL set (or in `.env`), and every warning an error."""
        environment = {"PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONWARNINGS": "error", "LANG": "C.UTF-8"}
        if not (self.folder / ".env").exists():
            environment["DATABASE_URL"] = self.url
        return subprocess.run(
            ["bash", "-c", line], check=False, cwd=self.folder, env=environment, capture_output=True, text=True
        )

    def asks_psql(self, command: str) -> str:
        """What psql prints."""
        words = [postgres.client_program("psql"), "-X", self.url, "-c", command]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    def sees_agents(self) -> bool:
        """Whether the agents table is there."""
        engine = sa.create_engine(self.url.replace("postgresql:", "postgresql+psycopg2:"), poolclass=sa.NullPool)
        return sa.inspect(engine).has_table("agents")


@pytest.fixture(params=["alembic", "flask db"])
def spelling(request: pytest.FixtureRequest) -> str:
    """Both ways to say it."""
    return str(request.param)


@pytest.fixture
def first_day(tmp_path: Path, spelling: str, database_url: str) -> Operator:
    """The project before the agents table came; DATABASE_URL is the only line of `.env`."""
    folder = copy_project(tmp_path / "project")
    for version in (folder / "migrations" / "versions").glob("*.py"):
        if not version.name.startswith(BEFORE):
            version.unlink()
    for model in (folder / "agents_app" / "models").glob("*.py"):
        if model.stem not in ("account", "user"):
            model.unlink()
    (folder / "agents_app" / "models" / "__init__.py").write_text(MODELS)
    (folder / "agents_app" / "models" / "agent.py").write_text(AGENT_OF_THE_GUIDE)
    (folder / "wsgi.py").write_text(WSGI)
    (folder / ".env").write_text(f"DATABASE_URL={database_url}\n")
    return Operator(folder, spelling, database_url)


@pytest.fixture
def today(tmp_path: Path, spelling: str, database_url: str) -> Operator:
    """The project as it is."""
    return Operator(copy_project(tmp_path / "project"), spelling, database_url)


def test_the_guide_from_top_to_bottom(first_day: Operator) -> None:
    versions = first_day.folder / "migrations" / "versions"
    first_day.types("upgrade head")

    # Step 1 and 2: create the migration, look at it; it equals the one of the project.
    first_day.types('revision --autogenerate -m "add_agents_table"')
    (file,) = versions.glob("*_add_agents_table.py")
    revision = file.name.partition("_")[0]
    ours = next((ROOT / "migrations" / "versions").glob(f"{AGENTS}_*")).read_text()
    assert _undated(file.read_text().replace(revision, AGENTS)) == _undated(ours)

    # Step 3 and 4: apply it, verify it.
    first_day.types("upgrade head")
    assert f"{revision} (head)" in first_day.types("current")
    history = first_day.types("history")
    assert f"{BEFORE} -> {revision} (head), add_agents_table" in history
    assert f"<base> -> {BEFORE}, add_accounts_and_users" in history
    assert first_day.sees_agents()

    # Step 5: roll back.
    first_day.types("downgrade -1")
    assert not first_day.sees_agents()
    first_day.types("upgrade head")
    first_day.types(f"downgrade {BEFORE}")
    assert not first_day.sees_agents()
    first_day.types("downgrade base")

    # Production: preview, apply with details, verify.
    preview = first_day.types("upgrade head --sql")
    assert "CREATE TABLE agents" in preview
    assert not first_day.sees_agents()
    details = "upgrade head -v" if first_day.spelling == "flask db" else "-x verbose=1 upgrade head"
    assert "CREATE TABLE agents" in first_day.types(details)
    assert f"{revision} (head)" in first_day.types("current")

    # Manual migration: an empty file that can be applied.
    first_day.types('revision -m "by_hand"')
    (by_hand,) = versions.glob("*_by_hand.py")
    assert "def upgrade() -> None:\n    pass" in by_hand.read_text()
    first_day.types("upgrade head")
    first_day.types("check")


def test_the_guides_look_at_the_table(postgres_url: str) -> None:
    operator = Operator(shared_copy(), "alembic", postgres_url)
    operator.types("upgrade head")

    assert "public | agents | table" in operator.asks_psql("\\dt agents")
    described = operator.asks_psql("\\d agents")
    assert re.search(r"connection_type +\| connectiontype +\| +\| not null", described)
    assert (
        '"fk_agents_account_id_accounts" FOREIGN KEY (account_id) REFERENCES accounts(id) ON DELETE CASCADE'
        in described
    )
    query = "SELECT table_name FROM information_schema.tables WHERE table_name = 'agents'"
    assert "(1 row)" in operator.asks_psql(query)


def test_the_guides_backup(tmp_path: Path, postgres_server: str, postgres_url: str) -> None:
    operator = Operator(shared_copy(), "alembic", postgres_url)
    operator.types("upgrade head")
    url = sa.make_url(postgres_url)
    host = url.query.get("host", url.host)
    backup = tmp_path / "backup_before_agents_migration.sql"

    dump = f"{postgres.client_program('pg_dump')} -h {host} -U {url.username} -d {url.database} > {backup}"
    run = operator.tries(dump)

    assert run.returncode == 0, run.stderr
    with postgres.database(postgres_server) as other_url:
        other = Operator(shared_copy(), "alembic", other_url)
        restore = [postgres.client_program("psql"), "-X", "-v", "ON_ERROR_STOP=1", "-f", backup, other_url]
        subprocess.run(restore, check=True, capture_output=True)
        other.types("check")


def test_every_verb_works_on_the_project_as_it_is(today: Operator) -> None:
    files = set((today.folder / "migrations" / "versions").glob("*.py"))
    today.types("upgrade head")
    head = today.types("heads").partition(" ")[0]

    assert f"{head} (head)" in today.types("current")
    assert f"{AGENTS} ->" in today.types("history")
    assert f"Rev: {AGENTS}" in today.types(f"show {AGENTS}")
    assert "No new upgrade operations detected." in today.types("check")
    assert "No changes in schema detected." in today.types('revision --autogenerate -m "add_agents_table"')
    if today.spelling == "flask db":
        assert "No changes in schema detected." in today.types("migrate -m add_agents_table")
    assert set((today.folder / "migrations" / "versions").glob("*.py")) == files
    today.types("stamp head")
    assert "CREATE TABLE agents" in today.types("upgrade head --sql")
    today.types(f"downgrade {BEFORE}")
    assert not today.sees_agents()
    today.types("upgrade +1")
    assert today.sees_agents()


def test_making_the_folder_of_migrations_again_is_refused_in_one_line(spelling: str, sqlite_url: str) -> None:
    operator = Operator(shared_copy(), spelling, sqlite_url)
    run = operator.tries(f"{spelling} init {'migrations' if spelling == 'alembic' else ''}")

    assert run.returncode != 0
    assert "already exists and is not empty" in run.stdout + run.stderr


def _undated(text: str) -> str:
    return re.sub(r"^Create Date: .*$", "", text, flags=re.MULTILINE)
