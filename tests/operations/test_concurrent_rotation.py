"""Key rotation loses nothing while other processes write, use other keys or kill it."""

import base64
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.config import Settings
from agents_app.db import db
from agents_app.errors import Unavailable
from agents_app.models import Agent, AgentVersion, EncryptionKey, Event
from agents_app.operations import agents, encryption_keys, rotation, runtime, stored_secrets, tokens
from agents_app.operations.permissions import Visitor
from tests import make
from tests.conftest import OpenConsole
from tests.project import shared_copy

AGENTS = 30
ROWS_UNTIL_KILLED = (3, 8, 13, 18, 23)
DAMAGED = "v1:k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


@pytest.fixture
def app(schema_url: str, open_console: OpenConsole) -> Iterator[Flask]:
    """An app with a new database, because rotation is for all accounts of a server."""
    made = open_console(schema_url)
    with made.app_context():
        yield made


def a_key(key_id: str) -> str:
    return f"{key_id}:{base64.b64encode(os.urandom(32)).decode()}"


def settings_with(app: Flask, encryption_keys: str) -> Settings:
    return replace(app.extensions["settings"], encryption_keys=encryption_keys)


def known_keys() -> set[str]:
    with db.reading() as connection:
        return set(connection.scalars(sa.select(EncryptionKey.key_id)))


def make_agents(app: Flask, actor: Any, number: int) -> list[UUID]:
    config = {"password": "as-made"}
    return [make.make_agent(app, actor, api_key="as-made", connection_config=config) for _ in range(number)]


def rotate(report: Any = lambda done: None) -> rotation.RotationResult:
    return rotation.rotate("root", report)


class Stepper:
    """A process of `rotating.py` that waits for each step."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "tests.operations.rotating", *arguments]
        self.process = subprocess.Popen(
            command, cwd=shared_copy(), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> "Stepper":
        return self

    def __exit__(self, *_raised: object) -> None:
        with self.process:
            self.process.kill()

    def read_line(self) -> str:
        """Wait for the next line that it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go_on(self, line: str = "") -> None:
        """Let it do the next step."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()


@pytest.mark.long
def test_rotation_that_is_killed_five_times_while_a_process_writes_loses_nothing(app: Flask, schema_url: str) -> None:
    actor, old, new = make.make_user(app), app.extensions["settings"].encryption_keys, a_key("k2")
    ids = make_agents(app, actor, AGENTS)
    deleted = make_agents(app, actor, 2)
    for agent_id in deleted:
        agents.delete(actor, agent_id)
    written = dict.fromkeys(map(str, [*ids, *deleted]), "as-made")
    # The writer was not restarted since the new key was added, so it still writes with the old one.
    with (
        Stepper("write", schema_url, f"{old},{new}", str(actor.account_id), *map(str, ids)) as writer,
        Stepper("rotate", schema_url, f"{new},{old}", str(len(ROWS_UNTIL_KILLED))) as rotating,
    ):

        def during_a_write(_done: int = 0) -> None:
            agent_id, value = writer.read_line().split("=")
            written[agent_id] = value
            writer.go_on()

        for rows in ROWS_UNTIL_KILLED:
            process_id = int(rotating.read_line())
            for _ in range(rows):
                rotating.go_on()
                during_a_write()
                rotating.read_line()
            rotating.go_on()
            os.kill(process_id, signal.SIGKILL)
            # It may have printed one more row.
            ended = next(line for line in iter(rotating.read_line, "") if line.startswith("ended"))
            assert ended == f"ended {-signal.SIGKILL}"
        assert stored_secrets.counts_by_key()["k1"]
        app.extensions["settings"] = settings_with(app, f"{new},{old}")
        rotate(during_a_write)
        agent_id, value = writer.read_line().split("=")
        written[agent_id] = value
        writer.go_on("stop")
        assert writer.process.wait() == 0

    assert rotate().unreadable == 0
    assert set(stored_secrets.counts_by_key()) == known_keys() == {"k2"}
    app.extensions["settings"] = settings_with(app, new)
    for agent_id in deleted:
        agents.restore_deleted(actor, agent_id)
    reader = tokens.authenticate(Visitor("192.0.2.1"), make.make_token(app, actor, "runtime"))
    found = {agent_id: runtime.fetch(reader, UUID(agent_id)) for agent_id in written}
    assert {agent_id: one["api_key"] for agent_id, one in found.items()} == written
    assert {agent_id: one["connection_config"]["password"] for agent_id, one in found.items()} == written


def test_an_agent_that_is_restored_during_a_rotation_is_moved_too(app: Flask) -> None:
    actor, old = make.make_user(app), app.extensions["settings"].encryption_keys
    gone, _ = make_agents(app, actor, 2)
    agents.delete(actor, gone)
    app.extensions["settings"] = settings_with(app, f"{a_key('k2')},{old}")

    outcome = rotate(lambda done: agents.restore_deleted(actor, gone) if done == 1 else None)

    assert outcome.moved == {actor.account_id: 4}
    assert set(stored_secrets.counts_by_key()) == {"k2"}


def test_a_process_without_the_new_key_writes_nothing_once_the_key_is_used(app: Flask) -> None:
    actor, stale = make.make_user(app), app.extensions["settings"]
    make_agents(app, actor, 1)
    app.extensions["settings"] = settings_with(app, f"{a_key('k2')},{stale.encryption_keys}")
    rotate()

    app.extensions["settings"] = stale

    with pytest.raises(Unavailable) as refusal:
        make_agents(app, actor, 1)
    assert refusal.value.code == "secret_unavailable"


def test_an_old_key_that_a_process_writes_with_again_is_known_again(app: Flask) -> None:
    actor, old, new = make.make_user(app), app.extensions["settings"].encryption_keys, a_key("k2")
    make_agents(app, actor, 1)
    app.extensions["settings"] = settings_with(app, f"{new},{old}")
    rotate()
    assert known_keys() == {"k2"}

    app.extensions["settings"] = settings_with(app, f"{old},{new}")
    make_agents(app, actor, 1)
    app.extensions["settings"] = settings_with(app, new)

    assert encryption_keys.find_problem() == "ENCRYPTION_KEYS lacks the key k1, which stored secrets may need."


@pytest.mark.parametrize("place", ["agent", "deleted agent"])
def test_the_key_of_an_unreadable_secret_stays_known(app: Flask, place: str) -> None:
    actor, old = make.make_user(app), app.extensions["settings"].encryption_keys
    (agent_id,) = make_agents(app, actor, 1)
    with db.transaction() as session:
        session.execute(sa.update(Agent).values(api_key=None, connection_config={"password": {"$enc": DAMAGED}}))
    if place == "deleted agent":
        agents.delete(actor, agent_id)
    app.extensions["settings"] = settings_with(app, f"{a_key('k2')},{old}")

    assert rotate().unreadable == 1

    assert known_keys() == {"k1", "k2"}
    assert [row["kind"] for row in stored_secrets.list_unreadable()] == [place]


def test_a_rotation_adds_an_event_to_every_account_that_it_changed(app: Flask) -> None:
    ada, grace = make.make_user(app), make.make_user(app)
    make_agents(app, ada, 2)
    app.extensions["settings"] = settings_with(app, f"{a_key('k2')},{app.extensions['settings'].encryption_keys}")

    rotate()
    rotate()

    query = sa.select(Event.account_id, Event.actor_name, Event.details).where(Event.action == "secrets.rotated")
    with db.reading() as connection:
        assert connection.execute(query).all() == [(ada.account_id, "root", {"moved": 4, "key": "k2"})]
    assert grace.account_id != ada.account_id


def test_two_processes_with_the_same_new_key_can_both_write(app: Flask) -> None:
    actor = make.make_user(app)
    start, failed = threading.Barrier(2), []

    def create() -> None:
        with app.app_context():
            start.wait()
            try:
                make_agents(app, actor, 1)
            except Exception as error:
                failed.append(error)

    threads = [threading.Thread(target=create) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    assert known_keys() == {"k1"}


def test_a_version_keeps_no_secret_of_a_living_agent(app: Flask) -> None:
    make_agents(app, make.make_user(app), 1)

    with db.reading() as connection:
        assert connection.scalars(sa.select(AgentVersion.kept_secrets)).all() == [None]
