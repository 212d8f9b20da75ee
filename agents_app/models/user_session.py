"""A signed-in browser."""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from agents_app.db import Base, UtcDateTime, now
from agents_app.values import limits
from agents_app.values.choices import SignInMethod


class UserSession(Base):
    """A session. The cookie has its random id, and this row only the SHA-256 of the id, in hex."""

    __tablename__ = "user_sessions"

    id: Mapped[uuid.UUID] = mapped_column(sa.Uuid, primary_key=True, default=uuid.uuid4)
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True)
    user_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    address: Mapped[str | None] = mapped_column(sa.String(limits.IP_ADDRESS))
    user_agent: Mapped[str | None] = mapped_column(sa.String(255))
    method: Mapped[SignInMethod] = mapped_column(
        sa.String(20), default=SignInMethod.PASSWORD, server_default="password"
    )
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the person last gave a code of their second factor."""
