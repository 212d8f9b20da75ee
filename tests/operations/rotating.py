"""A separate process that rotates keys or writes, one step for each line that it reads. It is not a test."""

import os
import sys
from itertools import count
from uuid import UUID

import click

from agents_app.operations import agents, rotation
from agents_app.operations.permissions import Actor
from agents_app.values.choices import Door, Role
from tests import make


def rotate(times: str) -> None:
    """Rotate in a new process, several times, and print how each ended.

    The new one prints its id, and the number of each row, after which it waits for a line.
    """
    for _ in range(int(times)):
        child = os.fork()
        if child == 0:
            _step(os.getpid())
            rotation.rotate("root", _step)
            os._exit(0)
        click.echo(f"ended {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}")


def write(account_id: str, *agent_ids: str) -> None:
    """Change the secrets of one agent after another. Print each id when it is stored, and stop at the line "stop"."""
    actor = Actor(UUID(account_id), "writer", Door.TERMINAL, role=Role.ADMIN)
    for number in count():
        agent_id, value = UUID(agent_ids[number * 7 % len(agent_ids)]), f"written-as-number-{number}"
        agents.update(actor, agent_id, {"api_key": value, "connection_config": {"password": value}})
        if number % 5 == 0:
            agents.delete(actor, agent_id)
            agents.restore_deleted(actor, agent_id)
        if _step(f"{agent_id}={value}") == "stop\n":
            return


def _step(tell: object) -> str:
    click.echo(tell)
    return sys.stdin.readline()


if __name__ == "__main__":
    act, url, encryption_keys, *rest = sys.argv[1:]
    with make.make_app(url, ENCRYPTION_KEYS=encryption_keys).app_context():
        {"rotate": rotate, "write": write}[act](*rest)
