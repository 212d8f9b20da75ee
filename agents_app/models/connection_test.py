"""The last test of the saved state of each agent. A row is deleted with its agent."""

import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from agents_app.db import Base, Json, UtcDateTime, now
from agents_app.values import limits


class ConnectionTest(Base):
    """Which version of an agent was tested, when, by whom, and with which result.

    `version` was tested. `valid_for_version` is the newest version with the same connection, model and secrets; if the
    agent is at another version, the test is out of date. `is_sample` marks a result that `flask demo`
    stored without a test. `result` contains no secret but a name of the server that equals one.
    """

    __tablename__ = "connection_tests"
    __table_args__ = (
        sa.CheckConstraint("outcome IN ('passed', 'warning', 'failed')", name="outcome"),
        sa.Index("ix_connection_tests_account_id_outcome", "account_id", "outcome"),
    )

    agent_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("accounts.id", ondelete="CASCADE"))
    version: Mapped[int]
    valid_for_version: Mapped[int]
    tested_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    user_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("users.id", ondelete="SET NULL"), index=True)
    actor_name: Mapped[str] = mapped_column(sa.String(limits.NAME))
    outcome: Mapped[str] = mapped_column(sa.String(10))
    cause: Mapped[str | None] = mapped_column(sa.String(50))
    result: Mapped[dict[str, Any]] = mapped_column(Json)
    is_sample: Mapped[bool] = mapped_column(default=False)
