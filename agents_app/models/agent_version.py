"""The state of an agent after one change. The rows are kept when the agent is deleted."""

import uuid
from datetime import datetime
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from agents_app.db import Base, Json, OptionalJson, UtcDateTime, now
from agents_app.values import limits

AGENT_DELETED = sa.text("action = 'agent.deleted'")


class AgentVersion(Base):
    """One numbered change of an agent.

    `snapshot` has every field without the values of secrets. `changes` has the names of the changed fields, and of each
    changed secret "set", "replaced" or "removed"; the names of the changed fields of a configuration whose type stayed;
    for a copy the original as `cloned_from`; for a deletion the last test as `last_test`; for the undo of a bulk act
    that act as `undone_act`; for an undo and a restore the version as `restored_version`. `kept_secrets` has encrypted
    secrets of a deleted agent until they are purged. `door` is NULL for versions of 0.1.0 whose event is removed.
    `note` says why the change was made.
    """

    __tablename__ = "agent_versions"
    __table_args__ = (
        sa.Index(
            "ix_agent_versions_account_id_deleted",
            "account_id",
            "created_at",
            "agent_id",
            postgresql_where=AGENT_DELETED,
            sqlite_where=AGENT_DELETED,
        ),
    )

    DELETED: ClassVar = "agent.deleted"
    """The action of the version that a deletion makes."""

    DISABLED: ClassVar = "agent.disabled"
    """The action of a version that disables the agent. Its note is the reason, if there is no other note."""

    agent_id: Mapped[uuid.UUID] = mapped_column(sa.Uuid, primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    account_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    action: Mapped[str] = mapped_column(sa.String(50))
    actor_name: Mapped[str] = mapped_column(sa.String(limits.NAME))
    user_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("users.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    snapshot: Mapped[dict[str, Any]] = mapped_column(Json)
    changes: Mapped[dict[str, Any]] = mapped_column(Json)
    kept_secrets: Mapped[dict[str, Any] | None] = mapped_column(OptionalJson)
    door: Mapped[str | None] = mapped_column(sa.String(20))
    note: Mapped[str | None] = mapped_column(sa.String(limits.CHANGE_NOTE))
