"""Fills a database of this release: an account, tokens and some agents by the console, and the rest by SQL.

The rows that SQL makes are copies of those that the console made, with names, ids, times and creators of their own.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.migrations.load import agent_values
from benchmarks.migrations.releases import Release
from benchmarks.migrations.rows import PASSWORD, execute
from benchmarks.requests.client import Request, ask

API = "/api/v1/agents"
EMAIL, ORGANISATION = "admin@acme.example", "Acme"
SUBJECTS = ("Sales", "Orders", "Stock", "Report", "Revenue", "Returns")
SAMPLES, OWNERS = 60, 10

OWNER_ROWS = """
INSERT INTO users (id, account_id, email, name, role, is_active, created_at)
SELECT gen_random_uuid(), a.id, 'owner' || n || '@acme.example', 'Owner ' || n, 'editor', true, now()
FROM accounts a, generate_series(1, {owners}) n
"""
# The agents that the console has made are the newest, so they are on the page. They get different creators, too.
CREATORS = """
UPDATE agents a SET created_by = o.id
FROM (SELECT id, row_number() OVER (ORDER BY id) - 1 AS number FROM users) o,
    (SELECT id, row_number() OVER (ORDER BY id) AS number FROM agents) s
WHERE s.id = a.id AND o.number = s.number % {owners}
"""
COPIES = """
CREATE TEMPORARY TABLE samples AS
SELECT a.*, row_number() OVER (ORDER BY a.created_at, a.id) - 1 AS number FROM agents a;
CREATE TEMPORARY TABLE owners AS SELECT id, row_number() OVER (ORDER BY id) - 1 AS number FROM users;
CREATE TEMPORARY TABLE copies AS
SELECT md5('agent' || n)::uuid AS id, n, s.id AS sample, o.id AS owner, now() - n * interval '1 minute' AS made_at
FROM generate_series(1, {rows}) n
JOIN samples s ON s.number = n % {samples} JOIN owners o ON o.number = n % {owners};
ANALYZE samples; ANALYZE copies
"""
# For each table: its alias in the SELECT, and the columns that a copy has of its own.
AGENTS = {
    "id": "c.id",
    "name": "t.name || ' ' || c.n",
    "name_key": "t.name_key || ' ' || c.n",
    "search_text": "replace(t.search_text, t.name_key, t.name_key || ' ' || c.n)",
    "created_by": "c.owner",
    "created_at": "c.made_at",
    "updated_at": "c.made_at",
}
VERSIONS = {"agent_id": "c.id", "created_at": "c.made_at", "user_id": "c.owner"}
EVENTS = {
    "id": "gen_random_uuid()",
    "target_id": "c.id",
    "target_name": "t.target_name || ' ' || c.n",
    "created_at": "c.made_at + {step} * interval '1 second'",
    "user_id": "c.owner",
}
SETTINGS = ("SET synchronous_commit = off", "SET work_mem = '64MB'", "SET maintenance_work_mem = '256MB'")
# Those of a constraint stay.
INDEXES = """
SELECT indexrelid::regclass, pg_get_indexdef(indexrelid) FROM pg_index
WHERE indrelid IN ('agents'::regclass, 'agent_versions'::regclass, 'events'::regclass)
    AND indexrelid NOT IN (SELECT conindid FROM pg_constraint)
"""


@dataclass(frozen=True)
class Filled:
    """What a load uses of a database: an account, its tokens and its agents that the console has made."""

    account_id: str
    token: str
    runtime_token: str
    agents: tuple[str, ...]


def prepare(release: Release) -> tuple[str, str]:
    """Make the schema and the account. Returns its tokens: one that reads and writes, and one of a runtime."""
    release.flask("db", "upgrade")
    person = ("--name", "Admin", "--email", EMAIL, "--organisation", ORGANISATION, "--password-stdin")
    release.flask("accounts", "create", *person, typed=PASSWORD)
    make = ("tokens", "create", "--name", "benchmark")
    return release.flask(*make, "--scope", "read", "--scope", "write"), release.flask(*make, "--scope", "runtime")


def fill(url: str, port: int, tokens: tuple[str, str], rows: int, events: int) -> Filled:
    """Make agents by the console at this port, and copy them and their history, up to these numbers of rows."""
    agents = tuple(_make(port, tokens[0], number) for number in range(SAMPLES))
    more = {"rows": rows, "samples": SAMPLES, "owners": OWNERS}
    statements = [OWNER_ROWS.format(**more), CREATORS.format(**more), *COPIES.format(**more).split(";")]
    statements += [_copy(url, "agents", AGENTS, "t.id"), _copy(url, "agent_versions", VERSIONS, "t.agent_id")]
    created = "AND t.action = 'agent.created'"
    steps = max(1, events // rows)
    statements += [
        _copy(url, "events", {name: value.format(step=step) for name, value in EVENTS.items()}, "t.target_id", created)
        for step in range(steps)
    ]
    indexes = execute(url, INDEXES)
    # An index is built faster than kept, at a million rows many times.
    dropped, built = [f"DROP INDEX {name}" for name, _ in indexes], [str(definition) for _, definition in indexes]
    execute(url, *SETTINGS, *dropped, *statements, *built, "VACUUM ANALYZE")
    account_id = str(execute(url, "SELECT id FROM accounts")[0][0])
    return Filled(account_id, *tokens, agents)


def _make(port: int, token: str, number: int) -> str:
    values = agent_values(f"{SUBJECTS[number % len(SUBJECTS)]} agent {chr(97 + number % 26)}{number}")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    answer = ask(port, Request("POST", API, 201, headers, json.dumps(values)))
    found: str = json.loads(answer.partition(b"\r\n\r\n")[2])["id"]
    return found


def _copy(url: str, table: str, own: Mapping[str, str], agent: str, condition: str = "") -> str:
    """The statement that copies the rows of the samples. `agent` is the column with the id of the agent."""
    question = f"SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0"
    columns = [str(row[0]) for row in execute(url, f"{question} AND NOT attisdropped AND attgenerated = ''")]
    values = [own.get(column, f"t.{column}") for column in columns]
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} FROM copies c "
        + f"JOIN {table} t ON {agent} = c.sample {condition}"
    )
