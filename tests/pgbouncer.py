"""Finds, starts and removes a real PgBouncer in front of the tests' PostgreSQL server."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa

from tests.postgres import OWNER

PORT = 6432
START_TIMEOUT_S = 10
NO_PGBOUNCER = "No PgBouncer: the console was NOT tested behind a pooler. Debian: apt-get install pgbouncer."


@dataclass
class Pooler:
    """A PgBouncer on a socket in its own folder, which a test may stop, start and pause."""

    folder: Path
    user: str
    port: int = PORT
    process: Any = field(default=None)

    def url(self, url: str) -> str:
        """The URL of the same database through this pooler."""
        direct = sa.make_url(url)
        pooled = direct.set(host=None, port=self.port).update_query_dict({"host": str(self.folder)})
        return pooled.render_as_string(hide_password=False)

    def start(self) -> None:
        """Start PgBouncer, and wait until it accepts connections."""
        self.process = subprocess.Popen(
            [program(), "-q", str(self.folder / "pgbouncer.ini")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            **_unprivileged(self.folder),
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, "PgBouncer does not answer."

    def stop(self) -> None:
        """Stop PgBouncer immediately, with all connections."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def admin(self, command: str) -> list[dict[str, Any]]:
        """Run a command of the admin console, such as `PAUSE`, and return its rows."""
        connection = psycopg2.connect(host=str(self.folder), port=self.port, user=self.user, dbname="pgbouncer")
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(command)
                names = [column.name for column in cursor.description or ()]
                return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()] if names else []
        finally:
            connection.close()

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(self.folder / f".s.PGSQL.{self.port}")) == 0


def program() -> str:
    """Return PgBouncer's path. Skips the test if it is not installed; with REQUIRE_ALL=1 the test fails."""
    path = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin")
    if path:
        return path
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(NO_PGBOUNCER)
    pytest.skip(NO_PGBOUNCER)


@contextmanager
def pooler(server_url: str, mode: str, **settings: str) -> Iterator[Pooler]:
    """Start a pooler in this mode for all databases of a server. Settings have their defaults unless given."""
    server = sa.make_url(server_url)
    new_pooler = Pooler(_new_folder(), server.username or OWNER, int(settings.get("listen_port", PORT)))
    (new_pooler.folder / "userlist.txt").write_text(f'"{new_pooler.user}" "{server.password or ""}"\n')
    with running(new_pooler, _configuration(new_pooler, server, {"pool_mode": mode, **settings})):
        yield new_pooler


@contextmanager
def pooler_with_configuration(ini: Callable[[Path], str], users: str) -> Iterator[Pooler]:
    """Start a pooler with a complete configuration. `ini` gets the folder that contains `userlist.txt`."""
    new_pooler = Pooler(_new_folder(), OWNER)
    (new_pooler.folder / "userlist.txt").write_text(users)
    with running(new_pooler, ini(new_pooler.folder)):
        yield new_pooler


@contextmanager
def running(new_pooler: Pooler, ini: str) -> Iterator[None]:
    """Run a pooler during the block, and remove its folder at the end."""
    program()
    (new_pooler.folder / "pgbouncer.ini").write_text(ini)
    new_pooler.start()
    try:
        yield
    finally:
        new_pooler.stop()
        shutil.rmtree(new_pooler.folder)


def _new_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="console-pgb-"))


def _configuration(new_pooler: Pooler, server: sa.URL, settings: dict[str, str]) -> str:
    host, port = server.query.get("host", server.host), server.port or 5432
    values = {
        "unix_socket_dir": str(new_pooler.folder),
        "listen_port": str(PORT),
        "auth_type": "trust",
        "auth_file": str(new_pooler.folder / "userlist.txt"),
        "admin_users": new_pooler.user,
        "logfile": str(new_pooler.folder / "log"),
        **settings,
    }
    lines = [f"{name} = {value}" for name, value in values.items()]
    return "\n".join(["[databases]", f"* = host={host} port={port}", "[pgbouncer]", *lines]) + "\n"


def _unprivileged(folder: Path) -> dict[str, int]:
    # PgBouncer refuses to run as root.
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    for path in (folder, *folder.iterdir()):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid}
