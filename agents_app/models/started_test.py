"""The tests of connections that were started lately, counted by all processes together."""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from agents_app.db import Base, UtcDateTime, now


class StartedTest(Base):
    """One test. `person` is the id of the user, or of the API token if its maker was deleted.

    Without `ended_at` the test is running, or its process was killed. Rows older than a minute are deleted when the
    next test of the account starts, and by `flask purge`.
    """

    __tablename__ = "started_tests"
    __table_args__ = (sa.Index("ix_started_tests_account_id_started_at", "account_id", "started_at"),)

    id: Mapped[uuid.UUID] = mapped_column(sa.Uuid, primary_key=True, default=uuid.uuid4)
    account_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("accounts.id", ondelete="CASCADE"))
    person: Mapped[uuid.UUID] = mapped_column(sa.Uuid)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
