"""A person of one account, with a role."""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from agents_app.db import Base, UtcDateTime, now
from agents_app.values import limits
from agents_app.values.choices import Role


class User(Base):
    """A person. `email` is casefolded and unique across accounts. `password_hash` is argon2id."""

    __tablename__ = "users"
    __table_args__ = (sa.CheckConstraint("role IN ('viewer', 'editor', 'admin')", name="role"),)

    id: Mapped[uuid.UUID] = mapped_column(sa.Uuid, primary_key=True, default=uuid.uuid4)
    account_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    email: Mapped[str] = mapped_column(sa.String(limits.EMAIL), unique=True)
    name: Mapped[str] = mapped_column(sa.String(limits.NAME))
    role: Mapped[Role] = mapped_column(sa.String(20))
    password_hash: Mapped[str | None] = mapped_column(sa.String(255))
    is_active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
