"""Rotation of encryption keys while others write, come with other keys, or kill it: nothing is lost."""

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
    """An app with a database of its own: rotation is for all accounts of a server."""
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


def rotate(tell: Any = lambda done: None) -> rotation.RotationResult:
    return rotation.rotate("root", tell)


class Stepper:
    """A process of `rotating.py`, which goes on by a step at a time."""

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

    def told(self) -> str:
        """Wait for the next line it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go_on(self, line: str = "") -> None:
        """Let it make the next step."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()


def test_rotation_killed_five_times_beside_a_writer_loses_nothing(app: Flask, schema_url: str) -> None:
    actor, old, new = make.make_user(app), app.extensions["settings"].encryption_keys, a_key("k2")
    ids = make_agents(app, actor, AGENTS)
    deleted = make_agents(app, actor, 2)
    for agent_id in deleted:
        agents.delete(actor, agent_id)
    written = dict.fromkeys(map(str, [*ids, *deleted]), "as-made")
    # The writer was not started anew since the new key came: it still writes under the old one.
    with (
        Stepper("write", schema_url, f"{old},{new}", str(actor.account_id), *map(str, ids)) as writer,
        Stepper("rotate", schema_url, f"{new},{old}", str(len(ROWS_UNTIL_KILLED))) as rotating,
    ):

        def beside_a_write(_done: int = 0) -> None:
            agent_id, value = writer.told().split("=")
            written[agent_id] = value
            writer.go_on()

        for rows in ROWS_UNTIL_KILLED:
            process_id = int(rotating.told())
            for _ in range(rows):
                rotating.go_on()
                beside_a_write()
                rotating.told()
            rotating.go_on()
            os.kill(process_id, signal.SIGKILL)
            # It may have told of one more row.
            ended = next(line for line in iter(rotating.told, "") if line.startswith("ended"))
            assert ended == f"ended {-signal.SIGKILL}"
        assert stored_secrets.counts_by_key()["k1"]
        app.extensions["settings"] = settings_with(app, f"{new},{old}")
        rotate(beside_a_write)
        agent_id, value = writer.told().split("=")
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


def test_an_agent_that_is_brought_back_behind_a_rotation_is_moved_too(app: Flask) -> None:
    actor, old = make.make_user(app), app.extensions["settings"].encryption_keys
    gone, _ = make_agents(app, actor, 2)
    agents.delete(actor, gone)
    app.extensions["settings"] = settings_with(app, f"{a_key('k2')},{old}")

    outcome = rotate(lambda done: agents.restore_deleted(actor, gone) if done == 1 else None)

    assert outcome.moved == {actor.account_id: 4}
    assert set(stored_secrets.counts_by_key()) == {"k2"}


def test_a_process_that_lacks_the_new_key_writes_nothing_once_it_is_in_use(app: Flask) -> None:
    actor, stale = make.make_user(app), app.extensions["settings"]
    make_agents(app, actor, 1)
    app.extensions["settings"] = settings_with(app, f"{a_key('k2')},{stale.encryption_keys}")
    rotate()

    app.extensions["settings"] = stale

    with pytest.raises(Unavailable) as refusal:
        make_agents(app, actor, 1)
    assert refusal.value.code == "secret_unavailable"


def test_an_old_key_under_which_somebody_writes_again_is_known_again(app: Flask) -> None:
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
def test_a_key_that_one_unreadable_secret_names_is_not_forgotten(app: Flask, place: str) -> None:
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


def test_a_rotation_is_an_event_of_every_account_it_touched(app: Flask) -> None:
    ada, grace = make.make_user(app), make.make_user(app)
    make_agents(app, ada, 2)
    app.extensions["settings"] = settings_with(app, f"{a_key('k2')},{app.extensions['settings'].encryption_keys}")

    rotate()
    rotate()

    told = sa.select(Event.account_id, Event.actor_name, Event.details).where(Event.action == "secrets.rotated")
    with db.reading() as connection:
        assert connection.execute(told).all() == [(ada.account_id, "root", {"moved": 4, "key": "k2"})]
    assert grace.account_id != ada.account_id


def test_two_processes_that_bring_a_new_key_at_once_both_write(app: Flask) -> None:
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
