"""What was done to the schema, by whom and when. These tables hold nothing of an account; `dbtools` writes them."""

import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from agents_app.db import Base, Json, UtcDateTime, now


class Deployment(Base):
    """One run of steps. Without `outcome` it runs, or was interrupted; `done` and `failed` have an end.

    `saved_files` names the files of rows that were saved before they were dropped. `dangers` are those that were
    allowed when the run began. `limits` has the limits in effect, times in seconds. `role` is empty on SQLite.
    """

    __tablename__ = "deployments"
    __table_args__ = (
        sa.CheckConstraint("outcome IN ('done', 'failed', 'interrupted')", name="outcome"),
        sa.Index("ix_deployments_started_at", "started_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    command: Mapped[str] = mapped_column(sa.Text)
    release: Mapped[str] = mapped_column(sa.Text)
    os_user: Mapped[str] = mapped_column(sa.Text)
    host: Mapped[str] = mapped_column(sa.Text)
    process_id: Mapped[int]
    role: Mapped[str | None] = mapped_column(sa.Text)
    from_revision: Mapped[str | None] = mapped_column(sa.Text)
    to_revision: Mapped[str | None] = mapped_column(sa.Text)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    outcome: Mapped[str | None] = mapped_column(sa.Text)
    backup: Mapped[str | None] = mapped_column(sa.Text)
    saved_files: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    dangers: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    limits: Mapped[dict[str, Any]] = mapped_column(Json)


class DeploymentStep(Base):
    """One step of a run, planned or done. `seconds` is empty until it is done.

    `filled_rows` counts the rows that it filled in batches, `updated_rows` those that an UPDATE of it changed. `reason`
    is why a danger in it was allowed. `error` is why it failed.
    """

    __tablename__ = "deployment_steps"

    deployment_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("deployments.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    revision: Mapped[str] = mapped_column(sa.Text)
    name: Mapped[str] = mapped_column(sa.Text)
    direction: Mapped[str] = mapped_column(sa.Text)
    seconds: Mapped[float | None]
    filled_rows: Mapped[int | None] = mapped_column(sa.BigInteger)
    updated_rows: Mapped[int | None] = mapped_column(sa.BigInteger)
    reason: Mapped[str | None] = mapped_column(sa.Text)
    error: Mapped[str | None] = mapped_column(sa.Text)


class AppliedStep(Base):
    """The checksum of the file of a step when it was applied. The newest row of a revision counts.

    `is_refilled` says that the rows which the release before wrote after the step were filled too.
    """

    __tablename__ = "applied_steps"
    __table_args__ = (sa.Index("ix_applied_steps_revision", "revision"),)

    # Not the revision: saved rows of earlier runs can then be restored together with new ones.
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    revision: Mapped[str] = mapped_column(sa.Text)
    checksum: Mapped[str] = mapped_column(sa.Text)
    applied_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    is_refilled: Mapped[bool] = mapped_column(default=False)
