"""The closed lists of values: columns, forms and the API take their choices from here."""

from enum import StrEnum


class ConnectionType(StrEnum):
    """Where an agent's data is; the labels of the database type `connectiontype`."""

    POWERBI = "POWERBI"
    DB = "DB"


class AgentStatus(StrEnum):
    """Whether runtimes may fetch the agent."""

    ACTIVE = "active"
    DISABLED = "disabled"


class Role(StrEnum):
    """What a person may do; see `operations/permissions.py`."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"


class Scope(StrEnum):
    """What an API token may do; see `operations/permissions.py`."""

    READ = "read"
    WRITE = "write"
    RUNTIME = "runtime"


class Door(StrEnum):
    """Through which door somebody came."""

    PAGE = "page"
    TOKEN = "token"
    TERMINAL = "terminal"
