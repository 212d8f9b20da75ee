"""Fills a database of the old release: accounts, tokens and some agents by that release, and the rest by SQL."""

import json
from pathlib import Path

import psycopg2

from benchmarks.migrations.load import API, Account, agent_values, send
from benchmarks.migrations.releases import BenchmarkError, Release, Server

ACCOUNTS = ("Acme", "Globex")
SAMPLES = 60
SUBJECTS = ("Sales", "Orders", "Stock", "Report", "Revenue", "Returns")
OWNERS = 10
PASSWORD = "a long pass phrase 27"
# Each account has this part of the rows.
PARTS = {"Acme": 0.8, "Globex": 0.2}

OWNER_ROWS = """
INSERT INTO users (id, account_id, email, name, role, is_active, created_at)
SELECT gen_random_uuid(), a.id, 'owner' || n || '@' || lower(a.name) || '.example', 'Owner ' || n, 'editor', true, now()
FROM accounts a, generate_series(1, {owners}) n
"""
# The samples, with their version and event; `owner` is a user of the account for each.
SAMPLE_TABLES = """
CREATE TEMPORARY TABLE samples AS
SELECT a.*, row_number() OVER (PARTITION BY a.account_id ORDER BY a.created_at, a.id) - 1 AS number,
    v.snapshot, v.changes, v.actor_name, e.door, e.token_id, e.details
FROM agents a
JOIN agent_versions v ON v.agent_id = a.id AND v.version = 1
JOIN events e ON e.target_id = a.id AND e.action = 'agent.created';
CREATE TEMPORARY TABLE owners AS
SELECT id, account_id, row_number() OVER (PARTITION BY account_id ORDER BY id) - 1 AS number FROM users;
CREATE TEMPORARY TABLE copies AS
SELECT md5(a.name || n)::uuid AS id, n, a.id AS account_id, n % {samples} AS sample, n % {owners} AS owner,
    now() - (n * interval '1 minute') AS made_at
FROM accounts a, generate_series(1, {rows}) n
WHERE n <= {rows} * CASE a.name WHEN 'Acme' THEN {acme} ELSE {globex} END;
ANALYZE samples; ANALYZE copies;
"""
AGENT_ROWS = """
INSERT INTO agents (id, name, description, status, model_type, api_key, system_instructions, connection_type,
    connection_config, account_id, created_by, created_at, updated_at, version, secret_facts, name_key, search_text)
SELECT c.id, s.name || ' ' || c.n, s.description, 'active', s.model_type, s.api_key, s.system_instructions,
    s.connection_type, s.connection_config, c.account_id, o.id, c.made_at, c.made_at, 1, s.secret_facts,
    s.name_key || ' ' || c.n, replace(s.search_text, s.name_key, s.name_key || ' ' || c.n)
FROM copies c JOIN samples s ON s.account_id = c.account_id AND s.number = c.sample
JOIN owners o ON o.account_id = c.account_id AND o.number = c.owner
"""
VERSION_ROWS = """
INSERT INTO agent_versions (agent_id, version, account_id, action, actor_name, user_id, created_at, snapshot, changes)
SELECT c.id, 1, c.account_id, 'agent.created', s.actor_name, o.id, c.made_at,
    s.snapshot || jsonb_build_object('name', s.name || ' ' || c.n, 'created_by', o.id, 'created_at', c.made_at),
    s.changes
FROM copies c JOIN samples s ON s.account_id = c.account_id AND s.number = c.sample
JOIN owners o ON o.account_id = c.account_id AND o.number = c.owner
"""
EVENT_ROWS = """
INSERT INTO events (id, account_id, created_at, action, door, actor_name, user_id, token_id, target_kind, target_id,
    target_name, address, details)
SELECT gen_random_uuid(), c.account_id, c.made_at, 'agent.created', s.door, s.actor_name, o.id, s.token_id, 'agent',
    c.id, s.name || ' ' || c.n, '192.0.2.7', s.details
FROM copies c JOIN samples s ON s.account_id = c.account_id AND s.number = c.sample
JOIN owners o ON o.account_id = c.account_id AND o.number = c.owner
"""


def fill(release: Release, url: str, rows: int, log: Path) -> tuple[Account, ...]:
    """Fill the empty database of this release with this number of agents. Returns the accounts, for the load."""
    tokens = {name: _account(release, name) for name in ACCOUNTS}
    server = Server(release, log)
    try:
        samples = {
            name: tuple(_sample(server, tokens[name][0], number) for number in range(SAMPLES)) for name in ACCOUNTS
        }
    finally:
        server.stop()
    sizes = {"rows": rows, "owners": OWNERS, "samples": SAMPLES, "acme": PARTS["Acme"], "globex": PARTS["Globex"]}
    statements = (OWNER_ROWS, SAMPLE_TABLES, AGENT_ROWS, VERSION_ROWS, EVENT_ROWS, "VACUUM ANALYZE")
    for_session = ("SET synchronous_commit = off", "SET work_mem = '64MB'")
    execute(url, *for_session, *(statement.format(**sizes) for statement in statements))
    return tuple(Account(*tokens[name], samples[name]) for name in ACCOUNTS)


def execute(url: str, *statements: str) -> list[tuple[object, ...]]:
    """Execute statements in one session, each in a transaction of its own. Returns the rows of the last one."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


def _account(release: Release, name: str) -> tuple[str, str]:
    # Its two tokens: one that reads and writes, one of a runtime.
    email = f"admin@{name.lower()}.example"
    person = ("--name", f"Admin of {name}", "--email", email, "--organisation", name, "--password-stdin")
    release.flask("accounts", "create", *person, typed=PASSWORD)
    make = ("tokens", "create", "--account", name, "--name", "benchmark")
    return (
        release.flask(*make, "--scope", "read", "--scope", "write"),
        release.flask(*make, "--scope", "runtime"),
    )


def _sample(server: Server, token: str, number: int) -> str:
    name = f"{SUBJECTS[number % len(SUBJECTS)]} agent {chr(97 + number % 26)}{number}"
    status, answer = send(server.address, "POST", API, token, agent_values(name))
    if status != 201:
        raise BenchmarkError(f"{server.release.name} created no agent: {status} {answer.decode()}")
    found: str = json.loads(answer)["id"]
    return found
