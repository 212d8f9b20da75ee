"""Helpers for what the page of agents shows around the list: its tabs, the choices of its filters, the first steps.

PostgreSQL spends several times as much on these questions as on the list, and only acts change the answers. Each act
has an event. So a process keeps the answers while the newest event of the account is the same, which the lookup of the
session has read before. The list itself, and how many agents match its search and filters, are read for each page.

Kept answers are at most KEPT_FOR old: of two acts at the same time, the one with the earlier event may be visible last.
Until then a tab can have the number of agents from before this act, next to a list that shows it.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from agents_app.config import settings
from agents_app.db import now
from agents_app.operations import (
    agent_list_statements,
    attention_columns,
    filter_choices,
    first_steps,
    small_facts,
    started_tests,
)
from agents_app.operations.agent_list_statements import Tabs
from agents_app.operations.attention_columns import Found
from agents_app.operations.permissions import Actor

KEPT_FOR = timedelta(seconds=10)
# Of each account there are a few: after each event, and for people with other roles.
KEPT_MAX = 500
NO_TABS = Tabs(0, 0, 0, 0)
QUESTIONS = (*attention_columns.QUESTIONS, *filter_choices.QUESTIONS)


@dataclass(frozen=True)
class Around:
    """What is shown around the list."""

    found: Found
    """The agents that need attention, and who has left."""
    choices: filter_choices.FilterChoices
    has_agents: bool
    is_complete: bool = False
    """Whether `tabs` and `steps` are known too. Else `columns` are to be asked, with the list."""
    tabs: Tabs = NO_TABS
    steps: first_steps.FirstSteps | None = None


class KeptAnswers:
    """The answers that this process keeps, by what they depend on. The oldest ones are dropped first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, tuple[datetime, Around]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, moment: datetime) -> Around | None:
        """The answers under this key, unless they are too old at this moment."""
        kept_at, around = self._kept.get(key, (None, None))
        return around if kept_at and timedelta() <= moment - kept_at <= KEPT_FOR else None

    def keep(self, key: Hashable, around: Around, moment: datetime) -> None:
        """Keep these answers of this moment."""
        with self._lock:
            self._kept[key] = (moment, around)
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)


_kept = KeptAnswers()


def of(connection: Connection, actor: Actor) -> Around:
    """What is kept for this actor; else what one statement finds, which is not complete."""
    if actor.newest_event and (kept := _kept.get(_key(actor), now())):
        return kept
    facts = small_facts.read(connection, QUESTIONS, {"account_id": actor.account_id})
    found = attention_columns.find_by_facts(connection, actor.account_id, facts)
    return Around(found, filter_choices.of_facts(facts), filter_choices.has_agents(facts))


def columns(actor: Actor, around: Around) -> list[sa.ColumnElement[Any]]:
    """The columns that are still to be asked, for a statement with the parameter `account_id`."""
    if around.is_complete:
        return []
    steps = first_steps.columns(actor, has_agents=around.has_agents)
    return [*agent_list_statements.tab_counts(around.found.some), *steps]


def complete(actor: Actor, around: Around, row: Row[*tuple[Any, ...]]) -> Around:
    """The same with what the row of a statement with `columns` says. It is kept from now on."""
    whole = replace(around, is_complete=True, tabs=Tabs.of_row(row), steps=first_steps.progress(actor, row))
    # Outside pages, nothing says which event is the newest one.
    if actor.newest_event:
        _kept.keep(_key(actor), whole, now())
    return whole


def _key(actor: Actor) -> Hashable:
    # All that the answers depend on, besides the rows of the account: what the steps are, which keys can be read, and
    # which day it is.
    keys = tuple(settings().keys.encryption.ids)
    steps = (actor.may("agents.create"), started_tests.off_sentence())
    return (actor.account_id, actor.newest_event, now().date(), keys, steps)
