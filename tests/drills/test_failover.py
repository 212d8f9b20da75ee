"""A PostgreSQL server fails, and its standby is promoted, while `agent-console serve` runs."""

import os
from collections.abc import Iterator

import pytest

from tests import postgres
from tests.drills.conftest import BuildMachine, Prepare
from tests.drills.machine import READY

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not postgres.pg_ctl().with_name("pg_basebackup").exists() and os.environ.get("REQUIRE_ALL") != "1",
        reason="No pg_basebackup: a failover was NOT tried. Debian: apt-get install postgresql.",
    ),
]


@pytest.fixture
def pair() -> Iterator[tuple[postgres.Cluster, postgres.Cluster]]:
    """A primary and its standby."""
    with (
        postgres.cluster(synchronous_commit="on", wal_level="replica", max_wal_senders="5") as first,
        postgres.standby(first) as second,
    ):
        first.execute_as_superuser("ALTER SYSTEM SET synchronous_standby_names = 'second'")
        first.execute_as_superuser("SELECT pg_reload_conf()")
        first.execute_as_superuser(f"CREATE DATABASE console OWNER {postgres.OWNER}")
        yield first, second


def test_the_console_goes_on_with_a_promoted_standby(
    pair: tuple[postgres.Cluster, postgres.Cluster], build_machine: BuildMachine, start_demo: Prepare
) -> None:
    first, second = pair
    names = {"db1": str(first.folder), "db2": str(second.folder)}
    both = f"host={first.folder},{second.folder}&target_session_attrs=read-write"
    knows_both = build_machine("both", f"postgresql://{postgres.OWNER}@/console?{both}", names=dict(names))
    knows_one = build_machine("one", f"postgresql://{postgres.OWNER}@/console?host={first.folder}", names=dict(names))
    start_demo(knows_both)
    knows_one.type(f"systemctl start agent-console\n{READY}")
    agents = knows_both.type("agent-console agents list --json")

    first.kill()
    assert '"database_unavailable"' in knows_both.type("curl -sS http://127.0.0.1:8000/readyz")
    knows_both.drill_twice("failover-promote")
    knows_both.drill("failover-after")
    knows_one.drill("failover-address")
    knows_one.drill("failover-after")

    assert knows_both.type("agent-console agents list --json") == agents
    assert "active" in knows_one.type("agent-console users invite --role viewer && agent-console users list")
