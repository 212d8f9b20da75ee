"""The tenant. Every other record belongs to one account."""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from agents_app.db import Base, UtcDateTime, now
from agents_app.values import limits


class Account(Base):
    """An organisation on this server."""

    __tablename__ = "accounts"

    id: Mapped[uuid.UUID] = mapped_column(sa.Uuid, primary_key=True, default=uuid.uuid4)
    name: Mapped[str] = mapped_column(sa.String(limits.NAME))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    requires_second_factor: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """Whether people who sign in with a password need a second factor."""
