"""Helpers for the external id of an agent: the database refuses a second agent of the account with the same one."""

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from agents_app.database.errors import violates_index
from agents_app.errors import InvalidInput
from agents_app.models.agent import EXTERNAL_ID_INDEX

TAKEN = "Another agent has this external ID. Use each external ID for one agent only."
REUSED = "Another agent has the external ID of the deleted agent now. Change it there, then restore the deleted agent."
REUSED_SINCE = (
    "Another agent has the external ID of this version now. Change it there, then restore this version again."
)
REUSED_CODE = "external_id_reused"


def flush(session: Session) -> None:
    """Send the changed rows to the database. Raises InvalidInput if another agent of the account has the external id.

    The database is not asked before, as another request can store the same id at any time.
    """
    try:
        session.flush()
    except IntegrityError as error:
        if violates_index(error, EXTERNAL_ID_INDEX, "agents.external_id"):
            raise InvalidInput([("/external_id", TAKEN)]) from None
        raise
