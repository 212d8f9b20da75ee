"""What an entry of the table of causes is."""

from dataclasses import dataclass
from enum import StrEnum


class Mender(StrEnum):
    """Who can remove a cause."""

    YOU = "you"
    DATABASE_ADMIN = "database_admin"
    NETWORK = "network"
    APPLICATION_OWNER = "application_owner"
    ENTRA_ADMIN = "entra_admin"
    WORKSPACE_ADMIN = "workspace_admin"
    FABRIC_ADMIN = "fabric_admin"
    PROVIDER_ADMIN = "provider_admin"
    WAIT = "wait"
    US = "us"


MENDER_LABELS = {
    Mender.YOU: "You",
    Mender.DATABASE_ADMIN: "Database administrator",
    Mender.NETWORK: "Network administrator",
    Mender.APPLICATION_OWNER: "Owner of the Entra application",
    Mender.ENTRA_ADMIN: "Entra administrator",
    Mender.WORKSPACE_ADMIN: "Workspace administrator",
    Mender.FABRIC_ADMIN: "Fabric administrator",
    Mender.PROVIDER_ADMIN: "Administrator of the model provider's account",
    Mender.WAIT: "Nobody: wait, and try again",
    Mender.US: "The maintainers of Agent Console",
}


@dataclass(frozen=True)
class Cause:
    """Why a step failed or warns: what is wrong, what to do, and who can do it.

    `what` and `next_step` are sentences with the names of facts in braces, such as {database}.
    """

    what: str
    next_step: str
    mender: Mender
