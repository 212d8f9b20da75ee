"""The section "An image" of docs/operations.md, typed by an operator who has only `compose.yaml` and the image."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from agents_app.paths import ROOT
from tests import postgres
from tests.cli.conftest import free_port
from tests.documents import read_blocks
from tests.drills.machine import READY, Terminal
from tests.image.unpacked import Image

pytestmark = pytest.mark.long

(INSTALL,) = (block for block in read_blocks(ROOT / "docs" / "install.md") if "docker compose up" in block.text)
DOCKER = f"""#!/bin/sh
PYTHONPATH={ROOT} exec {sys.executable} -m tests.image.engine ENGINE "$@"
"""
SQL = "docker compose exec -T postgres psql --username console --dbname console --no-align --tuples-only --command"
AGENTS = f"{SQL} 'SELECT id, name, status FROM agents ORDER BY id'"
DAY_S = 86_400


class Host(Terminal):
    """A server with an engine: a folder with `compose.yaml`, and one for what the engine keeps."""

    def __init__(self, root: Path, image: Image, cluster: postgres.Cluster) -> None:
        self.root, self.folder, self.engine = root, root / "srv", root / "engine"
        for folder in (self.folder, self.engine, root / "root", root / "bin"):
            folder.mkdir(parents=True)
        (root / "bin" / "docker").write_text(DOCKER.replace("ENGINE", str(self.engine)))
        (root / "bin" / "docker").chmod(0o755)
        # Debian's folder of sockets is open to every user, too.
        cluster.folder.chmod(0o755)
        self.address = f"127.0.0.1:{free_port()}"
        host = {"image": image.folder, "sockets": cluster.folder, "address": self.address}
        host |= {"programs": postgres.pg_ctl().parent}
        (self.engine / "host.json").write_text(json.dumps(host, default=str))

    def backups(self) -> list[str]:
        """The names of the backups."""
        return sorted(path.name for path in (self.folder / "backups").iterdir())

    def run(self, lines: str) -> "subprocess.CompletedProcess[str]":
        """Type lines into bash as the page has them."""
        lines = lines.replace("127.0.0.1:8000", self.address).replace("/root/", f"{self.root}/root/")
        environment = {"PATH": f"{self.root / 'bin'}:{os.environ['PATH']}"}
        words = ["bash", "-c", f"set -eo pipefail\n{lines.strip()}"]
        return subprocess.run(words, check=False, cwd=self.folder, env=environment, capture_output=True, text=True)


@pytest.fixture
def new_host(tmp_path: Path, image: Image) -> Iterator[Callable[[str], Host]]:
    """Makes servers. Their consoles and databases end with the test."""
    with ExitStack() as stack:

        def make(name: str) -> Host:
            cluster = stack.enter_context(postgres.cluster())
            cluster.execute_as_superuser(f"CREATE DATABASE console OWNER {postgres.OWNER}")
            host = Host(tmp_path / name, image, cluster)
            stack.callback(host.type, "docker compose stop console")
            return host

        yield make


def test_an_operator_with_compose_changes_keys_restores_moves_and_upgrades_and_loses_no_agent(
    new_host: Callable[[str], Host],
) -> None:
    # One host for all of it, because each start of a console takes seconds.
    host = _installed(new_host("host"))
    agents = host.type(AGENTS)
    _change_keys(host)
    _look_and_back_up(host)
    _restore(host)
    assert host.type(AGENTS) == agents
    moved = _move(host, new_host("new"))
    _upgrade_and_roll_back(moved)
    assert moved.type(AGENTS) == agents


def _installed(host: Host) -> Host:
    """A server that runs 0.2.0 with the agents of `demo`. 0.3.0 is the same image with another name."""
    shutil.copy(ROOT / "deploy" / "compose.yaml", host.folder)
    host.type("docker load --input agent-console-0.2.0.image.tar")
    host.type(f"{INSTALL.text}\ndocker compose run --rm --no-deps -T console demo\n{READY}")
    return host


def _change_keys(host: Host) -> None:
    host.drill("image-rotate-add")
    host.drill("image-rotate-use")
    host.drill("image-rotate-remove")
    host.drill("image-rotate-others")

    assert (host.folder / "secrets" / "encryption_keys").read_text().startswith("k2:")


def _look_and_back_up(host: Host) -> None:
    folder = host.folder / "backups"
    for name, days in (("old", 40), ("newer", 20)):
        (folder / name).touch(0o600)
        os.utime(folder / name, (time.time() - days * DAY_S,) * 2)
    (folder / "rows-of-a-step").mkdir()
    os.utime(folder / "rows-of-a-step", (time.time() - 40 * DAY_S,) * 2)

    host.drill("image-look")
    host.drill("image-backup")

    (backup,) = (folder / name for name in host.backups() if name.startswith("console-"))
    assert backup.stat().st_mode & 0o077 == 0
    assert set(host.backups()) == {backup.name, "newer", "report.zip", "rows-of-a-step"}
    assert "secrets/secret_key" in host.type("tar -tzf /root/agent-console-settings.tar.gz")


def _restore(host: Host) -> None:
    host.type(f"{SQL} \"UPDATE agents SET name = name || ' damaged'\"")
    host.type("rm -r secrets .env compose.yaml")

    host.type("tar -xzf /root/agent-console-settings.tar.gz")
    host.drill("image-restore-clear")
    host.drill("image-restore")


def _move(old: Host, new: Host) -> Host:
    old.drill("image-move-old")
    # The copy with scp. The console has another port there, because both hosts have one address.
    shutil.move(old.root / "root" / "moving.tar.gz", new.root / "root")
    new.drill("image-move-new")
    assert new.type("stat --format %u backups") == old.type("stat --format %u backups")
    return new


def _upgrade_and_roll_back(host: Host) -> None:
    before = (host.engine / "pid").read_text()
    host.drill("image-upgrade-deploy")
    assert (host.engine / "pid").read_text() == before
    host.drill("image-upgrade-switch")
    assert (host.engine / "pid").read_text() != before
    # Its release has no steps, so that the way back is open after it as well.
    host.drill("image-upgrade-finish")
    host.drill("image-roll-back")
