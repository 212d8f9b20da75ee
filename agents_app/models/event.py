"""One row for each action. No row contains a secret, a token or a cookie.

Rows are added. A repeated refusal changes only the count in the details. `flask purge` and the deletion of an account
delete rows, and the deletion of a user empties `user_id`.
"""

import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from agents_app.db import Base, Json, UtcDateTime, now
from agents_app.values import limits

USER_DELETED = sa.text("action = 'user.deleted'")


class Event(Base):
    """Who did what, to what, when, from which address and through which door.

    `account_id` is empty if no account is known, such as for a sign-in with an unknown address.
    """

    __tablename__ = "events"
    __table_args__ = (
        sa.Index("ix_events_account_id_created_at_id", "account_id", "created_at", "id"),
        sa.Index("ix_events_account_id_action", "account_id", "action"),
        sa.Index("ix_events_account_id_door_created_at_id", "account_id", "door", "created_at", "id"),
        sa.Index("ix_events_account_id_target_id_created_at_id", "account_id", "target_id", "created_at", "id"),
        sa.Index(
            "ix_events_account_id_deleted_users", "account_id", postgresql_where=USER_DELETED, sqlite_where=USER_DELETED
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(sa.Uuid, primary_key=True, default=uuid.uuid4)
    account_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("accounts.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    action: Mapped[str] = mapped_column(sa.String(50))
    door: Mapped[str] = mapped_column(sa.String(20))
    actor_name: Mapped[str] = mapped_column(sa.String(limits.NAME))
    user_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("users.id", ondelete="SET NULL"), index=True)
    token_id: Mapped[uuid.UUID | None] = mapped_column(sa.Uuid)
    target_kind: Mapped[str | None] = mapped_column(sa.String(20))
    target_id: Mapped[uuid.UUID | None] = mapped_column(sa.Uuid)
    target_name: Mapped[str | None] = mapped_column(sa.String(limits.NAME))
    address: Mapped[str | None] = mapped_column(sa.String(limits.IP_ADDRESS))
    request_id: Mapped[str | None] = mapped_column(sa.String(64))
    details: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
