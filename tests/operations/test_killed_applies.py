"""An apply of a file is all or nothing, also when its process is killed, and a second apply completes it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db
from agents_app.models import Agent, AgentVersion, Event
from agents_app.operations import agent_files
from agents_app.operations.permissions import Actor
from agents_app.schemas import agent_files as schema
from tests.conftest import OpenConsole
from tests.make import DATABASE, make_agent, make_user
from tests.project import shared_copy

NEW, STORED = 250, 50


@pytest.fixture
def app(schema_url: str, open_console: OpenConsole) -> Flask:
    return open_console(schema_url)


@pytest.fixture
def admin(app: Flask) -> Actor:
    """An admin of an account with some agents, which the file changes."""
    admin = make_user(app)
    for number in range(STORED):
        make_agent(app, admin, name=f"Agent {number}", external_id=f"id-{number:03}", description="Before.")
    return admin


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with those agents and with new ones, as an export writes it."""
    agents = [
        {
            "external_id": f"id-{number:03}",
            "name": f"Agent {number}",
            "description": "After.",
            "connection_type": "DB",
            "connection_config": DATABASE,
        }
        for number in range(NEW + STORED)
    ]
    (tmp_path / "agents.json").write_text(json.dumps({"format": schema.FORMAT, "agents": agents}))
    return tmp_path / "agents.json"


def start(act: str, url: str, admin: Actor, *files: Path) -> "subprocess.Popen[str]":
    """A process that applies these files."""
    command = [sys.executable, "-m", "tests.operations.applying", act, url, str(admin.account_id), *map(str, files)]
    return subprocess.Popen(command, cwd=shared_copy(), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def kill_at(url: str, admin: Actor, file: Path, statement: str, *, is_sent: bool) -> None:
    """Kill a process that applies the file, before it sends this statement, or while it is under way."""
    with start("stepwise", url, admin, file) as process:
        assert process.stdin
        assert process.stdout
        while (at := process.stdout.readline().strip()) != statement:
            assert at, "the statement was not sent"
            process.stdin.write("\n")
            process.stdin.flush()
        if is_sent:
            process.stdin.write("\n")
            process.stdin.flush()
        process.kill()


def counts(app: Flask, admin: Actor) -> tuple[int, ...]:
    """The numbers of agents, of changed agents, of versions and of events of agents."""
    with app.app_context(), db.reading() as connection:
        return tuple(
            connection.scalar(sa.select(sa.func.count()).select_from(table).where(*conditions)) or 0
            for table, conditions in (
                (Agent, (Agent.account_id == admin.account_id,)),
                (Agent, (Agent.account_id == admin.account_id, Agent.description == "After.")),
                (AgentVersion, (AgentVersion.account_id == admin.account_id,)),
                (Event, (Event.account_id == admin.account_id, Event.target_kind == "agent")),
            )
        )


BEFORE = (STORED, 0, STORED, STORED)
AFTER = (NEW + STORED, NEW + STORED, NEW + 2 * STORED, NEW + 2 * STORED)


MOMENTS = (
    ("INSERT INTO agents", False),
    ("UPDATE agents SET", True),
    ("INSERT INTO agent_versions", True),
    ("INSERT INTO events", True),
    ("COMMIT", False),
    ("COMMIT", True),
)


@pytest.mark.long
def test_a_killed_apply_leaves_all_or_nothing_and_no_lock(
    app: Flask, admin: Actor, schema_url: str, file: Path
) -> None:
    for statement, is_sent in MOMENTS:
        kill_at(schema_url, admin, file, statement, is_sent=is_sent)
        # Only the last moment can be after the end.
        assert counts(app, admin) in ((BEFORE, AFTER) if (statement, is_sent) == MOMENTS[-1] else (BEFORE,)), statement

    with start("apply", schema_url, admin, file, file) as second:
        printed, _ = second.communicate()

    assert (second.returncode, counts(app, admin)) == (0, AFTER)
    assert printed.splitlines()[-1] == "agents 0"
    with app.app_context():
        assert agent_files.export(admin) == json.loads(file.read_text())
