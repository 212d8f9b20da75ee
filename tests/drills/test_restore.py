"""Back up, lose everything, restore; and move to another host."""

import pytest

from tests.drills.conftest import BuildMachine, StartDemo
from tests.drills.machine import Machine

pytestmark = pytest.mark.long
AGENTS = "agent-console agents list --json"


def test_a_backup_and_its_keys_bring_back_what_was_lost(machine: Machine) -> None:
    machine.drill("look")
    agents = machine.type(AGENTS)
    machine.drill("backup")
    machine.type("agent-console users invite --role viewer\nrm -r /etc/agent-console/*")

    machine.drill("restore-settings")
    if machine.database_url.startswith("sqlite"):
        machine.drill("restore-clear-sqlite")
    else:
        machine.drill("restore-clear-postgresql")
    machine.drill("restore")
    machine.drill("restore-after")

    assert machine.type(AGENTS) == agents
    assert "viewer" not in machine.type("agent-console users invitations")


def test_a_console_moves_to_another_host_with_its_tokens(build_machine: BuildMachine, start_demo: StartDemo) -> None:
    old, new = start_demo(build_machine("old")), build_machine("new")
    (new.root / "etc" / "agent-console" / "env").unlink()
    token = old.type("agent-console tokens create --name mover --scope read").strip()
    request = f"curl -sS --fail -H 'Authorization: Bearer {token}' http://127.0.0.1:8000/api/v1/agents?limit=100"
    agents = old.type(request)

    old.drill("move-old")
    # The copy with scp. In the test, both hosts have one address and one file system.
    (old.root / "root" / "moving.tar.gz").rename(new.root / "root" / "moving.tar.gz")
    new.names.update(old.names)
    new.drill("move-new")
    assert new.type(request) == agents
