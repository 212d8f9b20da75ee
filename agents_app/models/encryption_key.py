"""A check value for each encryption key, with which a wrong key is detected."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from agents_app.db import Base, UtcDateTime, now


class EncryptionKey(Base):
    """A known text that is encrypted with the key `key_id`. The key itself is never stored."""

    __tablename__ = "encryption_keys"

    key_id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    check_value: Mapped[str] = mapped_column(sa.String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
