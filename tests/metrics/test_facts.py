"""Facts of the database and of the backups: what they count, and what is shown where they cannot be read."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db, now
from agents_app.metrics.folder import folder
from agents_app.models import Agent, ApiToken
from agents_app.operations import server_facts
from agents_app.probes.results import Finding, Result
from tests.conftest import OpenConsole
from tests.make import make_agent, make_last_test, make_token, make_user
from tests.metrics.conftest import BEARER, TOKEN, Watched

Watch = Callable[..., Watched]
WAS_READ = "agent_console_fact_read"
FACTS = ("agents", "expiring", "migrations_pending", "last_backup_timestamp_seconds")


@pytest.fixture(autouse=True)
def _nothing_was_read() -> None:
    (folder() / "facts").unlink(missing_ok=True)


@pytest.fixture
def app(schema_url: str, open_console: OpenConsole) -> Flask:
    """A console with a database of its own: the facts are those of all accounts."""
    return open_console(schema_url)


def change(app: Flask, statement: sa.Update[object]) -> None:
    with app.app_context(), db.transaction() as session:
        session.execute(statement)


def test_without_a_database_the_metrics_are_answered_and_say_what_is_missing(
    open_console: OpenConsole, tmp_path: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = watch(METRICS_TOKEN=TOKEN, BACKUP_FOLDER=str(tmp_path))
    (folder() / "facts").unlink()
    with server.app.app_context():
        db.engine.dispose()
    change(server.app, sa.text("ALTER TABLE api_tokens RENAME TO renamed"))

    answer = server.ask("/metrics", **BEARER)

    assert answer.status == 200
    assert server.value(WAS_READ, fact="agents") is not None
    assert 'agent_console_fact_read{fact="expiring"} 0.0' in answer.text
    assert "\nagent_console_expiring{" not in answer.text
    assert "\nagent_console_agents{" in answer.text


def test_a_backup_folder_that_cannot_be_read_is_missing_and_said(watch: Watch, tmp_path: Path) -> None:
    file = tmp_path / "no folder"
    file.write_text("")

    server = watch(METRICS_TOKEN=TOKEN, BACKUP_FOLDER=str(file))

    text = server.text()
    assert 'agent_console_fact_read{fact="last_backup_timestamp_seconds"} 0.0' in text
    assert "\nagent_console_last_backup_timestamp_seconds " not in text


def test_agents_are_counted_by_status_and_by_the_test_of_their_present_version(app: Flask) -> None:
    actor = make_user(app)
    failed, passed, changed, disabled, _ = (make_agent(app, actor) for _ in range(5))
    bad = Result((), Finding("timed_out"))
    good = Result(())
    make_last_test(app, actor, failed, connection=bad)
    for one in (passed, changed):
        make_last_test(app, actor, one, connection=good)
    change(app, sa.update(Agent).where(Agent.id == changed).values(version=Agent.version + 1))
    change(app, sa.update(Agent).where(Agent.id == disabled).values(status="disabled"))

    with app.app_context():
        found = server_facts.agents()

    counted = {labels: number for labels, number in found.items() if number}
    assert counted == {
        ("active", "failed"): 1,
        ("active", "passed"): 1,
        ("active", "out_of_date"): 1,
        ("active", "never"): 1,
        ("disabled", "never"): 1,
    }
    assert len(found) == 10


def test_what_expires_is_counted_and_what_nobody_uses_is_not(app: Flask) -> None:
    actor, today = make_user(app), now().date()
    past, week, month, disabled, later = (make_agent(app, actor) for _ in range(5))
    for agent, days in ((past, -1), (week, 7), (month, 30), (disabled, 1), (later, 31)):
        values = {"credential_expires_at": today + timedelta(days=days)}
        change(app, sa.update(Agent).where(Agent.id == agent).values(values))
    change(app, sa.update(Agent).where(Agent.id == week).values(api_key_expires_at=today))
    change(app, sa.update(Agent).where(Agent.id == disabled).values(status="disabled"))
    ids = [make_token(app, actor).partition("_")[2].partition(".")[0] for _ in range(5)]
    week_end = now() + timedelta(days=6)
    for key_id, values in zip(
        ids,
        (
            {"expires_at": week_end},
            {"expires_at": now() - timedelta(days=1)},
            {"expires_at": week_end, "revoked_at": now()},
            {"expires_at": week_end, "replaced_at": now()},
            {"expires_at": None},
        ),
        strict=True,
    ):
        change(app, sa.update(ApiToken).where(ApiToken.key_id == key_id).values(values))

    with app.app_context():
        found = server_facts.expiring()

    assert found == {
        ("credential", "0"): 1,
        ("credential", "7"): 2,
        ("credential", "30"): 3,
        ("model_key", "0"): 1,
        ("model_key", "7"): 1,
        ("model_key", "30"): 1,
        ("token", "7"): 1,
        ("token", "30"): 1,
    }


def test_a_database_at_head_lacks_no_migration(app: Flask) -> None:
    with app.app_context():
        assert server_facts.pending_migrations() == {("deploy",): 0, ("finish",): 0}


def test_an_empty_database_lacks_all_migrations(database_url: str, open_console: OpenConsole) -> None:
    with open_console(database_url).app_context():
        assert server_facts.pending_migrations()["deploy",] > 20


def test_the_newest_backup_is_a_time_and_without_one_it_is_0(tmp_path: Path, open_console: OpenConsole) -> None:
    with open_console("sqlite:///none.db", BACKUP_FOLDER=str(tmp_path / "missing")).app_context():
        assert server_facts.newest_backup() == {(): 0}
    (tmp_path / "console-20260102T030405Z.db").write_bytes(b"SQLite format 3\0")
    with open_console("sqlite:///none.db", BACKUP_FOLDER=str(tmp_path)).app_context():
        assert server_facts.newest_backup() == {(): 1767323045}


def test_the_database_is_asked_once_however_often_the_metrics_are_read(watch: Watch) -> None:
    server = watch(METRICS_TOKEN=TOKEN)
    name = "agent_console_database_statement_seconds_count"
    first = server.value(name)

    for _ in range(3):
        server.text()

    assert server.value(name) == first


def test_a_file_of_facts_that_was_cut_off_is_read_again(watch: Watch) -> None:
    server = watch(METRICS_TOKEN=TOKEN)
    (folder() / "facts").write_text('{"read_at": 1')

    assert server.value(WAS_READ, fact="agents") == 0
    assert 'agent_console_fact_read{fact="agents"} 1.0' in server.text()


def test_an_unexpected_error_of_one_fact_costs_only_that_fact(watch: Watch, tmp_path: Path) -> None:
    server = watch(METRICS_TOKEN=TOKEN)
    (folder() / "facts").unlink()
    # The folder of backups is asked after the migrations and before the agents.
    settings = server.app.extensions["settings"]
    server.app.extensions["settings"] = replace(settings, backup_folder=None)

    text = server.text()

    assert 'agent_console_fact_read{fact="last_backup_timestamp_seconds"} 0.0' in text
    assert 'agent_console_fact_read{fact="agents"} 1.0' in text
