"""How many tests run at once: the limits hold for all processes together, and no account takes all places of one."""

import os
import subprocess
import sys

import pytest
import sqlalchemy as sa

from agents_app.db import db
from agents_app.errors import Unavailable
from agents_app.models import StartedTest
from agents_app.operations import connection_tests
from tests.conftest import OpenConsole
from tests.make import make_user
from tests.operations.tested_agents import SilentServer, add_started, make_tested, start
from tests.project import shared_copy

THREADS = 8
# On each line of its input, the process starts a test in each thread. Each of them writes one line.
SERVER = f"""
import os, sys, threading
from uuid import UUID
from agents_app.errors import ConsoleError
from agents_app.operations import connection_tests
from agents_app.operations.permissions import Actor
from agents_app.values.choices import Door, Role
from tests import make
url, account_id, user_id, agent_id = sys.argv[1:]
app = make.make_app(url)
actor = Actor(UUID(account_id), "Admin", Door.PAGE, user_id=UUID(user_id), role=Role.ADMIN)
def run():
    with app.app_context():
        try:
            line = connection_tests.run(actor, UUID(agent_id))["outcome"]
        except ConsoleError as refusal:
            line = refusal.code
    os.write(1, line.encode() + b"\\n")
for _ in sys.stdin:
    for _ in range({THREADS}):
        threading.Thread(target=run).start()
"""


def test_the_limits_of_a_person_and_an_account_hold_for_all_processes_together(
    postgres_schema_url: str, open_console: OpenConsole, silent: SilentServer
) -> None:
    console = open_console(postgres_schema_url)
    admin = make_user(console)
    agent_id = make_tested(console, admin, silent.port)
    words = [postgres_schema_url, str(admin.account_id), str(admin.user_id), str(agent_id)]
    output, end = os.pipe()
    command = [sys.executable, "-c", SERVER, *words]
    servers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=end, cwd=shared_copy()) for _ in "12"]
    os.close(end)

    with console.app_context(), os.fdopen(output) as lines:
        add_started(admin, 3, 1)
        # Two at once, and then one, which is the sixth within a minute.
        for allowed in (2, 1, 0):
            for server in servers:
                server.stdin.write(b"\n")  # type: ignore[union-attr]
                server.stdin.flush()  # type: ignore[union-attr]
            clients = [silent.accept() for _ in range(allowed)]
            refusals = [next(lines) for _ in range(len(servers) * THREADS - allowed)]
            for client in clients:
                client.close()
            assert {*refusals} == {"too_many_tests\n"}
            assert [next(lines) for _ in clients] == ["failed\n"] * allowed
        for server in servers:
            server.communicate()
        with db.reading() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(StartedTest)) == 6


def test_an_account_that_runs_a_test_does_not_take_the_last_place_of_a_process(
    sqlite_schema_url: str, open_console: OpenConsole, silent: SilentServer
) -> None:
    # Two places.
    console = open_console(sqlite_schema_url, POOL_SIZE="6")
    admin, other = make_user(console), make_user(console)
    agent_id, id_of_other = (make_tested(console, actor, silent.port) for actor in (admin, other))

    waits = [start(console, admin, agent_id)]
    clients = [silent.accept()]
    with console.app_context():
        with pytest.raises(Unavailable) as refusal:
            connection_tests.run(admin, agent_id)
        waits.append(start(console, other, id_of_other))
        clients.append(silent.accept())
        for client in clients:
            client.close()
        outcomes = [wait()["outcome"] for wait in waits]
        with db.reading() as connection:
            started = connection.scalar(sa.select(sa.func.count()).select_from(StartedTest))

    assert (refusal.value.code, outcomes) == ("busy", ["failed", "failed"])
    # The test that was refused does not count for the limit of its person.
    assert started == 2
