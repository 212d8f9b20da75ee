"""The image of `deploy/`: what is in it, and a console that runs in a container of it."""

import http.client
import os
import signal
import socket
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa

from agents_app import __version__
from tests.cli.conftest import free_port, wait_for
from tests.image.unpacked import Image
from tests.make import KEYS

pytestmark = pytest.mark.long

# Docker kills what does not end in this time.
STOP_S = 10
TOOLS = ("cc", "gcc", "g++", "make", "pip", "pip3", "apt-key", "curl", "wget", "git")
CACHES = ("root/.cache", "var/lib/apt/lists", "var/cache/apt/archives", "build", "tmp")


@dataclass
class Container:
    """A console in a container, with its keys in files."""

    image: Image
    data: Path
    keys: Path
    database_url: str = "sqlite:///console.db"
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.keys.mkdir(exist_ok=True)
        self.bind = f"127.0.0.1:{free_port()}"
        for name, text in {**KEYS, "DATABASE_URL": self.inside(self.database_url)}.items():
            (self.keys / name.lower()).write_text(f"{text}\n")

    @staticmethod
    def inside(url: str) -> str:
        """The URL of a database whose socket is in /run/postgresql."""
        found = sa.make_url(url)
        inside = found.set(query={"host": "/run/postgresql"}) if found.query else found
        return inside.render_as_string(hide_password=False)

    def command(self, *words: str, entry: bool = True) -> list[str]:
        """The command that runs it."""
        settings = {f"{path.name.upper()}_FILE": f"/run/secrets/{path.name}" for path in self.keys.iterdir()}
        settings |= {"BIND": self.bind, "PUBLIC_URL": f"http://{self.bind}", "WORKERS": "2", **self.settings}
        binds = {"/run/secrets": self.keys}
        if folder := sa.make_url(self.database_url).query.get("host"):
            # Debian's folder of sockets is open to every user, too.
            Path(str(folder)).chmod(0o755)
            binds["/run/postgresql"] = Path(str(folder))
        return self.image.command(self.data, settings, *words, binds=binds, entry=entry)

    def run(self, *words: str, entry: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a command in it to its end."""
        return subprocess.run(self.command(*words, entry=entry), check=False, capture_output=True, text=True)

    def status(self, path: str) -> int:
        """The status of the answer to a request, or 0 before it answers."""
        connection = http.client.HTTPConnection(self.bind)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def container(request: pytest.FixtureRequest, image: Image, data: Path, tmp_path: Path) -> Container:
    """A container with a database that has no tables yet."""
    if request.param == "sqlite":
        return Container(image, data, tmp_path / "keys")
    return Container(image, data, tmp_path / "keys", request.getfixturevalue("postgres_url"))


@pytest.fixture
def on_sqlite(image: Image, data: Path, tmp_path: Path) -> Container:
    """The same with an SQLite file in /data."""
    return Container(image, data, tmp_path / "keys")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"PUBLIC_URL": "", "BIND": "0.0.0.0:8000"}, "PUBLIC_URL"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL"),
        ({"SECRET_KEY_FILE": "/run/secrets/no_such_key"}, "SECRET_KEY_FILE"),
        ({}, "agent-console db deploy"),
    ],
    ids=["all addresses without PUBLIC_URL", "an invalid setting", "a key that is missing", "no tables"],
)
def test_a_start_that_is_refused_ends_with_one_sentence(
    settings: Mapping[str, str], said: str, on_sqlite: Container
) -> None:
    on_sqlite.settings |= settings

    done = on_sqlite.run()

    first, *details = done.stderr.splitlines()
    assert (done.returncode, said in first) == (1, True), done.stderr
    assert [line for line in details if not line.startswith("  ")] == []


def test_a_folder_of_data_that_belongs_to_another_user_is_refused_with_one_line(on_sqlite: Container) -> None:
    os.chown(on_sqlite.data, 0, 0)
    on_sqlite.data.chmod(0o755)

    done = on_sqlite.run("db", "deploy")

    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert list(on_sqlite.data.iterdir()) == []


def test_nothing_in_the_image_builds_downloads_or_becomes_root(image: Image) -> None:
    folders = [image.root / path for path in ("usr/bin", "usr/sbin", "usr/local/bin", "opt/agent-console/bin")]
    caches = [image.root / path for path in CACHES]
    files = [path for path in image.root.rglob("*") if path.is_file() and not path.is_symlink()]

    assert [tool for tool in TOOLS for folder in folders if (folder / tool).exists()] == []
    kept = [path for cache in caches if cache.exists() for path in cache.rglob("*") if path.is_file()]
    assert [path for path in kept if path.stat().st_size] == []
    assert [path for path in files if path.stat().st_mode & (stat.S_ISUID | stat.S_ISGID)] == []
    assert [path for path in image.root.rglob("pip") if path.is_dir()] == []


def test_the_image_says_what_it_is_and_has_every_module_compiled(image: Image) -> None:
    modules = list((image.root / "opt/agent-console/lib").rglob("*.py"))

    assert image.config["Labels"]["org.opencontainers.image.version"] == __version__
    assert modules
    # Otherwise each start would compile it again, because nothing can be written.
    assert [path for path in modules if not list(path.parent.glob(f"__pycache__/{path.stem}.*.pyc"))] == []


def test_a_console_runs_as_another_user_with_a_read_only_root_and_ends_at_sigterm(container: Container) -> None:
    deployed = container.run("db", "deploy")
    assert deployed.returncode == 0, deployed.stderr
    with subprocess.Popen(container.command(), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            wait_for(lambda: process.poll() is not None or container.status("/readyz") == 200)
            health = container.run(*container.image.config["Healthcheck"]["Test"][1:], entry=False)
            tried = container.run("doctor")
            page = container.status("/setup")
            host, _, port = container.bind.partition(":")
            # A browser that keeps its connection does not delay the end.
            with socket.create_connection((host, int(port))):
                console = child_of(process.pid)
                user = Path(f"/proc/{console}/status").read_text()
                os.kill(console, signal.SIGTERM)
                code = process.wait(STOP_S)
        finally:
            process.kill()
        output = process.stdout.read() + process.stderr.read()

    assert (health.returncode, page, code) == (0, 200, 0), output
    assert tried.returncode == 0, tried.stdout
    assert "Uid:\t10001\t10001\t10001\t10001" in user
    assert "CapEff:\t0000000000000000" in user
    assert "Set-up code:" in output
    assert "Traceback" not in output


def child_of(pid: int) -> int:
    """The process that bubblewrap started, which is number 1 of its container."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def test_a_backup_is_made_and_checked_in_a_container(container: Container) -> None:
    assert container.run("db", "deploy").returncode == 0

    done = container.run("db", "backup")

    assert done.returncode == 0, done.stderr
    assert [path.stat().st_mode & 0o077 for path in (container.data / "backups").iterdir()] == [0]


def test_the_health_check_fails_where_no_console_listens(on_sqlite: Container) -> None:
    check = on_sqlite.image.config["Healthcheck"]["Test"][1:]

    assert on_sqlite.run(*check, entry=False).returncode != 0
