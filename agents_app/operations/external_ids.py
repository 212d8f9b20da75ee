"""Helpers for the external id of an agent: the database refuses a second agent of the account with the same one."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from agents_app.database.errors import violates_index
from agents_app.database.prepared import prepared
from agents_app.errors import InvalidInput, NotFound
from agents_app.models import Agent
from agents_app.models.agent import EXTERNAL_ID_INDEX
from agents_app.operations.permissions import Actor
from agents_app.schemas.agents import draft_of_new
from agents_app.schemas.change_notes import draft_and_note
from agents_app.schemas.external_ids import ExternalIdValues
from agents_app.values.fields import is_empty, normalise, parse

NAME = "external_id"
TAKEN = "Another agent has this external ID. Use each external ID for one agent only."
REUSED = "Another agent has the external ID of the deleted agent now. Change it there, then restore the deleted agent."
REUSED_SINCE = (
    "Another agent has the external ID of this version now. Change it there, then restore this version again."
)
REUSED_CODE = "external_id_reused"
NO_AGENT = "There is no agent with this external ID."
ANOTHER = (
    "This is not the external ID in the path. Leave external_id out, or send the same. To change it, send a PATCH to "
    + "/agents/{agent_id}."
)

FOUND = prepared(
    sa.select(Agent.id).where(Agent.account_id == sa.bindparam("account_id"), Agent.external_id == sa.bindparam(NAME))
)


class ExternalIdTaken(InvalidInput):
    """Another agent of the account has the external id."""

    def __init__(self) -> None:
        super().__init__([("/external_id", TAKEN)])


@contextmanager
def kept_unique() -> Iterator[None]:
    """For the statements that write agents. Raises ExternalIdTaken if another agent has the external id of one.

    The database is not asked before, as another request can store the same id at any time.
    """
    try:
        yield
    except IntegrityError as error:
        if violates_index(error, EXTERNAL_ID_INDEX, "agents.external_id"):
            raise ExternalIdTaken from None
        raise


def find(connection: Connection, actor: Actor, text: str) -> UUID:
    """The id of the agent of the account with this external id, however it is spelled. Raises NotFound."""
    with suppress(InvalidInput):
        # A text that the rule refuses is stored nowhere, and a database may refuse to compare it.
        if agent_id := connection.scalar(FOUND, {"account_id": actor.account_id, NAME: read(text)}):
            return agent_id
    raise NotFound(NO_AGENT)


def read(text: str) -> str:
    """The external id of a path as it is stored. Raises InvalidInput."""
    return parse(ExternalIdValues, {NAME: text}).external_id


def values_with(text: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the agent whose external id is in the path. Raises InvalidInput, also if they have another one.

    Then it names everything else that is wrong in them too.
    """
    problems: list[tuple[str, str]] = []
    wanted, sent = "", values.get(NAME)
    try:
        wanted = read(text)
        if not is_empty(sent) and normalise(ExternalIdValues, NAME, sent) != wanted:
            problems = [(f"/{NAME}", ANOTHER)]
    except InvalidInput as refusal:
        problems = refusal.fields
    if problems:
        rest = {name: value for name, value in values.items() if name != NAME}
        try:
            draft_and_note(draft_of_new, rest)
        except InvalidInput as refusal:
            problems += refusal.fields
        raise InvalidInput(problems)
    return {**values, NAME: wanted}
