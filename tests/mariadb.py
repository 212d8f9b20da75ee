"""Finds, starts and removes a real MariaDB server for the tests. The fixture `mariadb` is in `probes/conftest.py`."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pytest

from tests.authority import Authority, Issued
from tests.cli.conftest import free_port

NO_MARIADB = "No MariaDB: the probe of MySQL was NOT tried on a real server. Debian: apt-get install mariadb-server."
HOST = "localhost"
SMALL_AND_UNSAFE = (
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-buffer-pool-size=8M",
    "--innodb-log-file-size=4M",
    "--skip-name-resolve",
    "--log-warnings=0",
)
# Ends the server when pytest closes the pipe, which it does when it ends or is killed.
END_WITH_PYTEST = '"$@" <&- & cat; kill -9 $!; wait $!; rm -rf "$FOLDER"'


@dataclass(frozen=True)
class MariaDb:
    """A running server on a port of loopback, with TLS and a certificate of its own authority."""

    folder: Path
    port: int
    authority: Authority

    def execute(self, *statements: str) -> tuple[tuple[Any, ...], ...]:
        """Execute statements as the administrator, and return the rows of the last one."""
        socket = str(self.folder / "socket")
        connection = pymysql.connect(unix_socket=socket, user="root", autocommit=True, ssl_disabled=True)
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return tuple(cursor.fetchall())

    @contextmanager
    def certificate(self, issued: Issued) -> Iterator[None]:
        """Use this certificate during the block."""
        self._write(issued)
        self.execute("FLUSH SSL")
        try:
            yield
        finally:
            self._write(self.authority.issue(HOST))
            self.execute("FLUSH SSL")

    def _write(self, issued: Issued) -> None:
        (self.folder / "certificate.pem").write_text(issued.certificate)
        (self.folder / "key.pem").write_text(issued.key)

    def options(self) -> list[str]:
        """The command-line options of the server."""
        files = {"ssl-ca": "authority.pem", "ssl-cert": "certificate.pem", "ssl-key": "key.pem"}
        files |= {"datadir": "data", "socket": "socket", "pid-file": "pid"}
        options = [f"--{name}={self.folder / file}" for name, file in files.items()]
        return ["--no-defaults", *options, "--bind-address=127.0.0.1", f"--port={self.port}", *SMALL_AND_UNSAFE]

    def prepare(self) -> None:
        """Write the first certificate, and create the data folder."""
        (self.folder / "authority.pem").write_text(self.authority.certificate)
        self._write(self.authority.issue(HOST))
        login = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        command = [_program("mariadb-install-db"), "--no-defaults", f"--datadir={self.folder / 'data'}", *login]
        _run(self.folder, *command, *SMALL_AND_UNSAFE)


@contextmanager
def server() -> Iterator[MariaDb]:
    """Create and start a new server, and remove it at the end."""
    program = _program("mariadbd")
    new = MariaDb(Path(tempfile.mkdtemp(prefix="console-my-")), free_port(), Authority())
    new.prepare()
    process = subprocess.Popen(
        ["sh", "-c", END_WITH_PYTEST, "sh", program, *new.options()],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=new.folder,
        env={"PATH": os.environ["PATH"], "FOLDER": str(new.folder)},
        start_new_session=True,
        **_unprivileged_user(new.folder),
    )
    assert process.stdin is not None
    assert process.stderr is not None
    try:
        assert any("ready for connections" in line for line in process.stderr), "MariaDB did not start."
        yield new
    finally:
        process.stdin.close()
        process.wait()
        process.stderr.close()


def _program(name: str) -> str:
    # Skips the test if MariaDB is not installed; with REQUIRE_ALL=1 the test fails.
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin")
    if found is None and os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(NO_MARIADB)
    return found or pytest.skip(NO_MARIADB)


def _run(folder: Path, *command: str) -> None:
    quiet = subprocess.DEVNULL
    subprocess.run(command, check=True, stdout=quiet, stderr=quiet, cwd=folder, **_unprivileged_user(folder))


def _unprivileged_user(folder: Path) -> dict[str, int]:
    # MariaDB refuses to run as root.
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid}
