"""Machines with an installed console, and the databases that they use."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import postgres
from tests.drills.machine import READY, Machine
from tests.wheel import programs_of_wheel

BuildMachine = Callable[..., Machine]


@pytest.fixture
def build_machine(tmp_path: Path) -> Iterator[BuildMachine]:
    """Builds machines, and ends their consoles at the end of the test."""
    built: list[Machine] = []

    def build(name: str = "host", database_url: str = "", **options: object) -> Machine:
        root = tmp_path / name
        url = database_url or "sqlite:///instance/console.db"
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


@pytest.fixture(params=["sqlite", "postgresql"])
def machine(request: pytest.FixtureRequest, build_machine: BuildMachine) -> Machine:
    """A machine whose console has the agents of `demo` and runs, on each database."""
    if request.param == "sqlite":
        return start_demo(build_machine())
    server: postgres.Cluster = request.getfixturevalue("cluster")
    url = f"postgresql://{postgres.OWNER}@/console?host={server.folder}"
    return start_demo(build_machine(database_url=url, environment={"PGHOST": str(server.folder)}))


def start_demo(machine: Machine, migrate: str = "deploy") -> Machine:
    """Fill the database of a machine, and start its console."""
    machine.type(f"agent-console db {migrate}\nagent-console demo\nsystemctl start agent-console")
    machine.type(READY)
    return machine
