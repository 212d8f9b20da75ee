"""The second factor of a person who signs in with a password: an authenticator app, and recovery codes."""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from agents_app.db import Base, UtcDateTime, now


class SecondFactor(Base):
    """The key that an authenticator app has, encrypted. Without `confirmed_at` it is not asked for yet.

    `last_step` is the time step (RFC 6238) of the last code that was used, so that no code is used twice.
    """

    __tablename__ = "second_factors"

    user_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    secret: Mapped[str] = mapped_column(sa.String(255))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_step: Mapped[int] = mapped_column(default=0)


class RecoveryCode(Base):
    """A code that replaces the authenticator app once. The row has the SHA-256 of the random code, in hex."""

    __tablename__ = "recovery_codes"

    digest: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    user_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), index=True)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
