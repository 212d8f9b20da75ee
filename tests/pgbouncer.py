"""A real PgBouncer for the tests, before the PostgreSQL of the tests: found, started and removed here."""

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
STARTS_WITHIN_S = 10
NO_PGBOUNCER = "No PgBouncer: the console was NOT tried behind a pooler. Debian: apt-get install pgbouncer."


@dataclass
class Pooler:
    """A PgBouncer on a socket in a folder of its own, which a test may stop, start and pause."""

    folder: Path
    user: str
    port: int = PORT
    process: Any = field(default=None)

    def url(self, url: str) -> str:
        """The same database through this pooler."""
        known = sa.make_url(url)
        through = known.set(host=None, port=self.port).update_query_dict({"host": str(self.folder)})
        return through.render_as_string(hide_password=False)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.process = subprocess.Popen(
            [program(), "-q", str(self.folder / "pgbouncer.ini")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            **_unprivileged(self.folder),
        )
        ends = time.monotonic() + STARTS_WITHIN_S
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < ends, "PgBouncer does not answer."

    def stop(self) -> None:
        """End it at once, with every connection."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def admin(self, command: str) -> list[dict[str, Any]]:
        """Give a command to its administration, such as `PAUSE`; answers the rows."""
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
    """PgBouncer's path. Skips the test where there is none, unless everything is required."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin")
    if found:
        return found
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(NO_PGBOUNCER)
    pytest.skip(NO_PGBOUNCER)


@contextmanager
def pooler(server_url: str, mode: str, **settings: str) -> Iterator[Pooler]:
    """A pooler in this mode before every database of a server; all else is as installed unless `settings` say."""
    server = sa.make_url(server_url)
    made = Pooler(_folder(), server.username or OWNER, int(settings.get("listen_port", PORT)))
    (made.folder / "userlist.txt").write_text(f'"{made.user}" "{server.password or ""}"\n')
    with running(made, _ini(made, server, {"pool_mode": mode, **settings})):
        yield made


@contextmanager
def pooler_of(ini: Callable[[Path], str], users: str) -> Iterator[Pooler]:
    """A pooler with a whole configuration, which is asked for with the folder that holds `userlist.txt`."""
    made = Pooler(_folder(), OWNER)
    (made.folder / "userlist.txt").write_text(users)
    with running(made, ini(made.folder)):
        yield made


@contextmanager
def running(made: Pooler, ini: str) -> Iterator[None]:
    """While the block runs the pooler does; its folder is removed at the end."""
    program()
    (made.folder / "pgbouncer.ini").write_text(ini)
    made.start()
    try:
        yield
    finally:
        made.stop()
        shutil.rmtree(made.folder)


def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="console-pgb-"))


def _ini(made: Pooler, server: sa.URL, settings: dict[str, str]) -> str:
    host, port = server.query.get("host", server.host), server.port or 5432
    given = {
        "unix_socket_dir": str(made.folder),
        "listen_port": str(PORT),
        "auth_type": "trust",
        "auth_file": str(made.folder / "userlist.txt"),
        "admin_users": made.user,
        "logfile": str(made.folder / "log"),
        **settings,
    }
    lines = [f"{name} = {value}" for name, value in given.items()]
    return "\n".join(["[databases]", f"* = host={host} port={port}", "[pgbouncer]", *lines]) + "\n"


def _unprivileged(folder: Path) -> dict[str, int]:
    # PgBouncer refuses to run as root.
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    for path in (folder, *folder.iterdir()):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid}
