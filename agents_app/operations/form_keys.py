"""Helpers for forms that are sent twice: both requests find one row, and show one secret text, which is stored nowhere.

Every form has a random key. A secret text that is shown once is derived from that key and SECRET_KEY, so that a second
click shows it again, and the database alone reveals nothing.
"""

import hmac
import json
import secrets
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from agents_app.config import settings
from agents_app.db import now
from agents_app.errors import Repeated
from agents_app.operations.permissions import Actor

SHOWN_FOR = timedelta(minutes=10)


def new() -> str:
    """A random key of 256 bits for one form."""
    return secrets.token_urlsafe(32)


def row_id(actor: Actor, kind: str, key: str) -> UUID:
    """The primary key of the row that this actor's form makes. A repeated request finds the row of the first."""
    return uuid5(actor.account_id, json.dumps([kind, str(actor.user_id), key]))


def secret(kind: str, *parts: object) -> bytes:
    """64 bytes that can be derived only with SECRET_KEY and the key of the form, which is one of the parts."""
    text = json.dumps([kind, *map(str, parts)])
    return hmac.digest(settings().keys.secret_key.encode(), text.encode(), "sha512")


def code(kind: str, *parts: object) -> str:
    """A secret of 256 bits as a text for a URL or a cookie."""
    return urlsafe_b64encode(secret(kind, *parts)[:32]).rstrip(b"=").decode()


def check_repeated(
    what: str, made_at: datetime, *, has_same_content: bool, is_in_force: bool, is_same_text: bool
) -> None:
    """Raise Repeated, with the reason, unless the text of the first request can be shown again."""
    created = f"This form already created {what}"
    if not has_same_content:
        raise Repeated(f"{created} with other values.")
    if not is_in_force:
        raise Repeated(f"{created}, which is no longer valid.")
    if not is_same_text or now() - made_at > SHOWN_FOR:
        raise Repeated(f"{created}, which cannot be shown again.")
