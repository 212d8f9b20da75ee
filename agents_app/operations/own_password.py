"""Helpers that check the password of a person who is signed in already."""

import sqlalchemy as sa

from agents_app.db import db
from agents_app.errors import InvalidInput
from agents_app.models import User
from agents_app.operations import login_attempts, passwords
from agents_app.operations.permissions import Actor


def require(actor: Actor, password: str) -> str | None:
    """Return the stored hash of the actor's password. Raises InvalidInput unless this is it, and Throttled."""
    with db.reading() as connection:
        stored = connection.scalar(sa.select(User.password_hash).where(User.id == actor.user_id))
    # The limit of the sign-in page applies here too: the browser may be one that another person left open.
    attempt_id = login_attempts.record_or_refuse(actor.visitor, actor.email)
    if not passwords.is_correct(stored, password):
        raise InvalidInput([("/current_password", "This is not your current password.")])
    with db.transaction() as session:
        login_attempts.remove(session, attempt_id)
    return stored
