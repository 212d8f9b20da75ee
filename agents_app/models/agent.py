"""The main table. The first thirteen columns are those of the guide, and later migrations added the others."""

import uuid
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from agents_app.db import KEEP_FILLED, REPLACE_FILLED, Base, ByteOrderedText, Json, UtcDateTime, now
from agents_app.values import limits
from agents_app.values.choices import AgentStatus, ConnectionType

EXTERNAL_ID_INDEX = "ix_agents_account_id_external_id"
# The rows that another release has written since `examined_version`. PostgreSQL expects that almost all rows satisfy
# `examined_version <> version`, and would not use the index. It expects that few rows have a given result.
NOT_EXAMINED = sa.text("CAST(examined_version <> version AS INTEGER) = 1")


class Agent(Base):
    """A data agent. Its secrets are encrypted in their columns.

    Only `operations/agents.py`, key rotation and the removal of misplaced keys write it.
    """

    __tablename__ = "agents"
    __table_args__ = (
        sa.CheckConstraint("status IN ('active', 'disabled')", name="status"),
        sa.Index("ix_agents_account_id_name_key_id", "account_id", "name_key", "id"),
        sa.Index("ix_agents_account_id_updated_at_id", "account_id", "updated_at", "id"),
        sa.Index("ix_agents_account_id_created_at_id", "account_id", "created_at", "id"),
        sa.Index(EXTERNAL_ID_INDEX, "account_id", "external_id", unique=True),
        sa.Index("ix_agents_account_id_status", "account_id", "status"),
        sa.Index("ix_agents_account_id_owner", "account_id", "owner"),
        sa.Index("ix_agents_account_id_connection_type", "account_id", "connection_type"),
        sa.Index("ix_agents_account_id_environment", "account_id", "environment"),
        sa.Index("ix_agents_account_id_model_provider", "account_id", "model_provider"),
        sa.Index("ix_agents_account_id_model_type", "account_id", "model_type"),
        sa.Index("ix_agents_labels", "labels", postgresql_using="gin"),
        sa.Index("ix_agents_account_id_attention_date", "account_id", "attention_date"),
        sa.Index("ix_agents_account_id_secret_key_ids", "account_id", "secret_key_ids"),
        sa.Index(
            "ix_agents_account_id_not_examined", "account_id", postgresql_where=NOT_EXAMINED, sqlite_where=NOT_EXAMINED
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(sa.Uuid, primary_key=True, default=uuid.uuid4)
    name: Mapped[str] = mapped_column(sa.String(limits.NAME))
    description: Mapped[str | None] = mapped_column(sa.Text)
    status: Mapped[AgentStatus] = mapped_column(
        sa.String(limits.STATUS_COLUMN), default=AgentStatus.ACTIVE, server_default="active"
    )
    model_type: Mapped[str | None] = mapped_column(sa.String(limits.MODEL_TYPE))
    api_key: Mapped[str | None] = mapped_column(sa.String(limits.API_KEY_COLUMN))
    system_instructions: Mapped[str | None] = mapped_column(sa.Text)
    connection_type: Mapped[ConnectionType] = mapped_column(
        sa.Enum(ConnectionType, name="connectiontype", create_constraint=True)
    )
    connection_config: Mapped[dict[str, Any]] = mapped_column(Json)
    account_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    created_by: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("users.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=now)

    version: Mapped[int] = mapped_column(default=1, server_default="1")
    status_reason: Mapped[str | None] = mapped_column(sa.String(limits.STATUS_REASON))
    credential_expires_at: Mapped[date | None]
    secret_facts: Mapped[dict[str, Any]] = mapped_column(Json, default=dict, server_default="{}")
    name_key: Mapped[str] = mapped_column(ByteOrderedText, server_default="", info=KEEP_FILLED)
    search_text: Mapped[str] = mapped_column(sa.Text, server_default="", info=KEEP_FILLED)
    external_id: Mapped[str | None] = mapped_column(sa.String(limits.EXTERNAL_ID))
    owner: Mapped[str | None] = mapped_column(sa.String(limits.OWNER))
    environment: Mapped[str | None] = mapped_column(sa.String(limits.CHOICE_COLUMN))
    labels: Mapped[dict[str, str]] = mapped_column(Json, default=dict, server_default="{}")
    model_provider: Mapped[str | None] = mapped_column(sa.String(limits.CHOICE_COLUMN))
    model_base_url: Mapped[str | None] = mapped_column(sa.String(limits.MODEL_BASE_URL))
    api_key_expires_at: Mapped[date | None]
    # By these the database finds agents that need attention (`operations/attention_columns.py`).
    # A date that was saved is right for the facts that are restored with it. If the agent has another version by then,
    # the whole agent is read.
    attention_date: Mapped[date | None] = mapped_column(info=REPLACE_FILLED)
    secret_key_ids: Mapped[str] = mapped_column(ByteOrderedText, default="", server_default="", info=KEEP_FILLED)
    examined_version: Mapped[int] = mapped_column(default=0, server_default="0", info=REPLACE_FILLED)
