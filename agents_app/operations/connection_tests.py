"""Operations that test the connection and the model of an agent. `probes/` says how each kind is tested.

While a test runs, no connection to the console's own database is in use.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.config import settings
from agents_app.connections import TYPES
from agents_app.db import db, now
from agents_app.errors import NotFound
from agents_app.models import Agent, ConnectionTest
from agents_app.operations import (
    agent_secrets,
    encryption_keys,
    event_records,
    own_database,
    read_only_members,
    sample_results,
    started_tests,
    test_results,
)
from agents_app.operations import agent_states as states
from agents_app.operations.agent_states import State
from agents_app.operations.agent_writes import NO_AGENT
from agents_app.operations.permissions import Actor
from agents_app.operations.tested_values import Subject, refused_parts, without_secrets
from agents_app.probes import runner
from agents_app.probes.network.addresses import AddressRules
from agents_app.schemas import agents as schema
from agents_app.schemas.agents import CONFIG
from agents_app.values.fields import is_empty

UNNAMED = "Agent without a name"


def run(actor: Actor, agent_id: UUID, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Test an agent as it would be after these changes, which are not saved. Returns the result.

    A stored secret is used only where the change would keep it. Without a change of what is tested, the result is
    stored as the last test of the agent (`is_saved`). Raises Forbidden, NotFound, InvalidInput, Throttled, Unavailable.
    """
    actor.require("agents.test")
    started_tests.require_on()
    row = _read(actor, agent_id)
    old = states.of_agent(row)
    draft = _draft_of_change(actor, agent_id, old, changes or {})
    subject = _subject_of_change(actor, agent_id, draft, old)
    is_saved = _is_unchanged(draft, old)
    results, at = _test(actor, subject), now()
    with db.transaction() as session:
        if is_saved:
            _store(session, actor, row, old, results, at, is_sample=False)
        action = "agent.tested" if is_saved else "agent.changes_tested"
        _record(session, actor, action, results, ("agent", agent_id, row.name), version=row.version)
    version = row.version if is_saved else None
    return test_results.result_of(results, version, at, actor.name) | {"is_saved": is_saved}


def run_unsaved(actor: Actor, values: Mapping[str, Any]) -> dict[str, Any]:
    """Test the values of an agent that is not stored. It needs no name. Returns the result.

    Raises Forbidden, InvalidInput, Throttled, Unavailable.
    """
    actor.require("agents.test")
    started_tests.require_on()
    named = {**values, "name": UNNAMED} if is_empty(values.get("name")) else values
    draft = schema.draft_of_new(named)
    given = {pointer: value for pointer, value in draft.secrets.items() if value is not None}
    results = _test(actor, Subject(draft.fields, draft.config, given))
    with db.transaction() as session:
        _record(session, actor, "agent.values_tested", results)
    return test_results.result_of(results, None, now(), actor.name) | {"is_saved": False}


def store_sample(actor: Actor, agent_id: UUID, number: int) -> None:
    """Store a sample result as the last test of a new agent, marked as a sample. `flask demo` gives the number.

    Some agents get none. What an incomplete agent lacks is the cause, as in a test. Raises Forbidden, NotFound.
    """
    actor.require("agents.test")
    row = _read(actor, agent_id)
    old = states.of_agent(row)
    made = sample_results.sample({**old.fields, CONFIG: old.config}, number)
    made |= refused_parts(Subject(old.fields, old.config, old.secrets.encrypted))
    if made:
        with db.transaction() as session:
            _store(session, actor, row, old, test_results.stored(made), now(), is_sample=True)


def address_rules() -> AddressRules:
    """The addresses to which tests may connect on this server."""
    known = settings()
    return AddressRules(known.connection_test_networks, known.public_url is None, own_database.places())


def _read(actor: Actor, agent_id: UUID) -> Any:
    query = sa.select(*sa.inspect(Agent).columns).where(Agent.id == agent_id, Agent.account_id == actor.account_id)
    with db.reading() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(NO_AGENT)
    return row


def _draft_of_change(actor: Actor, agent_id: UUID, old: State, changes: Mapping[str, Any]) -> schema.Draft:
    """The draft after changes, which can be the whole agent as it was read. Raises InvalidInput with every problem."""
    with db.reading() as connection:
        sent = read_only_members.split(connection, actor, agent_id, changes)
    draft = read_only_members.made_of(sent, partial(states.draft_of_change, old))
    sent.require_current()
    return draft


def _subject_of_change(actor: Actor, agent_id: UUID, draft: schema.Draft, old: State) -> Subject:
    keyring, pointers = settings().keys.encryption, schema.secret_pointers(draft.connection_type)
    kept = {p: value for p, value in old.secrets.encrypted.items() if p in pointers and p not in draft.secrets}
    unreadable = tuple(
        p for p, value in kept.items() if not agent_secrets.can_decrypt(keyring, actor.account_id, agent_id, p, value)
    )
    readable = {p: value for p, value in kept.items() if p not in unreadable}
    stored = agent_secrets.decrypt(keyring, actor.account_id, agent_id, readable)
    given = {pointer: value for pointer, value in draft.secrets.items() if value is not None}
    key_problem = encryption_keys.find_problem() if unreadable else None
    return Subject(draft.fields, draft.config, stored | given, unreadable, key_problem or "")


def _is_unchanged(draft: schema.Draft, old: State) -> bool:
    changes_secret = any(value is not None or p in old.secrets.encrypted for p, value in draft.secrets.items())
    return not changes_secret and states.tested(states.of_draft(draft, old.secrets)) == states.tested(old)


def _test(actor: Actor, subject: Subject) -> dict[str, Any]:
    """The results of the parts, in JSON types."""
    results = refused_parts(subject)
    requests = {part: request for part, request in _requests(subject).items() if part not in results}
    # A test that connects to nothing counts too: each one is an event.
    with started_tests.place(actor):
        db.release()
        found = runner.run(list(requests.values()))
    results |= {part: without_secrets(part, one, subject) for part, one in zip(requests, found, strict=True)}
    return test_results.stored(results)


def _requests(subject: Subject) -> dict[str, runner.Request]:
    """The request of each part. An agent without a model provider has no model to test."""
    rules, declaration = address_rules(), TYPES[subject.fields["connection_type"]]
    probe, model = declaration.probe_name(subject.config), {name: subject.fields[name] for name in states.MODEL}
    values = {"connection": (probe, subject.config)} | ({"model": ("model", model)} if model["model_provider"] else {})
    return {
        part: runner.Request(probe, {**public, **subject.secrets_of(part)}, rules)
        for part, (probe, public) in values.items()
    }


def _store(
    session: Session, actor: Actor, row: Any, old: State, results: dict[str, Any], at: datetime, *, is_sample: bool
) -> None:
    query = sa.select(Agent).where(Agent.id == row.id, Agent.account_id == actor.account_id)
    agent = session.scalars(query.with_for_update(key_share=True)).one_or_none()
    known = session.get(ConnectionTest, row.id)
    if agent is None or (known is not None and known.version > row.version):
        return  # it was deleted, or a later version was tested, while the test ran
    outcome, cause = test_results.outcome_and_cause(results)
    is_unchanged = states.tested(states.of_agent(agent)) == states.tested(old)
    session.merge(
        ConnectionTest(
            agent_id=row.id,
            account_id=actor.account_id,
            version=row.version,
            valid_for_version=agent.version if is_unchanged else row.version,
            tested_at=at,
            user_id=actor.user_id,
            actor_name=actor.name,
            outcome=outcome,
            cause=cause,
            result=results,
            is_sample=is_sample,
        )
    )


def _record(
    session: Session,
    actor: Actor,
    action: str,
    results: dict[str, Any],
    target: tuple[str, UUID, str] | None = None,
    **details: Any,
) -> None:
    outcome, cause = test_results.outcome_and_cause(results)
    event_records.add(session, actor, action, target, outcome=outcome, cause=cause, **details)
