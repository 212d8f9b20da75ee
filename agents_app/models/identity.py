"""Who a person is at the identity provider."""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from agents_app.db import Base, UtcDateTime, now
from agents_app.values import issuers, limits


class Identity(Base):
    """One identity. The provider never gives the same `subject` to another person, and `email` may change.

    Without `user_id` it waits for an admin of the account, who says whose it is.
    """

    __tablename__ = "identities"
    __table_args__ = (sa.UniqueConstraint("issuer", "subject"),)

    id: Mapped[uuid.UUID] = mapped_column(sa.Uuid, primary_key=True, default=uuid.uuid4)
    account_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), index=True)
    issuer: Mapped[str] = mapped_column(sa.String(issuers.MAX))
    subject: Mapped[str] = mapped_column(sa.String(limits.SUBJECT))
    name: Mapped[str] = mapped_column(sa.String(limits.NAME))
    email: Mapped[str | None] = mapped_column(sa.String(limits.EMAIL))
    has_lost_role: Mapped[bool] = mapped_column(default=False)
    """Whether the provider gave no role at the last sign-in. The person is deactivated then, until it gives one."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    last_used_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
