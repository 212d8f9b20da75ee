"""Helpers that say who acts, and who can do what: one table, which every operation asks."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from agents_app.db import now
from agents_app.errors import CodeNeeded, Forbidden
from agents_app.values.choices import Door, Role, Scope, SignInMethod

# How long a code of the second factor counts for changes that give or take access.
CODE_COUNTS_FOR = timedelta(minutes=10)
RANK = {Role.VIEWER: 1, Role.EDITOR: 2, Role.ADMIN: 3}


@dataclass(frozen=True)
class Visitor:
    """Where a request comes from, as the door reports it. The terminal reports nothing."""

    address: str | None = None
    user_agent: str = ""
    request_id: str | None = None


@dataclass(frozen=True)
class Actor:
    """Who asks for an operation, as the door established it. The account never comes from the client.

    A person has a role. A token has scopes, and the current role of its maker (None if the maker was deleted or
    deactivated).
    """

    account_id: UUID
    name: str
    door: Door
    user_id: UUID | None = None
    token_id: UUID | None = None
    role: Role | None = None
    scopes: frozenset[Scope] = frozenset()
    agent_ids: frozenset[UUID] = field(default_factory=frozenset)
    email: str = ""
    owner_name: str | None = None
    """The name of the person whose token it is. None if it has no owner, and for who is no token."""
    account_name: str = ""
    visitor: Visitor = Visitor()
    idle_until: datetime | None = None
    """When the session of a person ends if no other page is loaded. None for tokens and at the terminal."""
    ends_at: datetime | None = None
    """When it ends in any case."""
    method: SignInMethod | None = None
    """How the person signed in. None for tokens and at the terminal."""
    confirmed_at: datetime | None = None
    """When the person last gave a code of their second factor in this session."""
    has_second_factor: bool = False
    """Whether the person has a second factor that this session asks for. The provider has its own factors."""
    newest_event: UUID | None = None
    """The newest event of the account when the session was looked up. None for tokens and at the terminal."""
    must_set_up_second_factor: bool = False
    """Whether the account requires a second factor in this session, and the person has none."""

    @property
    def person(self) -> str | None:
        """The name of the person who acts, also with a token. None if nobody of the account does."""
        return self.owner_name if self.token_id else self.name if self.user_id else None

    def without_user(self) -> "Actor":
        """The same actor without the id of a user whose row is deleted."""
        return replace(self, user_id=None)

    def may(self, permission: str) -> bool:
        """Whether this actor has this permission of PERMISSIONS."""
        least, scope = PERMISSIONS[permission]
        if self.token_id is not None and scope not in self.scopes:
            return False
        if self.token_id is not None and scope is Scope.RUNTIME:
            return True
        return self.role is not None and least is not None and RANK[self.role] >= RANK[least]

    def require(self, permission: str) -> None:
        """Raise Forbidden, with what is needed, unless this actor has this permission."""
        if self.may(permission):
            return
        least, scope = PERMISSIONS[permission]
        if self.token_id is not None and scope is None:
            raise Forbidden("API tokens cannot do this. Use the pages or the terminal.")
        if self.token_id is not None and scope not in self.scopes:
            raise Forbidden(f"This needs a token with the scope {scope}.", code="scope_missing")
        if self.token_id is not None:
            raise Forbidden(f"This needs a token whose owner is {_roles_from(least)}.", code="role_missing")
        if least is None:
            raise Forbidden(f"This needs an API token with the scope {scope}.", code="scope_missing")
        raise Forbidden(f"Only {_roles_from(least)} can do this.", code="role_missing")

    def require_to_change(self, permission: str) -> None:
        """Raise Forbidden as `require` does, and CodeNeeded as `require_recent_code` does.

        Every operation that changes people, tokens or the account calls this.
        """
        self.require(permission)
        self.require_recent_code()

    def require_recent_code(self) -> None:
        """Raise CodeNeeded where the person has a second factor and gave no code of it in the last ten minutes."""
        if self.has_second_factor and (self.confirmed_at is None or self.confirmed_at < now() - CODE_COUNTS_FOR):
            raise CodeNeeded("Confirm with a code of your second factor. Nothing was changed yet.")


def _roles_from(role: Role | None) -> str:
    return {Role.VIEWER: "a viewer, editor or admin", Role.EDITOR: "an editor or admin"}.get(
        role or Role.ADMIN, "an admin"
    )


# For each permission the least role, and the scope that a token needs. None means that it is never given that way.
PERMISSIONS: dict[str, tuple[Role | None, Scope | None]] = {
    "agents.read": (Role.VIEWER, Scope.READ),
    "agents.create": (Role.EDITOR, Scope.WRITE),
    "agents.update": (Role.EDITOR, Scope.WRITE),
    "agents.test": (Role.EDITOR, Scope.WRITE),
    "agents.clone": (Role.EDITOR, Scope.WRITE),
    "agents.enable": (Role.EDITOR, Scope.WRITE),
    "agents.disable": (Role.EDITOR, Scope.WRITE),
    "agents.delete": (Role.ADMIN, Scope.WRITE),
    "agents.restore": (Role.EDITOR, Scope.WRITE),
    "agents.restore_deleted": (Role.ADMIN, Scope.WRITE),
    "agents.import": (Role.ADMIN, Scope.WRITE),
    "agents.runtime": (None, Scope.RUNTIME),
    "events.read": (Role.VIEWER, None),
    "tokens.manage": (Role.ADMIN, None),
    "users.manage": (Role.ADMIN, None),
    "accounts.manage": (Role.ADMIN, None),
    "system.read": (Role.ADMIN, None),
}
