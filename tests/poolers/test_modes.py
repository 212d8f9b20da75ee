"""The mode of a pooler is detected, on an idle pooler and on a busy one."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import psycopg2
import pytest

from agents_app.database.session import pooler_mode
from agents_app.database.url import parse_url
from tests.pgbouncer import Pooler
from tests.poolers.conftest import LOCKS, MODES, SETTINGS, StartPooler, connect, query_rows

pytestmark = pytest.mark.long

TRIES = 5


@contextmanager
def busy(url: str, clients: int) -> Iterator[None]:
    """During the block, other clients run one query after the other."""
    stop = threading.Event()

    def run_queries() -> None:
        with closing(connect(url)) as other, other.cursor() as cursor:
            while not stop.is_set():
                cursor.execute("SELECT 1")
                other.commit()

    threads = [threading.Thread(target=run_queries) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_direct_connection_has_no_pooler_mode(postgres_url: str) -> None:
    assert pooler_mode(parse_url(postgres_url)) is None


@pytest.mark.parametrize("round_robin", ["0", "1"])
@pytest.mark.parametrize("size", ["1", "2", "5"])
@pytest.mark.parametrize("mode", MODES)
def test_an_idle_pooler(postgres_url: str, start_pooler: StartPooler, mode: str, size: str, round_robin: str) -> None:
    pooler = start_pooler(mode, default_pool_size=size, server_round_robin=round_robin)
    url = pooler.url(postgres_url)
    with ExitStack() as stack:
        # Open the maximum number of sessions, and release all of them.
        for other in [stack.enter_context(closing(connect(url))) for _ in range(int(size))]:
            other.cursor().execute("SELECT 1")

    assert pooler_mode(parse_url(url)) == mode


@pytest.mark.parametrize("round_robin", ["0", "1"])
@pytest.mark.parametrize("size", ["2", "5"])
def test_a_busy_pooler_in_transaction_mode(
    postgres_url: str, start_pooler: StartPooler, size: str, round_robin: str
) -> None:
    url = start_pooler("transaction", default_pool_size=size, server_round_robin=round_robin).url(postgres_url)

    with busy(url, 8):
        assert {pooler_mode(parse_url(url)) for _ in range(TRIES)} == {"transaction"}


def test_a_busy_pooler_in_session_mode(postgres_url: str, start_pooler: StartPooler) -> None:
    url = start_pooler("session").url(postgres_url)

    with busy(url, 8):
        assert {pooler_mode(parse_url(url)) for _ in range(TRIES)} == {"session"}


def test_a_pooler_without_a_free_session_raises_an_error(postgres_url: str, start_pooler: StartPooler) -> None:
    url = start_pooler("transaction", default_pool_size="1").url(postgres_url)
    with closing(connect(url)) as other:
        other.cursor().execute("SELECT 1")
        with pytest.raises(psycopg2.OperationalError, match="no answer within 3 s; the server or a connection pooler"):
            pooler_mode(parse_url(url))


def test_the_detection_leaves_no_settings_or_locks(postgres_url: str, start_pooler: StartPooler) -> None:
    pooler: Pooler = start_pooler("session", server_reset_query="")
    before = query_rows(postgres_url, SETTINGS)

    pooler_mode(parse_url(pooler.url(postgres_url)))

    assert query_rows(pooler.url(postgres_url), SETTINGS) == before
    assert query_rows(postgres_url, LOCKS) == [(0,)]
