"""Which version of an agent a runtime has. A row is deleted with its agent, and with its token."""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from agents_app.db import Base, UtcDateTime


class RuntimeRead(Base):
    """What one token has fetched of one agent.

    `version` is the version that the runtime has, as far as its requests say. `fetched_version` is the newest version
    whose secrets it was sent, which is an event. It is empty if the runtime only asked whether its version is current.
    `fetch_count` counts the fetches, those that were answered with 304 too. Some of them can be missing in it.
    `seen_at` is the time of the last fetch or check.
    """

    __tablename__ = "runtime_reads"
    __table_args__ = (
        sa.Index("ix_runtime_reads_account_id_seen_at", "account_id", "seen_at"),
        sa.Index("ix_runtime_reads_token_id_seen_at", "token_id", "seen_at"),
    )

    agent_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True)
    token_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("api_tokens.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("accounts.id", ondelete="CASCADE"))
    version: Mapped[int]
    fetched_version: Mapped[int | None]
    fetch_count: Mapped[int]
    first_fetched_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_fetched_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
