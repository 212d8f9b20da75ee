"""A program in place of `docker`. It reads `compose.yaml` in the current folder, and bubblewrap runs its containers.

It knows the commands and options of docs/operations.md and docs/install.md and no others. What it keeps, such as
volumes, is in the folder that its first argument names. The server of the service `postgres` is one of the tests. Each
command starts it again, so it imports little.
"""

import argparse
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.image.unpacked import Image

SOCKETS = "/run/postgresql"
# The second command keeps the shell, because a container ends with the process that started it.
KEEPER = ("sh", "-c", '"$@"; true', "sh")


@dataclass
class Engine:
    """What `docker` is on one host. Its folder has `host.json`: where the image, the database and the port are."""

    folder: Path

    def __post_init__(self) -> None:
        self.host: dict[str, str] = json.loads((self.folder / "host.json").read_text())
        self.image = Image(Path(self.host["image"]))
        self.user = int(self.image.config["User"].split(":")[0])

    def load(self, archive: Path) -> None:
        """Know the image of an archive by its name."""
        name, _, version = archive.name.removesuffix(".image.tar").rpartition("-")
        (self.folder / f"{name}:{version}").touch()

    def service(self, name: str) -> dict[str, Any]:
        """A service, with the variables of the environment and of `.env`. It needs an image that was loaded."""
        given = dict(line.split("=", 1) for line in Path(".env").read_text().splitlines())
        given |= {name: value for name, value in os.environ.items() if name == "VERSION"}
        text = re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: given[found[1]], Path("compose.yaml").read_text())
        service: dict[str, Any] = yaml.safe_load(text)["services"][name]
        if name != "postgres" and not (self.folder / service["image"]).exists():
            sys.exit(f"No such image: {service['image']}")
        return service

    def container(self, name: str, words: list[str]) -> list[str]:
        """The command that runs a container of a service, with `words` instead of its own command."""
        service = self.service(name)
        words = [*service.get("entrypoint", []), *(words or service.get("command", []))]
        binds = {f"/run/secrets/{secret}": Path("secrets", secret).resolve() for secret in service["secrets"]}
        binds |= {"/run/secrets/database_url": self._database_url(), SOCKETS: Path(self.host["sockets"])}
        backups = Path("backups")
        assert backups.stat().st_uid == self.user
        return self.image.command(
            self._volume(),
            service["environment"] | {"BIND": self.host["address"]},
            *words,
            binds=binds,
            folders={"/data/backups": backups.resolve()},
            entry="entrypoint" not in service,
        )

    def execute(self, name: str, words: list[str]) -> int:
        """Run a program in the container of the database."""
        assert name == "postgres"
        program = Path(self.host["programs"], words[0])
        return subprocess.run([program, *words[1:]], check=False, env={"PGHOST": self.host["sockets"]}).returncode

    def up(self, names: list[str], *, with_needed: bool) -> int:
        """Start the console, if it is not running as it should, and with what it needs if `with_needed`."""
        if names == ["postgres"]:
            return 0
        if with_needed and (code := subprocess.run(self.container("deploy", []), check=False).returncode):
            return code
        command, kept = self.container("console", []), self.folder / "console.json"
        # An image with another name is another container.
        image = self.folder / "image"
        is_same = self._runs() and image.read_text() == self.service("console")["image"]
        if not (is_same and json.loads(kept.read_text()) == command):
            self.stop()
            kept.write_text(json.dumps(command))
            image.write_text(self.service("console")["image"])
            self.start()
        return 0

    def start(self) -> None:
        """Start the container of the console as it was made. The lock is held until all of its processes have ended."""
        command = json.loads((self.folder / "console.json").read_text())
        with (self.folder / "lock").open("w") as lock, (self.folder / "log").open("a") as log:
            fcntl.flock(lock, fcntl.LOCK_EX)
            process = subprocess.Popen(
                [*KEEPER, *command], stdout=log, stderr=log, start_new_session=True, pass_fds=[lock.fileno()]
            )
        (self.folder / "pid").write_text(str(process.pid))

    def stop(self) -> None:
        """Stop the container of the console, if it runs, and wait for its end."""
        if self._runs():
            keeper = int((self.folder / "pid").read_text())
            os.kill(_child(_child(keeper)), signal.SIGTERM)
            with (self.folder / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)

    def _runs(self) -> bool:
        pid = self.folder / "pid"
        return pid.exists() and Path("/proc", pid.read_text()).exists()

    def _volume(self) -> Path:
        # A new volume belongs to the user of the image, and has the place of the folder in it.
        volume = self.folder / "volume"
        if not volume.exists():
            (volume / "backups").mkdir(parents=True)
            volume.chmod(0o700)
            shutil.chown(volume, self.user, self.user)
        return volume

    def _database_url(self) -> Path:
        # There is no network with a host `postgres`.
        file = self.folder / "database_url"
        url = Path("secrets/database_url").read_text().strip()
        file.write_text(f"{re.sub('@postgres/', '@/', url)}?host={SOCKETS}\n")
        file.chmod(0o444)
        return file


def _child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def parser() -> argparse.ArgumentParser:
    """The commands and options that the documents use."""
    docker = argparse.ArgumentParser("docker", allow_abbrev=False)
    commands = docker.add_subparsers(dest="command", required=True)
    commands.add_parser("load").add_argument("--input", type=Path, required=True)
    verbs = commands.add_parser("compose").add_subparsers(dest="command", required=True)
    options = {
        "up": ["--detach", "--no-deps", "--wait"],
        "stop": [],
        "restart": [],
        "ps": ["--all"],
        "logs": ["--no-log-prefix"],
        "run": ["--rm", "--no-deps", "-T"],
        "exec": ["-T"],
    }
    for name, flags in options.items():
        verb = verbs.add_parser(name, allow_abbrev=False)
        for flag in flags:
            verb.add_argument(flag, action="store_true")
        if name in {"run", "exec"}:
            verb.add_argument("service")
            verb.add_argument("words", nargs=argparse.REMAINDER)
        else:
            verb.add_argument("services", nargs="*")
    return docker


def main() -> int:
    """Do one command, and return its exit code."""
    folder, *words = sys.argv[1:]
    given = parser().parse_args(words)
    engine = Engine(Path(folder))
    match given.command:
        case "load":
            engine.load(given.input)
        case "up":
            return engine.up(given.services, with_needed=not given.no_deps)
        case "stop":
            engine.stop()
        case "restart":
            engine.stop()
            engine.start()
        case "logs":
            sys.stdout.write((engine.folder / "log").read_text())
        case "run":
            return subprocess.run(engine.container(given.service, given.words), check=False).returncode
        case "exec":
            return engine.execute(given.service, given.words)
    return 0


if __name__ == "__main__":
    sys.exit(main())
