"""The migrations add_agent_facts and add_agent_external_id_index."""

import pytest
from alembic import command
from sqlalchemy.exc import IntegrityError

from tests.dbtools.tools import console_config, fetch_rows, revision_before, run_sql

ACCOUNT = "INSERT INTO accounts (id, name, created_at) VALUES ('{0}', 'Acme', '2026-01-01 00:00:00')"
AGENT = """
INSERT INTO agents (id, name, connection_type, connection_config, account_id, created_at)
VALUES ('{1}', 'Sales', 'DB', '{{}}', '{0}', '2026-01-01 00:00:00')
"""
IDS = tuple(f"{number:032x}" for number in (1, 2, 3))
FACTS = "external_id, owner, environment, CAST(labels AS text), model_provider, model_base_url, api_key_expires_at"


def test_agents_of_earlier_releases_have_no_facts_and_keep_their_columns(database_url: str) -> None:
    config = console_config(database_url)
    command.upgrade(config, revision_before("add_agent_facts"))
    run_sql(database_url, ACCOUNT.format(*IDS), AGENT.format(*IDS), AGENT.format(IDS[0], IDS[2]))
    before = fetch_rows(database_url, "SELECT * FROM agents ORDER BY id")

    command.upgrade(config, "+2")
    run_sql(database_url, f"UPDATE agents SET external_id = 'crm-1' WHERE id = '{IDS[1]}'")
    with pytest.raises(IntegrityError):
        run_sql(database_url, f"UPDATE agents SET external_id = 'crm-1' WHERE id = '{IDS[2]}'")
    facts = fetch_rows(database_url, f"SELECT {FACTS} FROM agents ORDER BY id")
    command.downgrade(config, "-2")

    assert facts == [(external_id, None, None, "{}", None, None, None) for external_id in ("crm-1", None)]
    assert fetch_rows(database_url, "SELECT * FROM agents ORDER BY id") == before
