"""Helpers for the rows of agents: the columns that each kind of reading selects, and what is shown of a row."""

from operator import attrgetter
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Row, result_tuple

from agents_app.config import settings
from agents_app.connections import TYPES
from agents_app.database.prepared import prepared
from agents_app.models import Agent, AgentVersion, ConnectionTest, RuntimeRead, User
from agents_app.operations import agent_secrets, attention_columns, attention_reasons, test_results, token_owners
from agents_app.operations.agent_list_statements import OF_ACCOUNT
from agents_app.operations.permissions import Actor
from agents_app.schemas.agents import CONFIG, FIELDS
from agents_app.values.choices import Door

AnyRow = Row[*tuple[Any, ...]]

TITLE_FIELDS = sorted({name for declaration in TYPES.values() for name in declaration.title_fields})
SHORT = (
    Agent.id,
    Agent.name,
    Agent.description,
    Agent.status,
    Agent.status_reason,
    Agent.external_id,
    Agent.owner,
    Agent.environment,
    Agent.labels,
    Agent.model_provider,
    Agent.model_type,
    Agent.api_key_expires_at,
    # As text: an older release that runs at the same time lists agents of types that it does not know.
    sa.type_coerce(Agent.connection_type, sa.String).label("connection_type"),
    Agent.credential_expires_at,
    Agent.version,
    Agent.created_at,
    Agent.updated_at,
    Agent.created_by,
)
SHORT_NAMES = tuple(column.key for column in SHORT)
SHORT_VALUES = attrgetter(*SHORT_NAMES)
# The columns that are too long for a list.
LONG = tuple(getattr(Agent, name) for name in FIELDS if name not in SHORT_NAMES)
# The newest version of an agent has the number of the agent.
LAST_CHANGE = sa.and_(AgentVersion.agent_id == Agent.id, AgentVersion.version == Agent.version)


def of_account(*columns: Any) -> sa.Select[*tuple[Any, ...]]:
    """Select agents of an account: the short columns, their last test, who created and changed them, and `columns`."""
    return (
        sa.select(
            *SHORT,
            *test_results.COLUMNS,
            User.name.label("creator"),
            AgentVersion.actor_name.label("updated_by"),
            token_owners.owner_of(AgentVersion).label("updated_by_token_owner"),
            *columns,
        )
        .outerjoin(User, User.id == Agent.created_by)
        .outerjoin(AgentVersion, LAST_CHANGE)
        .outerjoin(ConnectionTest, ConnectionTest.agent_id == Agent.id)
        .where(OF_ACCOUNT)
    )


WHOLE = of_account(*LONG, Agent.api_key, Agent.connection_config)
ONE = prepared(
    WHOLE.add_columns(Agent.secret_facts, ConnectionTest.result.label("test_result")).where(
        Agent.id == sa.bindparam("id")
    )
)
NAMES_OF_ONE = tuple(str(column.key) for column in ONE.selected_columns)
ROW_OF_ONE = result_tuple(NAMES_OF_ONE)
ONE_WITH_REASONS = attention_reasons.with_columns(ONE)
LAST_FETCHED_AT = sa.select(sa.func.max(RuntimeRead.last_fetched_at)).where(RuntimeRead.agent_id == Agent.id)
ONLY_IN_LISTS = (
    LAST_FETCHED_AT.scalar_subquery().label("last_fetched_at"),
    *(Agent.connection_config[name].as_string().label(f"title_{name}") for name in TITLE_FIELDS),
)
LIST = of_account(Agent.name_key, *ONLY_IN_LISTS)
ONE_AS_ANYWHERE = ONE.add_columns(*ONLY_IN_LISTS)
ON_PAGES = LIST.add_columns(
    ConnectionTest.result["connection", "facts"].label("test_facts"), attention_columns.IS_INCOMPLETE
)
ON_PAGES_WITH_REASONS = attention_reasons.with_columns(ON_PAGES)


def whole(row: AnyRow, account_id: UUID) -> dict[str, Any]:
    """One agent, with what is known of its secrets in place of their values. `row` has the columns of ONE."""
    shown = _short(row) | {column.key: row._mapping[column.key] for column in LONG}
    config = agent_secrets.shown_config(row.connection_type, row.connection_config)
    last_test = shown["last_test"] and {**shown["last_test"], "parts": test_results.parts(row.test_result)}
    return shown | {CONFIG: config, "secrets_set": _secrets_set(row, account_id), "last_test": last_test}


def as_created(agent: Agent, actor: Actor) -> dict[str, Any]:
    """The same as `whole` reads of an agent that this actor has just created. It was never tested."""
    made_by = {"creator": actor.person, "updated_by": actor.name}
    if actor.door is Door.TOKEN:
        made_by["updated_by_token_owner"] = actor.person
    row = ROW_OF_ONE([made_by[name] if name in made_by else getattr(agent, name, None) for name in NAMES_OF_ONE])
    return whole(row, actor.account_id)


def as_anywhere(row: AnyRow, account_id: UUID) -> dict[str, Any]:
    """The members of `whole` and of `item`. `row` has the columns of ONE_AS_ANYWHERE."""
    return item(row) | whole(row, account_id)


def item(row: AnyRow) -> dict[str, Any]:
    """One agent of a list. `row` has the columns of LIST."""
    titles = getattr(TYPES.get(row.connection_type), "title_fields", ())
    connection = {name: getattr(row, f"title_{name}") for name in titles}
    return _short(row) | {"connection": connection, "last_fetched_at": row.last_fetched_at}


def _secrets_set(row: AnyRow, account_id: UUID) -> dict[str, Any]:
    keyring, encrypted = settings().keys.encryption, agent_secrets.encrypted_values(row.api_key, row.connection_config)
    readable = {
        pointer: agent_secrets.can_decrypt(keyring, account_id, row.id, pointer, value)
        for pointer, value in encrypted.items()
    }
    facts = agent_secrets.shown_facts(encrypted, row.secret_facts)
    return {pointer: {**fact, "readable": readable.get(pointer, False)} for pointer, fact in sorted(facts.items())}


def _short(row: AnyRow) -> dict[str, Any]:
    shown = dict(zip(SHORT_NAMES, SHORT_VALUES(row), strict=True))
    return shown | {
        # PostgreSQL stores members in an order of its own, so what is read would differ from what was written.
        "labels": dict(sorted(row.labels.items())),
        "created_by": {"id": row.created_by, "name": row.creator} if row.created_by else None,
        "updated_by": row.updated_by,
        "updated_by_token_owner": row.updated_by_token_owner,
        "last_test": test_results.summary(row),
    }
