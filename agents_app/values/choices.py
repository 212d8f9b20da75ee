"""The enums that columns, forms and the API share."""

from enum import StrEnum


class ConnectionType(StrEnum):
    """Where the data of an agent is. The values are those of the database type `connectiontype`."""

    POWERBI = "POWERBI"
    DB = "DB"


class AgentStatus(StrEnum):
    """Whether runtimes can fetch the agent."""

    ACTIVE = "active"
    DISABLED = "disabled"


# The API reference shows the docstrings of these two. `operations/permissions.py` says what each role and scope allows.
class Role(StrEnum):
    """What a user can do."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"


class Scope(StrEnum):
    """What an API token can do."""

    READ = "read"
    WRITE = "write"
    RUNTIME = "runtime"


class Door(StrEnum):
    """The door through which a request came."""

    PAGE = "page"
    TOKEN = "token"
    TERMINAL = "terminal"
