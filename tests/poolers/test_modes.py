"""The two modes of a pooler are told apart, on a quiet pooler and on a busy one."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import psycopg2
import pytest

from agents_app.database.session import pooler_mode
from agents_app.database.url import parse_url
from tests.pgbouncer import Pooler
from tests.poolers.conftest import LOCKS, MODES, SETTINGS, StartPooler, answer_of, connect

TRIES = 5


@contextmanager
def busy(url: str, clients: int) -> Iterator[None]:
    """While the block runs other clients ask one question after the other."""
    is_over = threading.Event()

    def ask() -> None:
        with closing(connect(url)) as other, other.cursor() as cursor:
            while not is_over.is_set():
                cursor.execute("SELECT 1")
                other.commit()

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def test_the_server_s_own_address_has_no_mode(postgres_url: str) -> None:
    assert pooler_mode(parse_url(postgres_url)) is None


@pytest.mark.parametrize("in_turn", ["0", "1"])
@pytest.mark.parametrize("size", ["1", "2", "5"])
@pytest.mark.parametrize("mode", MODES)
def test_a_quiet_pooler(postgres_url: str, start_pooler: StartPooler, mode: str, size: str, in_turn: str) -> None:
    pooler = start_pooler(mode, default_pool_size=size, server_round_robin=in_turn)
    url = pooler.url(postgres_url)
    with ExitStack() as stack:
        # As many sessions as there may be, all of them free again.
        for other in [stack.enter_context(closing(connect(url))) for _ in range(int(size))]:
            other.cursor().execute("SELECT 1")

    assert pooler_mode(parse_url(url)) == mode


@pytest.mark.parametrize("in_turn", ["0", "1"])
@pytest.mark.parametrize("size", ["2", "5"])
def test_a_busy_pooler_in_transaction_mode(
    postgres_url: str, start_pooler: StartPooler, size: str, in_turn: str
) -> None:
    url = start_pooler("transaction", default_pool_size=size, server_round_robin=in_turn).url(postgres_url)

    with busy(url, 8):
        assert {pooler_mode(parse_url(url)) for _ in range(TRIES)} == {"transaction"}


def test_a_busy_pooler_in_session_mode(postgres_url: str, start_pooler: StartPooler) -> None:
    url = start_pooler("session").url(postgres_url)

    with busy(url, 8):
        assert {pooler_mode(parse_url(url)) for _ in range(TRIES)} == {"session"}


def test_a_pooler_without_a_free_session_is_a_refusal(postgres_url: str, start_pooler: StartPooler) -> None:
    url = start_pooler("transaction", default_pool_size="1").url(postgres_url)
    with closing(connect(url)) as other:
        other.cursor().execute("SELECT 1")
        with pytest.raises(psycopg2.OperationalError, match="no answer within 3 s; the server or a connection pooler"):
            pooler_mode(parse_url(url))


def test_nothing_is_left_behind(postgres_url: str, start_pooler: StartPooler) -> None:
    pooler: Pooler = start_pooler("session", server_reset_query="")
    before = answer_of(postgres_url, SETTINGS)

    pooler_mode(parse_url(pooler.url(postgres_url)))

    assert answer_of(pooler.url(postgres_url), SETTINGS) == before
    assert answer_of(postgres_url, LOCKS) == [(0,)]
