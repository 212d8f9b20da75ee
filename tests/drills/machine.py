"""A server of an operator in a folder: the console installed from the wheel, and the commands of a page typed there.

Everything that `docs/operations.md` names below `/` is below the folder. Three programs are not the real ones, because
a test cannot have them: `systemctl` starts and stops `agent-console serve`; `runuser` and `setpriv` stay the same
user.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agents_app.paths import ROOT
from tests import postgres
from tests.cli.conftest import free_port
from tests.documents import Block, missing_lines, read_blocks
from tests.make import KEYS

PATIENCE_S = 180
READY = "curl -s --fail-with-body --retry 30 --retry-all-errors --retry-delay 1 http://127.0.0.1:8000/readyz"
PAGES = ("operations.md", "upgrading.md")
BLOCKS = {
    block.options["drill"]: block
    for page in PAGES
    for block in read_blocks(ROOT / "docs" / page)
    if "drill" in block.options
}
# A path from the root of the file system, and the root itself.
ABSOLUTE = re.compile(r"(?<![\w./}])/(?=(?:etc|opt|root|usr|var)/)|(?<=-C )/(?= )")
# The lock is held by all processes of the console, so that it is free when the last of them has ended.
SYSTEMCTL = """#!/bin/bash
set -e
[ "$1" != daemon-reload ] || exit 0
file={root}/serve.pid
if [ "$1" != start ] && [ -f "$file" ]; then
    kill "$(cat "$file")" || true
    flock {root}/serve.lock rm "$file"
fi
if [ "$1" != stop ]; then
    exec 9> {root}/serve.lock
    flock 9
    setsid agent-console serve >> {root}/serve.log 2>&1 < /dev/null &
    echo $! > "$file"
fi
"""
RUNUSER = """#!/bin/sh
export PGUSER="$2"
shift 3
exec "$@"
"""
SETPRIV = """#!/bin/sh
while [ "$1" != --init-groups ]; do shift; done
shift
exec "$@"
"""


class Terminal:
    """Types lines, and blocks of the pages, where `run` types them."""

    def run(self, lines: str) -> "subprocess.CompletedProcess[str]":
        """Type lines into bash as the page has them."""
        raise NotImplementedError

    def drill_twice(self, name: str) -> str:
        """Type the block with this name, and again, as after an interruption. Returns what the first time printed."""
        printed = self.drill(name)
        self.drill(name)
        return printed

    def drill(self, name: str) -> str:
        """Type the block with this name. Returns what it printed, which must have every line that the page shows."""
        block: Block = BLOCKS[name]
        run = self.run(block.text)
        printed = run.stdout + run.stderr
        assert (run.returncode != 0) == ("fails" in block.options), f"{block.place}: {printed}"
        assert missing_lines(block, run) == [], f"{block.place}: {printed}"
        return printed

    def type(self, lines: str) -> str:
        """Type lines, which must succeed. Returns standard output."""
        run = self.run(lines)
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout


@dataclass
class Machine(Terminal):
    """A server. `names` are words of the page, such as names of hosts, and what they are in the test."""

    root: Path
    program: Path
    database_url: str
    names: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    # Words before each command, such as those that enter a namespace.
    within: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Install the console, and write settings and keys."""
        self.address = self.names.setdefault("127.0.0.1:8000", f"127.0.0.1:{free_port()}")
        folders = ("etc/agent-console/keys", "etc/systemd/system", "opt", "root", "replacements", "usr/local/bin")
        for folder in (*folders, self.home):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        (self.root / "opt" / "agent-console").symlink_to(self.program)
        self.install_command()
        self.write("replacements/systemctl", SYSTEMCTL.format(root=self.root), 0o755)
        self.write("replacements/runuser", RUNUSER, 0o755)
        self.write("replacements/setpriv", SETPRIV, 0o755)
        # Relative to the home, so that the same file is right on another host, as with the paths of the page.
        keys = {f"{name}_FILE": f"../../../etc/agent-console/keys/{name.lower()}" for name in KEYS}
        settings = {"DATABASE_URL": self.database_url, "BIND": self.address, "PUBLIC_URL": f"http://{self.address}"}
        self.write("etc/agent-console/env", "".join(f"{name}={value}\n" for name, value in (settings | keys).items()))
        for name, value in KEYS.items():
            self.write(f"etc/agent-console/keys/{name.lower()}", f"{value}\n")

    @property
    def home(self) -> str:
        """The folder of the data, below the root."""
        return "var/lib/agent-console"

    def install_command(self) -> None:
        """Install the file of `deploy/`, with its paths below the root."""
        text = self.translate((ROOT / "deploy" / "agent-console").read_text())
        self.write("usr/local/bin/agent-console", text, 0o755)

    def write(self, path: str, text: str, mode: int = 0o600) -> None:
        """Write a file below the root."""
        file = self.root / path
        file.write_text(text)
        file.chmod(mode)

    def translate(self, text: str) -> str:
        """What a person types here in place of a line of the page."""
        text = ABSOLUTE.sub(f"{self.root}/", text)
        for word, meaning in self.names.items():
            text = re.sub(rf"(?<![\w.]){re.escape(word)}(?![\w.])", lambda _match, new=meaning: new, text)
        return text

    def run(self, lines: str) -> "subprocess.CompletedProcess[str]":
        """Type lines into bash as the page has them; all but the last one must succeed."""
        words = [*self.within, "bash", "-c", f"set -e\n{self.translate(lines).strip()}"]
        return subprocess.run(
            words,
            check=False,
            cwd=self.root,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )

    def shut_down(self) -> None:
        """End the console, if it runs."""
        self.run("systemctl stop agent-console")

    def _environment(self) -> Mapping[str, str]:
        programs = [self.root / "usr/local/bin", self.root / "replacements", postgres.pg_ctl().parent]
        return {
            "PATH": ":".join([*map(str, programs), os.environ["PATH"]]),
            "LANG": "C.UTF-8",
            "HOME": str(self.root / "root"),
            **self.environment,
        }
