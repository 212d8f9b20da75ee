"""A check value for each encryption key, so that a wrong key is told at once."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from agents_app.db import Base, UtcDateTime, now


class EncryptionKey(Base):
    """A known text encrypted under the key called `key_id`; the key itself is never stored."""

    __tablename__ = "encryption_keys"

    key_id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    check_value: Mapped[str] = mapped_column(sa.String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
