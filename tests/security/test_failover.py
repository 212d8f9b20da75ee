"""A failover between two PostgreSQL servers during writes: nothing acknowledged is lost, and nothing is repeated.

What an operator sets for that is in docs/deployment.md, "When the database fails over".
"""

import json
import os
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import psycopg2
import pytest
from alembic import command
from alembic.util import CommandError

from agents_app import dbtools
from agents_app.database.url import parse_url
from tests import postgres
from tests.conftest import OpenConsole
from tests.make import agent_values, make_token, make_user
from tests.security.served import served

DATABASE = "console"
WRITERS = 4
# The number of agents of each writer before the first server is killed, and again after the failover.
AGENTS = 5
PATIENCE_S = 300
STREAMING = "SELECT FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = '{}'"

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not postgres.pg_ctl().with_name("pg_basebackup").exists() and os.environ.get("REQUIRE_ALL") != "1",
        reason="No pg_basebackup: a failover was NOT tried. Debian: apt-get install postgresql.",
    ),
]


@dataclass
class Pair:
    """A primary, and the standby that every commit waits for."""

    first: postgres.Cluster
    second: postgres.Cluster

    @property
    def url(self) -> str:
        """Both hosts; the driver uses the one that accepts writes."""
        return f"{self.url_of(self.first, self.second)}&target_session_attrs=read-write"

    def url_of(self, *servers: postgres.Cluster) -> str:
        """The database on these servers."""
        hosts = ",".join(str(server.folder) for server in servers)
        return f"postgresql://{postgres.OWNER}@/{DATABASE}?host={hosts}"

    def fail_over(self) -> None:
        """Kill the first server, and promote the second."""
        self.first.kill()
        self.second.promote()
        # The new primary has no standby, so commits must not wait for one.
        self.second.execute_as_superuser("ALTER SYSTEM RESET synchronous_standby_names")
        self.second.execute_as_superuser("SELECT pg_reload_conf()")


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two servers; the first has a synchronous standby."""
    with (
        postgres.cluster(synchronous_commit="on", wal_level="replica", max_wal_senders="5") as first,
        postgres.standby(first) as second,
    ):
        _wait_for(first, "async")
        first.execute_as_superuser("ALTER SYSTEM SET synchronous_standby_names = 'second'")
        first.execute_as_superuser("SELECT pg_reload_conf()")
        _wait_for(first, "sync")
        first.execute_as_superuser(f"CREATE DATABASE {DATABASE} OWNER {postgres.OWNER}")
        yield Pair(first, second)


def _wait_for(first: postgres.Cluster, state: str) -> None:
    ends = time.monotonic() + PATIENCE_S
    while not first.execute_as_superuser(STREAMING.format(state)):
        assert time.monotonic() < ends, f"The standby is not {state}."
        time.sleep(0.1)


@dataclass
class Writer:
    """A client that creates agents, and repeats each request with its key until it is answered."""

    address: str
    token: str
    # The id of each agent that was acknowledged, by its name.
    acknowledged: dict[str, str] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)

    def make(self, count: int) -> None:
        """Create this number of agents."""
        ends = time.monotonic() + PATIENCE_S
        for _ in range(count):
            name = f"agent {uuid.uuid4()}"
            while name not in self.acknowledged:
                assert time.monotonic() < ends, f"The console did not recover: {self.statuses}"
                self._try(name)

    def _try(self, name: str) -> None:
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Idempotency-Key": f"key of {name}",
        }
        body = json.dumps(agent_values(name=name)).encode()
        asked = urllib.request.Request(self.address, body, headers)
        try:
            with urllib.request.urlopen(asked, timeout=PATIENCE_S) as answer:
                self.statuses[answer.status] += 1
                self.acknowledged[name] = json.load(answer)["id"]
        except urllib.error.HTTPError as refused:
            self.statuses[refused.code] += 1
            time.sleep(min(int(refused.headers["Retry-After"]), 1))


def test_a_failover_during_writes_loses_and_repeats_nothing(pair: Pair, open_console: OpenConsole) -> None:
    dbtools.upgrade_to_head(parse_url(pair.url))
    app = open_console(pair.url)
    token = make_token(app, make_user(app), "read", "write")

    with served(app) as server, ThreadPoolExecutor(WRITERS + 1) as threads:
        address = f"http://localhost:{server.port}/api/v1/agents"
        writers = [Writer(address, token) for _ in range(WRITERS)]
        list(threads.map(lambda writer: writer.make(AGENTS), writers))
        stop = threading.Event()
        going_on = [threads.submit(_until, stop, writer) for writer in writers]
        try:
            pair.fail_over()
        finally:
            stop.set()
        for writing in going_on:
            writing.result()
        list(threads.map(lambda writer: writer.make(AGENTS), writers))

    acknowledged = {name: one for writer in writers for name, one in writer.acknowledged.items()}
    assert _rows(pair.second) == acknowledged
    assert {status for writer in writers for status in writer.statuses} <= {200, 201, 503}


def _until(stop: threading.Event, writer: Writer) -> None:
    while not stop.is_set():
        writer.make(1)


def _rows(server: postgres.Cluster) -> dict[str, str]:
    connection = psycopg2.connect(host=str(server.folder), user=postgres.OWNER, dbname=DATABASE)
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, id::text FROM agents")
        rows = cursor.fetchall()
    connection.close()
    assert len(rows) == len(dict(rows))
    return dict(rows)


def test_a_pool_closes_connections_to_a_server_that_became_read_only(pair: Pair, open_console: OpenConsole) -> None:
    # As if the address still led to the old primary: the session is read-only from now on.
    dbtools.upgrade_to_head(parse_url(pair.url))
    app = open_console(pair.url)
    token = make_token(app, make_user(app), "read", "write")
    client, headers = app.test_client(), {"Authorization": f"Bearer {token}"}
    with pytest.raises(CommandError, match=r"in a read-only transaction\. If this server is a standby"):
        command.downgrade(dbtools.alembic_config(parse_url(pair.url_of(pair.second))), "-1")
    pair.first.execute_as_superuser("ALTER SYSTEM SET default_transaction_read_only = on")
    pair.first.execute_as_superuser("SELECT pg_reload_conf()")

    refused = [client.post("/api/v1/agents", json=agent_values(), headers=headers) for _ in range(3)]

    assert {answer.status_code for answer in refused} == {503}
    assert all(answer.headers["Retry-After"] for answer in refused)
    # The first request found the problem; from then on no older connection is used.
    assert {answer.json["code"] for answer in refused[1:]} == {"database_unavailable"}
    pair.fail_over()
    assert client.post("/api/v1/agents", json=agent_values(), headers=headers).status_code == 201
