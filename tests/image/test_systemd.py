"""The units of `deploy/`, and the blocks of docs/install.md, typed into a new Debian that boots."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents_app.paths import ROOT
from tests.cli.conftest import free_port
from tests.documents import read_blocks
from tests.image.container import require
from tests.image.machine import Machine, new_machine, put
from tests.wheel import wheel

DEPLOY = ROOT / "deploy"
SERVICES = sorted(path.name for path in DEPLOY.glob("*.service"))
TIMERS = sorted(path.name for path in DEPLOY.glob("*.timer"))
COMMON = "# The same in all three services:\n"
# Of 10. Access to the network is what remains.
EXPOSURE_MAX = 2.0
BLOCKS = [
    block.text for block in read_blocks(ROOT / "docs" / "install.md") if "test_systemd" in block.options.get("by", "")
]
# What an operator sees, after the blocks of the document.
ANSWERS = "python3 -c \"import urllib.request as u; print(u.urlopen('http://ADDRESS/readyz').status)\""
READY = f"until {ANSWERS} 2>/dev/null; do sleep 0.1; done"
CHECKS = f"""\
echo '--- user'
stat --format %U /proc/$(systemctl show --property MainPID --value agent-console.service)
echo '--- timers'
systemctl list-timers --no-pager --no-legend 'agent-console-*'
install -d -o agent-console /var/lib/agent-console/backups
touch -d '40 days ago' /var/lib/agent-console/backups/old.db
systemctl start agent-console-purge.service agent-console-backup.service
echo '--- backups'
ls /var/lib/agent-console/backups
echo '--- killed'
before=$(systemctl show --property MainPID --value agent-console.service)
kill -KILL $before
until [ "$(systemctl show --property NRestarts --value agent-console.service)" = 1 ] && {ANSWERS} 2>/dev/null; do
    sleep 0.1
done
echo '--- stopped'
systemctl stop agent-console.service
systemctl show --property Result --property ExecMainStatus agent-console.service
echo '--- written'
find / -xdev -user agent-console -not -path '/var/lib/agent-console*' -not -path '/proc/*'
find /opt /etc/agent-console -newer /etc/agent-console/env
echo '--- refused'
echo LOG_LEVEL=loud >> /etc/agent-console/env
agent-console serve || echo "code $?"
"""
SECTIONS = re.compile(r"^--- (\w+)\n(.*?)(?=^--- \w+$|\Z)", re.MULTILINE | re.DOTALL)


def test_the_services_differ_only_in_what_they_run() -> None:
    common = {
        (DEPLOY / name).read_text().partition(COMMON)[2].partition("\n\n[Install]")[0].strip() for name in SERVICES
    }

    assert len(SERVICES) == 3
    assert len(common) == 1
    assert "ProtectSystem=strict" in common.pop()


def test_each_timer_starts_a_service() -> None:
    assert TIMERS
    assert {name.replace(".timer", ".service") for name in TIMERS} <= set(SERVICES)


@pytest.mark.long
def test_systemd_finds_nothing_wrong_in_the_units_and_little_exposed(tmp_path: Path) -> None:
    require("systemd-nspawn")
    for name in (*SERVICES, *TIMERS):
        text = (DEPLOY / name).read_text()
        (tmp_path / name).write_text(text.replace("/opt/agent-console/bin/agent-console", "/bin/true"))
    verify = ["systemd-analyze", "verify", *(str(tmp_path / name) for name in (*SERVICES, *TIMERS))]
    verified = subprocess.run(verify, check=False, capture_output=True, text=True)

    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    for name in SERVICES:
        limit = ["--offline=true", f"--threshold={EXPOSURE_MAX * 10:.0f}"]
        rated = subprocess.run(["systemd-analyze", "security", *limit, str(tmp_path / name)], check=False)
        assert rated.returncode == 0


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A new machine with the wheel in the home folder of root."""
    require("mmdebstrap", "systemd-nspawn")
    new = new_machine(tmp_path)
    put(new, wheel())
    yield new
    shutil.rmtree(new.root)


@pytest.mark.long
def test_what_the_document_says_makes_a_console_on_a_new_debian(machine: Machine) -> None:
    address = f"127.0.0.1:{free_port()}"
    # The network is that of this machine, where another console may be running.
    blocks = "\n".join([*BLOCKS[:-1], READY, *BLOCKS[-1:]]).replace("WORKERS=2\n", f"WORKERS=2\nBIND={address}\n")

    code, printed = machine.type_lines(f"{blocks}\n{CHECKS}".replace("ADDRESS", address))

    found = dict(SECTIONS.findall(printed))
    assert code == "0", printed
    assert ("Set-up code:" in printed, "Traceback" in printed) == (True, False), printed
    assert found["user"] == "agent-console\n"
    assert found["timers"].count("agent-console-") == 2 * len(TIMERS)
    assert re.fullmatch(r"console-\S+\n", found["backups"])
    assert found["killed"] == "200\n"
    assert found["stopped"].splitlines() == ["Result=success", "ExecMainStatus=0"]
    assert found["written"] == ""
    assert "LOG_LEVEL" in found["refused"].splitlines()[0]
    assert found["refused"].endswith("code 1\n")
