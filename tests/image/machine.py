"""A new Debian with systemd and Python, which systemd-nspawn boots to type commands into it."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.image.container import run

PACKAGES = "ca-certificates,python3,systemd"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# The hierarchy of this machine may be an old one, which systemd of Debian 13 does not boot with.
BOOT = """\
umount --recursive /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
exec systemd-nspawn --quiet --directory "$1" --register=no --keep-unit --console=pipe --resolv-conf=copy-host \
    --bind-ro="$2:/certificates.crt" --boot systemd.unit=typed.service
"""
# The last command ends the machine. PIP_CERT: downloads may go through a proxy of the network.
UNIT = """\
[Unit]
After=basic.target
Wants=basic.target

[Service]
Type=oneshot
WorkingDirectory=/root
# Stricter than the usual one: what the document types must not depend on it.
UMask=0027
Environment=PIP_CERT=/certificates.crt DEBIAN_FRONTEND=noninteractive HOME=/root LANG=C.UTF-8
ExecStart=/bin/bash -e /typed.sh
StandardOutput=file:/typed.out
StandardError=file:/typed.out
TimeoutStartSec=900
ExecStopPost=/bin/sh -c 'echo $EXIT_STATUS > /typed.code'
ExecStopPost=/bin/systemctl poweroff --force
"""


@dataclass
class Machine:
    """A root file system that is thrown away."""

    root: Path

    def type_lines(self, lines: str) -> tuple[str, str]:
        """Boot, type lines as root into bash until one fails, and halt. Returns the exit code and what was printed."""
        (self.root / "typed.sh").write_text(lines)
        (self.root / "etc/systemd/system/typed.service").write_text(UNIT)
        boot = ["unshare", "--mount", "sh", "-e", "-c", BOOT, "sh", str(self.root), str(CERTIFICATES)]
        booted = subprocess.run(boot, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        code = self.root / "typed.code"
        assert code.exists(), booted.stdout + booted.stderr
        return code.read_text().strip(), (self.root / "typed.out").read_text()


def new_machine(folder: Path) -> Machine:
    """A Debian as it is after the installation of a server."""
    root = folder / "root"
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "info", "locale", "man")]
    run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", *excluded, "trixie", root)
    return Machine(root)


def put(machine: Machine, file: Path, folder: str = ".") -> None:
    """Copy a file into a folder in the home folder of root."""
    into = machine.root / "root" / folder
    into.mkdir(exist_ok=True)
    shutil.copy(file, into)
