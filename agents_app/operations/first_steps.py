"""Helpers for the first steps of an account: create an agent, test it, let a runtime fetch it.

Nothing records them: they are read from what the account has.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from agents_app.models import Agent, AgentVersion, ApiToken, ConnectionTest, Event
from agents_app.operations import started_tests
from agents_app.operations.permissions import Actor
from agents_app.probes.results import Outcome
from agents_app.values.choices import Scope

ACCOUNT: sa.BindParameter[UUID] = sa.bindparam("account_id")
# A fetch needs a runtime token that was used. Without one, the events of the account are not searched.
RUNTIME_SINCE = (
    sa.select(sa.func.min(ApiToken.created_at))
    .where(ApiToken.account_id == ACCOUNT, ApiToken.last_used_at.is_not(None))
    .where(sa.cast(ApiToken.scopes, sa.Text).contains(f'"{Scope.RUNTIME}"'))
    .scalar_subquery()
)
IS_FETCH = sa.and_(Event.account_id == ACCOUNT, Event.created_at >= RUNTIME_SINCE, Event.action == "agent.fetched")
IS_TEST = sa.and_(ConnectionTest.account_id == ACCOUNT, ConnectionTest.is_sample.is_(False))
NEWEST = sa.select(Agent.id).where(Agent.account_id == ACCOUNT).order_by(Agent.created_at.desc(), Agent.id.desc())
COLUMNS = (
    sa.exists().where(AgentVersion.account_id == ACCOUNT).label("has_version"),
    sa.exists().where(IS_TEST, ConnectionTest.outcome != Outcome.FAILED).label("has_test"),
    sa.select(ConnectionTest.agent_id)
    .where(IS_TEST, ConnectionTest.outcome == Outcome.FAILED)
    .order_by(ConnectionTest.tested_at.desc())
    .limit(1)
    .scalar_subquery()
    .label("failed_id"),
    sa.exists().where(IS_FETCH).label("has_fetch"),
    NEWEST.limit(1).scalar_subquery().label("newest_id"),
)

"""What is read of an account that is not known to be done."""

# The accounts that this process has found to be done. They are not read again.
_done: set[UUID] = set()


@dataclass(frozen=True)
class FirstSteps:
    """Which of the first steps are done. `has_test`: a test passed, perhaps with warnings. It is None where
    CONNECTION_TESTS is off: then it is no step.
    """

    has_agent: bool
    has_test: bool | None
    has_fetch: bool
    newest_id: UUID | None
    """The newest agent, for the links of the next steps."""
    failed_id: UUID | None
    """The agent whose test failed last. None if none failed."""

    @property
    def are_done(self) -> bool:
        """Whether there is nothing left to do. With a fetch, a test that failed is enough."""
        return self.has_agent and (self.has_test is not False or self.failed_id is not None) and self.has_fetch


def columns(actor: Actor, *, has_agents: bool) -> tuple[sa.ColumnElement[Any], ...]:
    """The columns that the list of agents reads for `progress`. None once all steps are done.

    A person who cannot create an agent is shown the steps only while the account has no agents.
    """
    is_shown = actor.account_id not in _done and (actor.may("agents.create") or not has_agents)
    return COLUMNS if is_shown else ()


def progress(actor: Actor, row: sa.Row[*tuple[Any, ...]]) -> FirstSteps | None:
    """The first steps of the account, from a row with `columns`. None where there are none, and once all are done.

    A deleted agent counts as created. The samples of `flask demo` do not count as tests.
    """
    if "has_version" not in row._mapping:
        return None
    has_agent = bool(row.has_version) or row.newest_id is not None
    has_test = None if started_tests.off_sentence() else bool(row.has_test)
    found = FirstSteps(has_agent, has_test, bool(row.has_fetch), row.newest_id, row.failed_id)
    if not found.are_done:
        return found
    _done.add(actor.account_id)
    return None
