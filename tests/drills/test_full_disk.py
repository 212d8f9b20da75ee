"""A disk that is really full: a small file system in memory, in a mount namespace of its own."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.drills.conftest import BuildMachine, Prepare
from tests.drills.machine import Machine

pytestmark = pytest.mark.long
# As another user than root, mounting needs a user namespace.
NAMESPACE = ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--mount", "--user", "--map-root-user")
MOUNTS = "mkdir -p {home} && mount -t tmpfs -o size=16m none {home} && echo mounted && exec cat"
CREATE = """curl -sS -o /dev/null -w '%{{http_code}}' -H 'Authorization: Bearer {token}' \
-H 'Content-Type: application/json' -d '{{"name": "new", "connection_type": "DB", "connection_config": \
{{"dialect": "mysql", "host": "db.example.org", "database": "d", "username": "u"}}}}' \
http://127.0.0.1:8000/api/v1/agents"""
FILL = "dd if=/dev/zero of=/var/lib/agent-console/filling bs=1k status=none || true"


@pytest.fixture
def small(build_machine: BuildMachine, start_demo: Prepare) -> Iterator[Machine]:
    """A machine with a running console, whose home is a file system of 16 MB."""
    machine = build_machine()
    script = MOUNTS.format(home=machine.root / machine.home)
    with subprocess.Popen(
        [*NAMESPACE, "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        if holder.stdout.readline() != "mounted\n":
            assert os.environ.get("REQUIRE_ALL") != "1"
            pytest.skip("No file system can be mounted here: a full disk was NOT tried.")
        into = ("nsenter", f"--target={holder.pid}", "--mount")
        machine.within = into if os.geteuid() == 0 else (*into, "--user", "--preserve-credentials")
        yield start_demo(machine)
        machine.shut_down()
        assert holder.stdin
        holder.stdin.close()


def test_changes_are_refused_and_nothing_is_lost_until_there_is_room_again(small: Machine) -> None:
    token = small.type("agent-console tokens create --name writer --scope write").strip()
    create, count = CREATE.format(token=token), "agent-console agents list --json | jq '.items | length'"
    # The newest one is not deleted, though all are old.
    small.type("agent-console db backup\ncd /var/lib/agent-console/backups\nmv * other-20200101T000000Z.sqlite")
    small.type("agent-console db backup\ntouch -d '40 days ago' /var/lib/agent-console/backups/*")
    small.type(FILL)

    assert small.type(create) == "507"
    small.drill("disk-look")
    refused = small.run("agent-console db backup")
    assert "disk is full" in refused.stderr
    small.drill_twice("disk-free")
    (kept,) = small.type("ls /var/lib/agent-console/backups").split()
    assert kept.startswith("console-")
    small.type("rm /var/lib/agent-console/filling")
    small.drill("disk-after")

    assert small.type(create) == "201"
    assert small.type(count) == "61\n"


def test_the_cause_is_named_also_where_the_file_of_all_connections_does_not_fit(small: Machine) -> None:
    small.type(f"systemctl stop agent-console\nagent-console db backup\n{FILL}")

    listed, checked = small.run("agent-console users list"), small.run("agent-console doctor")

    assert "Error: The database has no disk space left. Nothing was changed." in listed.stderr
    assert "Start the server" not in checked.stdout
    assert "The disk is full or damaged" in checked.stdout
    small.type("rm /var/lib/agent-console/filling; systemctl start agent-console")
    small.drill("disk-after")
