"""The last test of the saved state of each agent. A row is deleted with its agent."""

import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from agents_app.db import Base, Json, UtcDateTime, now
from agents_app.values import limits


class ConnectionTest(Base):
    """Which version of an agent was tested, when, by whom, and with which result. `result` contains no secret.

    `is_out_of_date` is set when what was tested changes: the connection, the model or a secret. `is_sample` marks a
    result that `flask demo` made up.
    """

    __tablename__ = "connection_tests"
    __table_args__ = (sa.CheckConstraint("outcome IN ('passed', 'warning', 'failed')", name="outcome"),)

    agent_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    version: Mapped[int]
    tested_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    user_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("users.id", ondelete="SET NULL"), index=True)
    actor_name: Mapped[str] = mapped_column(sa.String(limits.NAME))
    outcome: Mapped[str] = mapped_column(sa.String(10))
    cause: Mapped[str | None] = mapped_column(sa.String(50))
    result: Mapped[dict[str, Any]] = mapped_column(Json)
    is_out_of_date: Mapped[bool] = mapped_column(default=False)
    is_sample: Mapped[bool] = mapped_column(default=False)
