"""Back up, lose everything, restore; and move to another host."""

import pytest

from tests.drills.conftest import BuildMachine, start_demo
from tests.drills.machine import Machine

pytestmark = pytest.mark.long


def test_a_backup_and_its_keys_bring_back_what_was_lost(machine: Machine) -> None:
    kind = machine.database_url.partition(":")[0]
    agents = machine.type("agent-console agents list --json")
    machine.drill("look")
    machine.drill("backup")
    machine.type("agent-console agents bulk disable --all --reason Lost --yes || true; rm -r /etc/agent-console/*")

    machine.drill("restore-settings")
    machine.drill(f"restore-clear-{kind}")
    machine.drill("restore")
    machine.drill("restore-after")

    assert machine.type("agent-console agents list --json") == agents
