"""A database that is short of its last steps only by marked ones: the console serves, and says what is pending."""

import json
from collections.abc import Callable

import pytest

from tests.cli.conftest import Checkout, Server, free_port
from tests.dbtools.tools import fetch_rows, head_revision, run_sql
from tests.make import KEYS

STEP = '''"""{name}"""
from alembic import op

revision = "{name}"
down_revision = "{after}"
{mark}

def upgrade():
    op.execute("CREATE TABLE {name} (id integer)")


def downgrade():
    op.execute("DROP TABLE {name}")
'''


def add_step(checkout: Checkout, name: str, after: str, mark: str = "") -> None:
    """Add a migration to the copy of the project."""
    path = checkout.folder / "migrations" / "versions" / f"{name}.py"
    path.write_text(STEP.format(name=name, after=after, mark=mark))


@pytest.mark.long
def test_the_console_serves_while_only_marked_steps_are_pending(
    checkout: Checkout, schema_url: str, serve: Callable[..., Server]
) -> None:
    # Without PUBLIC_URL, the server would apply them to an SQLite file first.
    bind = f"127.0.0.1:{free_port()}"
    checkout.settings.update(KEYS, DATABASE_URL=schema_url, BIND=bind, PUBLIC_URL=f"http://{bind}")
    add_step(checkout, "marked", head_revision(), "after_release = True")
    filled = fetch_rows(schema_url, "SELECT max(revision) FROM applied_steps WHERE revision = 'c60f28e4a9d1'")
    assert filled == [("c60f28e4a9d1",)]
    run_sql(schema_url, "UPDATE applied_steps SET is_refilled = false WHERE revision = 'c60f28e4a9d1'")

    server = serve(checkout)
    assert server.get("/readyz") == (200, json.dumps({"status": "finish_pending"}, separators=(",", ":")))
    server.process.terminate()
    assert "flask db deploy --finish" in server.end()[1]
    doctor = json.loads(checkout.flask("doctor", "--json").stdout)
    assert "migrations.finish_pending" in str(doctor)
    assert "can lack the values of fill_agent_attention_columns" in str(doctor)
    for words in (("check",), ("migrate", "-m", "more")):
        refused = checkout.flask("db", *words)
        assert refused.returncode == 1
        assert "not at head. Bring it there first: flask db deploy --finish\n" in refused.stderr
    assert "migrations.pending" not in str(doctor)
    prepared = checkout.flask("prepare")
    assert (prepared.returncode, "schema is behind" in prepared.stderr) == (0, False)

    # `make run` leaves nothing pending in a file that only it uses.
    is_sqlite = schema_url.startswith("sqlite")
    add_step(checkout, "unmarked", "marked")
    status = json.loads(checkout.flask("db", "status", "--json").stdout)
    assert (status["is_blocked"], status["is_ready"]) == (not is_sqlite, False)
    refused = checkout.flask("serve")
    assert (refused.returncode, "schema is behind" in refused.stderr) == (1, True)
    if not is_sqlite:
        assert "flask db deploy --finish" in checkout.flask("db", "deploy").stderr
        assert checkout.flask("db", "deploy", "--finish", "--no-backup").returncode == 0
    assert checkout.flask("db", "deploy", "--no-backup").returncode == 0
    run_sql(schema_url, "SELECT id FROM marked", "SELECT id FROM unmarked")
