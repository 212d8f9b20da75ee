"""A release takes over from the one before, while clients write; back again; and from the records of 0.1.0."""

import threading
import uuid
from pathlib import Path

import pytest

from tests import postgres
from tests.drills.conftest import BuildMachine, Prepare
from tests.drills.machine import Machine
from tests.old_release.conftest import DATABASES, notes_of, restore
from tests.project import copy_project
from tests.wheel import SOURCES, build, install

pytestmark = pytest.mark.long
LAST_STEP = "add_filter_indexes"
# Between the requests of the client.
PAUSE_S = 0.1
HEAD_OF_0_1_0 = "a5ecd374ab0b"
CREATE = """curl -sS -o /dev/null -w '%{{http_code}}' -H 'Authorization: Bearer {token}' \
-H 'Idempotency-Key: {key}' --retry 60 --retry-all-errors --retry-delay 1 \
-H 'Content-Type: application/json' -d '{{"name": "new", "connection_type": "DB", "connection_config": \
{{"dialect": "mysql", "host": "db.example.org", "database": "d", "username": "u"}}}}' \
http://127.0.0.1:8000/api/v1/agents"""


@pytest.fixture(scope="session")
def release_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installed release that lacks the last step of this one."""
    folder = tmp_path_factory.mktemp("before")
    project = copy_project(folder / "project", SOURCES)
    (step,) = (project / "migrations" / "versions").glob(f"*_{LAST_STEP}.py")
    step.unlink()
    return install(build(project, "wheel", folder), folder / "agent-console-0.2.0").parent


@pytest.fixture
def upgraded(
    build_machine: BuildMachine, cluster: postgres.Cluster, release_before: Path, start_demo: Prepare
) -> Machine:
    """A machine on which the release before runs, and this one is installed next to it."""
    url = f"postgresql://{postgres.OWNER}@/console?host={cluster.folder}"
    machine = build_machine(database_url=url)
    for name, folder in (("agent-console-0.2.0", release_before), ("agent-console-0.3.0", machine.program)):
        (machine.root / "opt" / name).symlink_to(folder)
    machine.type("ln -sfn /opt/agent-console-0.2.0 /opt/agent-console")
    return start_demo(machine)


class Writer(threading.Thread):
    """A client that creates agents, one after the other, until it is stopped."""

    def __init__(self, machine: Machine, token: str) -> None:
        super().__init__()
        self.machine, self.token = machine, token
        self.answers: list[str] = []
        self.ends = threading.Event()

    def run(self) -> None:
        """Create agents. A request whose connection breaks is repeated with its key, as a client does."""
        while not self.ends.wait(PAUSE_S):
            request = CREATE.format(token=self.token, key=uuid.uuid4())
            self.answers.append(self.machine.run(request).stdout[-3:])

    def __enter__(self) -> "Writer":
        """Begin."""
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop."""
        self.ends.set()
        self.join()


def test_no_agent_is_lost_or_made_twice_during_an_upgrade_and_the_way_back(
    upgraded: Machine,
) -> None:
    token = upgraded.type("agent-console tokens create --name writer --scope write").strip()

    with Writer(upgraded, token) as writer:
        upgraded.drill("upgrade-deploy")
        upgraded.drill("upgrade-units")
        upgraded.install_command()
        upgraded.drill("upgrade-switch")
        upgraded.drill("roll-back")
        upgraded.drill("upgrade-switch")
        upgraded.drill_twice("upgrade-finish")

    # 200 is the agent of a request whose answer was lost.
    assert set(writer.answers) <= {"200", "201"}
    listed = upgraded.type("agent-console agents list --json | jq '.items | length'")
    assert int(listed) == 60 + len(writer.answers)


@pytest.fixture(params=DATABASES)
def of_0_1_0(request: pytest.FixtureRequest, build_machine: BuildMachine) -> Machine:
    """A machine of this release with the database and the keys of 0.1.0."""
    url = ""
    if request.param == "postgresql":
        server: postgres.Cluster = request.getfixturevalue("cluster")
        url = f"postgresql://{postgres.OWNER}@/console?host={server.folder}"
    machine = build_machine(database_url=url)
    restore(url or f"sqlite:///{machine.root / machine.home / 'console.db'}")
    for name, value in notes_of(request.param)["settings"].items():
        machine.write(f"etc/agent-console/keys/{name.lower()}", f"{value}\n")
    return machine


def test_a_database_of_0_1_0_is_upgraded_with_its_tokens(of_0_1_0: Machine) -> None:
    kind = of_0_1_0.database_url.partition(":")[0]
    of_0_1_0.drill("from-0.1.0")
    of_0_1_0.drill("from-0.1.0-start")
    after = of_0_1_0.drill("from-0.1.0-after")

    token = notes_of(kind)["tokens"]["runtime"]
    agent = notes_of(kind)["agents"]["everything"]["id"]
    fetched = of_0_1_0.type(
        f"curl -sS -H 'Authorization: Bearer {token}' http://127.0.0.1:8000/api/v1/agents/{agent}/runtime"
    )
    assert "sk-second-key-of-sales-0002" in fetched
    assert "private keys in clear text" in after
    of_0_1_0.drill("from-0.1.0-back")
    assert of_0_1_0.type("agent-console db current").split()[0] == HEAD_OF_0_1_0
    of_0_1_0.type("agent-console db deploy")
    assert "kept 1 that already existed" in of_0_1_0.drill("from-0.1.0-rows")
