"""What is counted of requests, database statements and the pool, and that labels have few values."""

import os
import signal
import sqlite3
import threading
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from agents_app import metrics
from agents_app.db import db
from agents_app.errors import Unavailable
from agents_app.metrics.folder import folder, processes
from tests.cli.conftest import wait_for
from tests.make import make_user
from tests.metrics.conftest import TOKEN, Watched, samples

Watch = Callable[..., Watched]
IN_USE = "agent_console_database_pool_in_use"
REQUESTS = "agent_console_http_requests_total"


def test_what_clients_choose_makes_no_label(watch: Watch) -> None:
    server = watch(METRICS_TOKEN=TOKEN)

    for number in range(5):
        server.ask(f"/no-such-page-{number}?token=canary")
        server.ask(f"/agents/{number}", method=f"CANARY{number}")

    found = [key for key in samples(server.text()) if key[0] == REQUESTS]
    assert not [key for key in found if "canary" in str(key).lower() or "no-such" in str(key)]
    assert server.value(REQUESTS, method="GET", route="unknown", status="404") == 5
    labels = {value for _, pairs in found for name, value in pairs if name == "method"}
    assert labels <= {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "unknown"}


def test_a_request_is_counted_once_by_rule_method_and_status_with_its_seconds(watch: Watch) -> None:
    server = watch(METRICS_TOKEN=TOKEN)

    make_user(server.app)
    server.ask("/sign-in")
    server.ask("/api/v1/agents/00000000-0000-4000-8000-000000000000")

    agent = {"method": "GET", "route": "/api/v1/agents/<uuid:agent_id>"}
    assert server.value(REQUESTS, status="401", **agent) == 1
    assert server.value(REQUESTS, method="GET", route="/sign-in", status="200") == 1
    seconds = "agent_console_http_request_duration_seconds"
    assert server.value(f"{seconds}_count", **agent) == 1
    assert server.value(f"{seconds}_bucket", le="+Inf", **agent) == 1
    assert server.value(f"{seconds}_sum", **agent) > 0
    assert server.value("agent_console_http_request_wait_seconds_count") == 2


def test_reading_the_metrics_is_no_request_of_the_console(watch: Watch) -> None:
    server = watch(METRICS_TOKEN=TOKEN)

    server.ask("/metrics")
    server.text()

    total = sum(value for (name, _), value in samples(server.text()).items() if name == REQUESTS)
    assert total == sum(value for (name, _), value in server.before.items() if name == REQUESTS)


def test_statements_are_counted_with_those_that_fail_and_belong_to_their_request(watch: Watch) -> None:
    server = watch(METRICS_TOKEN=TOKEN)
    with server.app.app_context(), pytest.raises(Unavailable), db.reading() as connection:
        connection.execute(sa.text("SELECT * FROM no_such"))
    after_failure = server.value("agent_console_database_statement_seconds_count")

    server.ask("/readyz")

    assert after_failure >= 1
    assert server.value("agent_console_database_statement_seconds_count") > after_failure
    assert server.value("agent_console_http_request_database_seconds_count", route="/readyz") == 1
    assert server.value("agent_console_http_request_database_seconds_sum", route="/readyz") > 0


def test_the_pool_says_what_is_in_use_and_how_long_others_waited(watch: Watch) -> None:
    server = watch(METRICS_TOKEN=TOKEN, POOL_SIZE="1")
    server.ask("/readyz")
    with server.app.app_context(), db.reading():
        assert server.value("agent_console_database_pool_in_use") == 1
        refused = server.ask("/readyz")

    assert refused.status == 503
    assert server.value("agent_console_database_pool_timeouts_total") >= 1
    assert server.value("agent_console_database_pool_wait_seconds_count") >= 2
    assert server.value("agent_console_database_pool_in_use") == 0


def test_a_connection_that_could_not_be_opened_was_never_in_use(watch: Watch) -> None:
    server = watch(METRICS_TOKEN=TOKEN)
    with server.app.app_context():
        db.engine.dispose()
        before = server.value(IN_USE)

        @sa.event.listens_for(db.engine, "do_connect")
        def _refuse(*_: object) -> None:
            raise sqlite3.OperationalError("the server is down")

        for _ in range(3):
            server.ask("/readyz")

    assert (before, server.value(IN_USE)) == (0, 0)


def test_requests_in_progress_are_those_that_are_not_answered_yet(watch: Watch) -> None:
    server = watch(METRICS_TOKEN=TOKEN, POOL_SIZE="1")
    answers: list[int] = []
    with server.app.app_context(), db.reading():
        thread = threading.Thread(target=lambda: answers.append(server.ask("/readyz").status))
        thread.start()
        wait_for(lambda: server.value("agent_console_http_requests_in_progress") == 1)
        thread.join()

    assert answers == [503]
    # The count ends just after the answer.
    wait_for(lambda: server.value("agent_console_http_requests_in_progress") == 0)


def test_a_killed_worker_loses_no_count_and_nothing_of_it_stays_in_progress(watch: Watch) -> None:
    server = watch(METRICS_TOKEN=TOKEN, WORKERS="2")
    make_user(server.app)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        # As a worker of `serve`, which ends in the middle of a request.
        metrics.in_worker(server.app)
        server.app.test_client().get("/sign-in")
        from agents_app.metrics import instruments

        instruments.IN_PROGRESS.inc()
        os.write(writer, b"x")
        signal.pause()
    os.read(reader, 1)
    signed_in = {"method": "GET", "route": "/sign-in", "status": "200"}
    running = server.value(REQUESTS, **signed_in), server.value("agent_console_http_requests_in_progress")
    workers = server.value("agent_console_workers")

    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    metrics.after_worker(server.app, pid)
    server.ask("/sign-in")

    assert running == (1, 1)
    assert server.value(REQUESTS, **signed_in) == 2
    # The count ends just after the answer.
    wait_for(lambda: server.value("agent_console_http_requests_in_progress") == 0)
    assert (workers, server.value("agent_console_workers")) == (1, 0)
    assert server.value("agent_console_workers_replaced_total") == 1


def test_each_process_is_shown_by_itself_with_its_role(watch: Watch) -> None:
    server = watch(METRICS_TOKEN=TOKEN)

    assert processes()[os.getpid()] == "worker"
    memory = server.value("agent_console_process_resident_memory_bytes", role="worker", pid=str(os.getpid()))
    assert memory is not None
    assert folder().stat().st_mode & 0o077 == 0
