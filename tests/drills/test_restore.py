"""Back up, lose everything, restore; and move to another host."""

import pytest

from tests.drills.conftest import BuildMachine, Prepare
from tests.drills.machine import BLOCKS, Machine

pytestmark = pytest.mark.long
AGENTS = "agent-console agents list --json"
# A copy of an earlier year, with a key of that time.
OLD_COPY = """mkdir -p /root/agent-console-settings-20200101_000000_000/keys
echo k0: > /root/agent-console-settings-20200101_000000_000/keys/encryption_keys"""


def test_a_backup_and_its_keys_bring_back_what_was_lost_and_it_can_be_begun_again(machine: Machine) -> None:
    machine.drill("look")
    agents = machine.type(AGENTS)
    machine.drill_twice("backup")
    machine.type(f"{OLD_COPY}\nagent-console users invite --role viewer\nrm -r /etc/agent-console/*")

    restore(machine)
    # The second time no key is gone, and one is newer than its copy.
    peppers = machine.root / "etc/agent-console/keys/token_peppers"
    newer = f"p9:Hs5er5Ty7ui9Op1as2Df4gh6Jk8lZx0cVb3nN8qWe2E=,{peppers.read_text()}"
    peppers.write_text(newer)
    restore(machine)
    machine.drill("restore-after")

    assert "already has tables" in machine.run(BLOCKS["restore"].text).stderr
    assert peppers.read_text() == newer
    assert len(find_damaged(machine)) == 2
    assert machine.type(AGENTS) == agents
    assert "viewer" not in machine.type("agent-console users invitations")


def restore(machine: Machine) -> None:
    """Restore, from the beginning."""
    machine.drill("restore-settings")
    if machine.database_url.startswith("sqlite"):
        machine.drill("restore-clear-sqlite")
    else:
        machine.drill("restore-clear-postgresql")
    machine.drill("restore")


def find_damaged(machine: Machine) -> set[str]:
    """The places to which databases were put out of the way."""
    if machine.database_url.startswith("sqlite"):
        return {file.name for file in (machine.root / machine.home).glob("damaged-*")}
    listed = machine.type(
        "runuser -u postgres -- psql -Atc \"SELECT datname FROM pg_database WHERE datname LIKE '%damaged%'\""
    )
    return set(listed.split())


def test_a_console_moves_to_another_host_with_its_tokens(build_machine: BuildMachine, start_demo: Prepare) -> None:
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
