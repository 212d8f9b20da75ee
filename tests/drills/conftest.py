"""Machines with an installed console, and the databases that they use."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import postgres
from tests.drills.machine import READY, Machine
from tests.wheel import programs_of_wheel

BuildMachine = Callable[..., Machine]
Prepare = Callable[[Machine], Machine]


@pytest.fixture
def build_machine(tmp_path: Path) -> Iterator[BuildMachine]:
    """Builds machines, and ends their consoles at the end of the test."""
    built: list[Machine] = []

    def build(name: str = "host", database_url: str = "", **options: object) -> Machine:
        root = tmp_path / name
        url = database_url or "sqlite:///console.db"
        built.append(Machine(root, programs_of_wheel().parent, url, **options))  # type: ignore[arg-type]
        return built[-1]

    yield build
    for machine in built:
        machine.shut_down()


@pytest.fixture
def cluster() -> Iterator[postgres.Cluster]:
    """A PostgreSQL server with the database `console`."""
    with postgres.cluster() as server:
        server.execute_as_superuser(f"CREATE DATABASE console OWNER {postgres.OWNER}")
        yield server


@pytest.fixture(scope="session")
def demo_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the agents of `demo`, made once."""
    machine = Machine(tmp_path_factory.mktemp("demo"), programs_of_wheel().parent, "sqlite:///console.db")
    machine.type("agent-console db deploy\nagent-console demo")
    return machine.root / machine.home / "console.db"


@pytest.fixture
def fill_demo(demo_file: Path) -> Prepare:
    """Fills the database of a machine with the agents of `demo`."""

    def fill(machine: Machine) -> Machine:
        if machine.database_url.startswith("sqlite"):
            machine.type(f"cp -p {demo_file} /var/lib/agent-console/console.db")
        else:
            # Not `deploy`, which checks more: a release that lacks a step has models that differ from its tables.
            machine.type("agent-console db upgrade\nagent-console demo")
        return machine

    return fill


@pytest.fixture
def start_demo(fill_demo: Prepare) -> Prepare:
    """Fills the database of a machine, starts its console, and waits until it is ready."""

    def start(machine: Machine) -> Machine:
        fill_demo(machine).type(f"systemctl start agent-console\n{READY}")
        return machine

    return start


@pytest.fixture(params=["sqlite", "postgresql"])
def machine(request: pytest.FixtureRequest, build_machine: BuildMachine, start_demo: Prepare) -> Machine:
    """A machine whose console has the agents of `demo` and runs, on each database."""
    if request.param == "sqlite":
        return start_demo(build_machine())
    server: postgres.Cluster = request.getfixturevalue("cluster")
    url = f"postgresql://{postgres.OWNER}@/console?host={server.folder}"
    return start_demo(build_machine(database_url=url, environment={"PGHOST": str(server.folder)}))
