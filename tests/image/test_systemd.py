"""The units of `deploy/`, and the blocks of docs/install.md, typed into a new Debian that boots."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents_app import __version__
from agents_app.paths import ROOT
from tests.cli.conftest import free_port
from tests.documents import read_blocks
from tests.drills.machine import BLOCKS as DRILLS
from tests.image.container import require
from tests.image.machine import Machine, new_machine, put
from tests.project import copy_project
from tests.wheel import SOURCES, build, wheel

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
echo '--- files'
cd
agent-console doctor --bundle || true
agent-console db backup /root/saved.db || true
agent-console db restore /root/saved.db || true
journalctl -u agent-console -o cat | agent-console doctor --bundle /var/lib/agent-console/bundle.zip --log -
echo '--- others'
useradd alice
runuser -u alice -- agent-console agents list || echo "code $?"
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
"""
REFUSED = """\
echo '--- refused'
echo LOG_LEVEL=loud >> /etc/agent-console/env
agent-console serve || echo "code $?"
"""
NEXT_RELEASE = "0.3.0"
UPGRADE = f"""\
echo '--- installed'
systemctl start agent-console.service
{READY}
cd
cp next/*.whl .
{BLOCKS[0]}
echo '--- before'
readlink /opt/agent-console
echo '--- deployed'
rm /etc/systemd/system/agent-console-purge.timer
{DRILLS["upgrade-deploy"].text}
{DRILLS["upgrade-units"].text}
{DRILLS["upgrade-switch"].text}
echo '--- after'
ls /etc/systemd/system/agent-console-purge.timer
tr '\\0' ' ' < /proc/$(systemctl show --property MainPID --value agent-console.service)/cmdline
echo
"""
REFUSED_FILE = "This command runs as the user agent-console, who can write to /var/lib/agent-console."
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


def next_wheel(folder: Path) -> Path:
    """The wheel of a release after this one, as the example of docs/operations.md names it."""
    project = copy_project(folder / "project", SOURCES)
    version = project / "agents_app" / "__init__.py"
    version.write_text(version.read_text().replace(f'"{__version__}"', f'"{NEXT_RELEASE}"'))
    return build(project, "wheel", folder)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A new machine with the wheel in the home folder of root."""
    require("mmdebstrap", "systemd-nspawn")
    new = new_machine(tmp_path)
    put(new, wheel())
    put(new, next_wheel(tmp_path), "next")
    yield new
    shutil.rmtree(new.root)


@pytest.mark.long
def test_what_the_document_says_makes_a_console_on_a_new_debian(machine: Machine) -> None:
    address = f"127.0.0.1:{free_port()}"
    # The network is that of this machine, where another console may be running.
    blocks = "\n".join([*BLOCKS[:-1], READY, *BLOCKS[-1:]]).replace("WORKERS=2\n", f"WORKERS=2\nBIND={address}\n")
    lines = f"{blocks}\n{CHECKS}\n{UPGRADE}\n{REFUSED}".replace("ADDRESS", address)

    code, printed = machine.type_lines(lines.replace("127.0.0.1:8000", address))

    found = dict(SECTIONS.findall(printed))
    assert code == "0", printed
    assert ("Set-up code:" in printed, "Traceback" in printed) == (True, False), printed
    assert found["user"] == "agent-console\n"
    assert found["timers"].count("agent-console-") == 2 * len(TIMERS)
    assert re.fullmatch(r"console-\S+\n", found["backups"])
    assert found["files"].count(REFUSED_FILE) == 3
    assert "Wrote /var/lib/agent-console/bundle.zip." in found["files"]
    assert found["others"] == (
        "Type this command as root: the user alice cannot read /etc/agent-console/env.\ncode 77\n"
    )
    assert found["killed"] == "200\n"
    assert found["stopped"].splitlines() == ["Result=success", "ExecMainStatus=0"]
    assert found["written"] == ""
    assert found["before"] == f"agent-console-{__version__}\n"
    assert found["after"].startswith("/etc/systemd/system/agent-console-purge.timer\n")
    assert f"/opt/agent-console-{NEXT_RELEASE}/bin/" in found["after"]
    assert "LOG_LEVEL" in found["refused"].splitlines()[0]
    assert found["refused"].endswith("code 1\n")
