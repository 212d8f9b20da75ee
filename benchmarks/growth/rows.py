"""Fills a database of this release: three accounts, of which one has nearly all agents, with their history.

The console makes the samples. The rest are copies that the database makes itself, with ids, names and times of their
own. Twice as many versions and events as agents are made; one agent has a tenth of them. The facts of the copies:

- 2 % are disabled, 1 % lack a value, 0.5 % expire soon; as many as 2 % more were deleted
- 500 owners, 12 models, 50 people who made them; every fifth has labels
- three fifths were tested, and 2 % of these tests failed, 4 % are out of date
- a tenth is fetched by 200 runtimes, some of which have stopped long ago
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from flask import Flask

from agents_app.db import Base, db, now
from agents_app.operations.permissions import Actor
from agents_app.probes.results import Finding, Result
from agents_app.values.choices import Environment, ModelProvider
from benchmarks.growth.dialects import Dialect, dialect_of, execute
from tests.make import make_agent, make_last_test, make_token, make_user

SAMPLES, MODELS, OWNERS, PEOPLE, RUNTIMES = 60, 12, 500, 50, 200
SUBJECTS = ("Sales", "Orders", "Stock", "Report", "Revenue", "Returns")
PROVIDERS, ENVIRONMENTS = tuple(ModelProvider), tuple(Environment)
# The seconds from one agent to the one made before it.
APART_S = 30

NUMBERS = """CREATE TEMPORARY TABLE numbers AS
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {rows})
SELECT n FROM numbers"""
SAMPLES_TABLE = """CREATE TEMPORARY TABLE samples AS
SELECT id, row_number() OVER (ORDER BY created_at, id) - 1 AS number FROM agents"""
PEOPLE_TABLE = """CREATE TEMPORARY TABLE people AS
SELECT id, account_id, row_number() OVER (PARTITION BY account_id ORDER BY id) - 1 AS number FROM users"""
COPIES = """CREATE TEMPORARY TABLE copies AS
SELECT n, {id} AS id, s.id AS sample, p.id AS person, p.account_id, {made_at} AS made_at, {changed_at} AS changed_at,
    'Owner ' || (n % {owners}) AS owner, n > {alive} AS is_deleted
FROM numbers JOIN samples s ON s.number = n % {samples}
JOIN people p ON p.account_id = CASE n % 200 WHEN 0 THEN {third} WHEN 1 THEN {second} ELSE {first} END
    AND p.number = n % CASE WHEN n % 200 < 2 THEN 1 ELSE {people} END"""

# For each table: the rows that are copied, and the columns that a copy has of its own. `t` is the row of the sample.
LIVE = "agents t JOIN copies c ON t.id = c.sample WHERE NOT c.is_deleted"
AGENTS = {
    "id": "c.id",
    "account_id": "c.account_id",
    "name": "t.name || ' ' || c.n",
    "name_key": "t.name_key || ' ' || c.n",
    "search_text": "replace(replace(t.search_text, t.name_key, t.name_key || ' ' || c.n), 'owner 0', lower(c.owner))",
    "owner": "c.owner",
    "external_id": "CASE WHEN c.n % 10 = 3 THEN 'external-' || c.n END",
    "status": "CASE WHEN c.n % 50 = 0 THEN 'disabled' ELSE 'active' END",
    "attention_date": "CASE WHEN c.n % 100 = 3 THEN {incomplete} WHEN c.n % 200 = 5 THEN {soon} END",
    "created_by": "c.person",
    "created_at": "c.made_at",
    "updated_at": "c.changed_at",
    "version": "2",
    "examined_version": "2",
}
MADE = "agent_versions t JOIN copies c ON t.agent_id = c.sample WHERE t.version = 1"
VERSION = {"agent_id": "c.id", "account_id": "c.account_id", "user_id": "c.person"}
CHANGE = "CASE WHEN c.is_deleted THEN 'agent.deleted' ELSE 'agent.updated' END"
FIRST = VERSION | {"created_at": "c.made_at"}
SECOND = VERSION | {"version": "2", "action": CHANGE, "created_at": "c.changed_at"}
TESTED = "connection_tests t JOIN copies c ON t.agent_id = c.sample WHERE NOT c.is_deleted"
TESTS = {
    "agent_id": "c.id",
    "account_id": "c.account_id",
    "version": "2",
    "valid_for_version": "CASE WHEN c.n % 25 = 2 THEN 1 ELSE 2 END",
    "outcome": "CASE WHEN c.n % 51 = 0 THEN 'failed' WHEN c.n % 10 = 1 THEN 'warning' ELSE 'passed' END",
    "tested_at": "c.changed_at",
    "user_id": "c.person",
}
HAPPENED = "events t JOIN copies c ON t.target_id = c.sample WHERE t.action = 'agent.created'"
EVENT = {
    "id": "{event_id}",
    "account_id": "c.account_id",
    "target_id": "c.id",
    "target_name": "t.target_name || ' ' || c.n",
    "user_id": "c.person",
}
CREATED = EVENT | {"created_at": "c.made_at"}
CHANGED = EVENT | {"created_at": "c.changed_at", "action": CHANGE, "details": "{details}"}
SIGNED_IN = EVENT | {
    "created_at": "c.changed_at",
    "action": "'user.signed_in'",
    **dict.fromkeys(("target_kind", "target_id", "target_name"), "NULL"),
}
LONG = {"version": "n + 1", "action": "'agent.updated'", "created_at": "{of_long}"}
LONG_EVENT = {"id": "{long_id}", "action": "'agent.updated'", "created_at": "{of_long}", "details": "{long_details}"}
TOKENS = {"id": "{token_id}", "key_id": "'key' || n", "name": "'Runtime ' || n"}
READS = """INSERT INTO runtime_reads (agent_id, token_id, account_id, version, fetched_version, fetch_count,
    first_fetched_at, last_fetched_at, seen_at)
SELECT c.id, {reader}, c.account_id, 2, 2, 5, {long_ago}, {seen}, {seen}
FROM copies c WHERE c.n % 10 = 0 AND c.n % 200 <> 0 AND NOT c.is_deleted"""
SESSIONS = """INSERT INTO user_sessions (id, digest, user_id, created_at, last_seen_at, expires_at, method)
SELECT {session_id}, 'digest' || n, p.id, {recent}, {recent}, {future}, 'password'
FROM numbers JOIN people p ON p.account_id = {first} AND p.number = n % {people} WHERE n <= 500"""


@dataclass(frozen=True)
class Filled:
    """What is asked of a filled database: the admin of the great account, its tokens, and what is in it."""

    admin: Actor
    token: str
    runtime_token: str
    agent_id: UUID
    """An agent with a tenth of all versions."""


def fill(app: Flask, agents: int) -> Filled:
    """Fill the empty database of this app. `agents` is the number of agents that are not deleted."""
    accounts = [make_user(app, name="Ada", email=f"admin@{name}.example") for name in ("acme", "globex", "initech")]
    admin = accounts[0]
    for number in range(PEOPLE - 1):
        make_user(app, "editor", admin.account_id, name=f"Person {number}", email=f"person{number}@acme.example")
    samples = [_sample(app, admin, number) for number in range(SAMPLES)]
    filled = Filled(admin, make_token(app, admin, "read"), make_token(app, admin, "runtime"), samples[0])
    with app.app_context():
        engine = db.engine
    own = dialect_of(engine)
    execute(engine, *own.before, *_statements(own, agents, [one.account_id for one in accounts], engine, samples[0]))
    execute(engine, *own.before, *own.after)
    return filled


def _sample(app: Flask, admin: Actor, number: int) -> UUID:
    some = number % 5 == 0
    agent_id = make_agent(
        app,
        admin,
        name=f"{SUBJECTS[number % len(SUBJECTS)]} agent {chr(97 + number % 26)}{number}",
        description="Answers questions about orders, stock and revenue.",
        connection_type="POWERBI" if some else "DB",
        model_type=f"model-{number % MODELS}",
        model_provider=PROVIDERS[number % 3].value,
        environment=ENVIRONMENTS[number % 2].value,
        owner="Owner 0",
        labels={"team": f"team-{number % 7}", "tier": "gold"} if some else {},
        system_instructions="Answer in one paragraph. " * 8,
    )
    if number % 5 < 3:
        make_last_test(app, admin, agent_id, connection=Result((), Finding("timed_out")) if number == 1 else Result(()))
    return agent_id


def _statements(own: Dialect, agents: int, accounts: Sequence[UUID], engine: sa.Engine, long: UUID) -> list[str]:
    names = ("first", "second", "third")
    words = _words(own, agents) | {name: _literal(engine, one) for name, one in zip(names, accounts, strict=True)}
    of_long = f"numbers WHERE t.{{}} = {_literal(engine, long)} AND n < {agents // 10}"
    newest = f"api_tokens t, numbers WHERE t.created_at = (SELECT max(created_at) FROM api_tokens) AND n <= {RUNTIMES}"
    return [
        *(one.format(**words) for one in (NUMBERS, SAMPLES_TABLE, PEOPLE_TABLE, COPIES)),
        "CREATE INDEX copies_of_sample ON copies (sample)",
        _copy("agents", AGENTS, LIVE, words),
        _copy("agent_versions", FIRST, MADE, words),
        _copy("agent_versions", SECOND | {"kept_secrets": "{kept}"}, MADE, words),
        _copy("connection_tests", TESTS, TESTED, words),
        _copy("events", CREATED, HAPPENED, words | {"step": "1"}),
        _copy("events", CHANGED, HAPPENED, words | {"step": "2"}),
        _copy("events", SIGNED_IN, f"{HAPPENED} AND c.n % 20 = 0", words | {"step": "3"}),
        _copy("agent_versions", LONG, f"agent_versions t, {of_long.format('agent_id')} AND t.version = 1", words),
        _copy("events", LONG_EVENT, f"events t, {of_long.format('target_id')} AND t.action = 'agent.created'", words),
        f"UPDATE agents SET version = {agents // 10}, examined_version = {agents // 10} "
        + f"WHERE id = {_literal(engine, long)}",
        _copy("api_tokens", TOKENS, newest, words),
        READS.format(**words),
        SESSIONS.format(**words),
    ]


def _words(own: Dialect, agents: int) -> dict[str, str]:
    """What the statements have in braces, as this database writes it."""
    day_s = 86_400
    return {
        "rows": str(agents + agents // 50),
        "alive": str(agents),
        "samples": str(SAMPLES),
        "owners": str(OWNERS),
        "people": str(PEOPLE),
        "id": own.uuid.format("'agent' || n"),
        "event_id": own.uuid.format("'event' || c.n || 'step{step}'"),
        "long_id": own.uuid.format("'long' || n"),
        "token_id": own.uuid.format("'token' || n"),
        "session_id": own.uuid.format("'session' || n"),
        "reader": own.uuid.format(f"'token' || (1 + c.n / 10 % {RUNTIMES})"),
        "made_at": own.ago.format(f"n * {APART_S}"),
        # Not in the order in which they were made.
        "changed_at": own.ago.format(f"n * {APART_S} - n % 9973 * 7919 % (n * {APART_S // 2} + 1)"),
        "of_long": own.ago.format(f"n * {APART_S}"),
        "seen": own.ago.format(f"CASE WHEN c.n % 1000 = 10 THEN {60 * day_s} ELSE c.n % 3600 END"),
        "long_ago": own.ago.format(str(90 * day_s)),
        "recent": own.ago.format("n"),
        "future": own.ago.format(str(-30 * day_s)),
        "incomplete": own.day.format("'0001-01-01'"),
        "soon": own.day.format(f"'{(now() + timedelta(days=10)).date()}'"),
        "kept": f"CASE WHEN c.is_deleted THEN {own.json.format(chr(39) + chr(123) + chr(125) + chr(39))} END",
        "details": own.json.format("""'{"version": 2}'"""),
        "long_details": own.json.format("""'{"version": ' || (n + 1) || '}'"""),
    }


def _copy(table: str, own: Mapping[str, str], rows: str, words: Mapping[str, str]) -> str:
    """The statement that copies rows of a table."""
    columns = [column.name for column in Base.metadata.tables[table].columns]
    values = [own.get(column, f"t.{column}") for column in columns]
    filled = ", ".join(_filled(value, words) for value in values)
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {filled} FROM {rows}"


def _filled(value: str, words: Mapping[str, str]) -> str:
    # Twice: the id of an event has the number of its step. JSON has braces too, so no `format`.
    for _ in range(2):
        for name, text in words.items():
            value = value.replace(f"{{{name}}}", text)
    return value


def _literal(engine: sa.Engine, record_id: UUID) -> str:
    """An id as this database stores it."""
    return f"'{record_id}'::uuid" if engine.name == "postgresql" else f"'{record_id.hex}'"
