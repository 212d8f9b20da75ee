"""Failed sign-ins and failed API authentications, counted by all processes together."""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from agents_app.db import Base, UtcDateTime, now
from agents_app.values import limits


class LoginAttempt(Base):
    """One attempt. It is removed when the password is correct.

    `login` is an HMAC of the typed email address, in hex, or empty for an API token.
    """

    __tablename__ = "login_attempts"
    __table_args__ = (
        sa.Index("ix_login_attempts_login_created_at", "login", "created_at"),
        sa.Index("ix_login_attempts_address_created_at", "address", "created_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(sa.Uuid, primary_key=True, default=uuid.uuid4)
    login: Mapped[str | None] = mapped_column(sa.String(64))
    address: Mapped[str] = mapped_column(sa.String(limits.IP_ADDRESS))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, index=True)
