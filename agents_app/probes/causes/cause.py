"""What an entry of the table of causes is."""

from dataclasses import dataclass
from enum import StrEnum


class Responsible(StrEnum):
    """Who can remove a cause: the person who does the next step, or in doubt the one to ask first."""

    YOU = "you"
    DATABASE_ADMIN = "database_admin"
    NETWORK = "network"
    OPERATOR = "operator"
    APPLICATION_OWNER = "application_owner"
    ENTRA_ADMIN = "entra_admin"
    WORKSPACE_ADMIN = "workspace_admin"
    FABRIC_ADMIN = "fabric_admin"
    PROVIDER_ADMIN = "provider_admin"
    WAIT = "wait"
    US = "us"


RESPONSIBLE_LABELS = {
    Responsible.YOU: "You",
    Responsible.DATABASE_ADMIN: "Database administrator",
    Responsible.NETWORK: "Network administrator",
    Responsible.OPERATOR: "Operator of the console",
    Responsible.APPLICATION_OWNER: "Owner of the Entra application",
    Responsible.ENTRA_ADMIN: "Entra administrator",
    Responsible.WORKSPACE_ADMIN: "Workspace administrator",
    Responsible.FABRIC_ADMIN: "Fabric administrator",
    Responsible.PROVIDER_ADMIN: "Administrator of the model provider's account",
    Responsible.WAIT: "Nobody: wait, and try again",
    Responsible.US: "The maintainers of Agent Console",
}


@dataclass(frozen=True)
class Cause:
    """Why a step failed or warns: what is wrong, what to do, and who can do it.

    `what` and `next_step` are sentences with the names of facts in braces, such as {database}. If `next_step` is to run
    the statements of the result, `without_statements` is the next step where the result has none.
    """

    what: str
    next_step: str
    responsible: Responsible
    without_statements: str = ""
