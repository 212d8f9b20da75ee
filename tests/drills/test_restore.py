"""Back up, lose everything, restore; and move to another host."""

import pytest

from tests.drills.conftest import BuildMachine, StartDemo
from tests.drills.machine import BLOCKS, Machine

pytestmark = pytest.mark.long
AGENTS = "agent-console agents list --json"
# A copy of last year, with the key of that time.
OLD_COPY = "cp -a /etc/agent-console /root/agent-console-settings-20200101_000000_000"


def test_a_backup_and_its_keys_bring_back_what_was_lost(machine: Machine) -> None:
    machine.drill("look")
    agents = machine.type(AGENTS)
    machine.drill_twice("backup")
    machine.type("agent-console users invite --role viewer\nrm -r /etc/agent-console/*")

    machine.drill_twice("restore-settings")
    clear(machine)
    machine.drill("restore")
    machine.drill_twice("restore-after")

    assert machine.type(AGENTS) == agents
    assert "viewer" not in machine.type("agent-console users invitations")


def clear(machine: Machine) -> None:
    """Put the database out of the way, twice, as after an interruption."""
    if machine.database_url.startswith("sqlite"):
        machine.drill_twice("restore-clear-sqlite")
    else:
        machine.drill_twice("restore-clear-postgresql")


def test_a_restore_that_is_begun_again_keeps_the_damaged_database_and_the_keys(machine: Machine) -> None:
    machine.drill("backup")
    machine.drill_twice("rotate-add")
    machine.drill_twice("rotate-use")
    machine.type(f"rm /root/agent-console-settings-* -r\n{OLD_COPY}\nagent-console users invite --role viewer")
    machine.drill_twice("rotate-remove")
    machine.type("agent-console db backup")
    keys = (machine.root / "etc/agent-console/keys/encryption_keys").read_text()
    machine.type("agent-console users invite --role editor")
    damaged = find_damaged(machine)

    for _ in range(2):
        machine.drill("restore-settings")
        clear(machine)
        machine.drill("restore")

    again = machine.run(BLOCKS["restore"].text)
    assert "already has tables" in again.stderr
    assert (machine.root / "etc/agent-console/keys/encryption_keys").read_text() == keys
    assert len(find_damaged(machine) - damaged) == 4
    assert "viewer" in machine.type("agent-console users invitations")


def find_damaged(machine: Machine) -> set[str]:
    """The places to which databases were put out of the way."""
    if machine.database_url.startswith("sqlite"):
        return {file.name for file in (machine.root / machine.home).glob("damaged-*")}
    listed = machine.type(
        "runuser -u postgres -- psql -Atc \"SELECT datname FROM pg_database WHERE datname LIKE '%damaged%'\""
    )
    return set(listed.split())


def test_a_console_moves_to_another_host_with_its_tokens(build_machine: BuildMachine, start_demo: StartDemo) -> None:
    old, new = start_demo(build_machine("old")), build_machine("new")
    (new.root / "etc" / "agent-console" / "env").unlink()
    token = old.type("agent-console tokens create --name mover --scope read").strip()
    request = f"curl -sS --fail -H 'Authorization: Bearer {token}' http://127.0.0.1:8000/api/v1/agents?limit=100"
    agents = old.type(request)

    old.drill_twice("move-old")
    # The copy with scp. In the test, both hosts have one address and one file system.
    (old.root / "root" / "moving.tar.gz").rename(new.root / "root" / "moving.tar.gz")
    new.names.update(old.names)
    new.drill("move-new")
    assert new.type(request) == agents

    refused = new.run(BLOCKS["move-new"].text)
    assert "already has tables" in refused.stderr
    assert new.type(request) == agents
