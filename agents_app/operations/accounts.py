"""Operations on accounts: the set-up page makes the first one, the terminal any."""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.config import settings
from agents_app.db import db, lock_table
from agents_app.errors import Conflict, InvalidInput, NotFound
from agents_app.models import Account, SecondFactor, User
from agents_app.operations import (
    encryption_keys,
    event_records,
    form_keys,
    password_sign_in,
    passwords,
    session_records,
    user_records,
)
from agents_app.operations.permissions import Actor, Visitor
from agents_app.paths import COMMAND
from agents_app.schemas.accounts import AccountName, AccountValues
from agents_app.values.choices import Door, Role, SignInMethod
from agents_app.values.fields import parse
from agents_app.values.text import normalise_text, spellings, to_nfc

OWN_FACTOR_FIRST = "Set up your own second factor first: otherwise you could not change this setting back."
SET_UP = "This console is already set up. Sign in instead."


def is_set_up() -> bool:
    """Whether this server has an account. Without one the set-up page is open."""
    with db.reading() as connection:
        return connection.scalar(sa.select(Account.id).limit(1)) is not None


def setup_code() -> str | None:
    """The code that the set-up page asks for, the same in every process. None while PUBLIC_URL is not set."""
    if settings().public_url is None:
        return None
    code = hmac.digest(settings().keys.secret_key.encode(), b"set-up code", hashlib.sha256)
    text = base64.b32encode(code).decode()[:12]
    return "-".join(text[at : at + 4] for at in range(0, 12, 4))


def claim(visitor: Visitor, values: Mapping[str, Any], code: str, key: str | None = None) -> str:
    """Make the first account and its admin from the set-up page, and sign them in. Returns the id of the session.

    With the key of the form, a repeated call returns the session of the first. Raises InvalidInput (a wrong code is one
    of the fields), and Conflict where another form was sent first.
    """
    session_id = form_keys.code("session by set-up", code, key or form_keys.new())

    def start() -> str:
        return _claim(visitor, values, code, session_id)

    return session_records.start_once(visitor, session_id, values, start)


def _claim(visitor: Visitor, values: Mapping[str, Any], code: str, session_id: str) -> str:
    # Checked before a password is hashed, which is slow, and again under the lock.
    if is_set_up():
        raise Conflict(SET_UP, code="already_set_up")
    problems = (
        [] if _is_right_code(code) else [("/code", "Enter the set-up code that the server printed when it started.")]
    )
    try:
        checked = parse(AccountValues, values)
    except InvalidInput as refusal:
        raise InvalidInput([*problems, *refusal.fields]) from None
    if problems:
        raise InvalidInput(problems)
    password_hash = passwords.hash_password(checked.password)
    with db.transaction() as session:
        lock_table(session, Account)
        if session.scalar(sa.select(Account.id).limit(1)) is not None:
            raise Conflict(SET_UP, code="already_set_up")
        user = _add(session, checked, password_hash, Door.PAGE, visitor)
        # The first admin gets in also where passwords are off, and links themselves to the provider.
        uses_password = password_sign_in.may_use_password(user.email, is_linked=False)
        method = SignInMethod.PASSWORD if uses_password else SignInMethod.SET_UP
        return session_records.start(session, user, visitor, session_id, method=method)


def create(values: Mapping[str, Any]) -> UUID:
    """Make an account and its first admin from the terminal. Returns the id of the account. Raises InvalidInput."""
    checked = parse(AccountValues, values)
    password_hash = passwords.hash_password(checked.password)
    with db.transaction() as session:
        lock_table(session, Account)
        user_records.require_free_address(session, checked.email)
        return _add(session, checked, password_hash, Door.TERMINAL, Visitor()).account_id


def rename(actor: Actor, values: Mapping[str, Any]) -> bool:
    """Rename the account. Returns whether the name changed. Raises Forbidden, InvalidInput."""
    actor.require_to_change("accounts.manage")
    name = parse(AccountName, values).name
    with db.transaction() as session:
        user_records.lock_account_as_admin(session, actor)
        query = sa.update(Account).where(Account.id == actor.account_id, Account.name.not_in(spellings(name)))
        if session.execute(query.values(name=name).returning(Account.id)).one_or_none() is None:
            return False
        event_records.add(session, actor, "account.renamed", ("account", actor.account_id, name))
    return True


def requires_second_factor(actor: Actor) -> bool:
    """Whether people of the account who sign in with a password need a second factor. Raises Forbidden."""
    actor.require("accounts.manage")
    with db.reading() as connection:
        return bool(connection.scalar(sa.select(Account.requires_second_factor).where(Account.id == actor.account_id)))


def require_second_factor(actor: Actor, *, is_required: bool) -> bool:
    """Say whether people who sign in with a password need a second factor. Returns whether this changed.

    Those who have none reach only the page that sets it up, from their next request. Raises Forbidden, CodeNeeded, and
    Conflict for an actor who would be one of them.
    """
    actor.require_to_change("accounts.manage")
    with db.transaction() as session:
        user_records.lock_account_as_admin(session, actor)
        is_asked = actor.user_id is not None and actor.method is not SignInMethod.PROVIDER
        if is_required and is_asked and session.get(SecondFactor, actor.user_id) is None:
            raise Conflict(OWN_FACTOR_FIRST, code="second_factor_missing")
        query = sa.update(Account).where(Account.id == actor.account_id, Account.requires_second_factor != is_required)
        changed = query.values(requires_second_factor=is_required).returning(Account.name)
        name = session.scalar(changed)
        if name is None:
            return False
        action = "account.second_factor_required" if is_required else "account.second_factor_optional"
        event_records.add(session, actor, action, ("account", actor.account_id, name))
    return True


def delete(actor: Actor, typed_name: str) -> None:
    """Delete the account and everything in it.

    Raises Forbidden, NotFound, and InvalidInput unless the name of the account was typed.
    """
    actor.require_to_change("accounts.manage")
    with db.transaction() as session:
        account = session.get(Account, actor.account_id, with_for_update=True)
        if account is None:
            raise NotFound("Another admin has just deleted this account.")
        user_records.lock_account_as_admin(session, actor)
        if normalise_text(typed_name) != to_nfc(account.name):
            raise InvalidInput([("/name", f"Type the name of the organisation, {account.name}, to delete it.")])
        session.execute(sa.delete(Account).where(Account.id == actor.account_id))
        event_records.add_account_deletion(session, actor, account.name)


def listing() -> list[dict[str, Any]]:
    """All accounts of this server, by name, each with its number of users. Only the terminal may ask for them."""
    users = sa.select(sa.func.count()).where(User.account_id == Account.id).scalar_subquery()
    with db.reading() as connection:
        rows = connection.execute(
            sa.select(Account.id, Account.name, Account.created_at, users.label("people")).order_by(Account.name)
        )
        return [dict(row._mapping) for row in rows]


def terminal_actor(operator: str, account: str | None) -> Actor:
    """The operator at the terminal as an admin of the account with the name or id `account`.

    Without `account` there must be exactly one. Raises NotFound with a sentence that says what to type.
    """
    accounts = listing()
    if not accounts:
        raise NotFound(f"There is no account yet. Create one with: {COMMAND} accounts create")
    wanted = account and to_nfc(account)
    matching = [row for row in accounts if wanted is None or wanted in (str(row["id"]), to_nfc(row["name"]))]
    if len(matching) != 1:
        names = ", ".join(row["name"] for row in accounts)
        problem = f"No account is called {account}." if account and not matching else "There is more than one account."
        raise NotFound(f"{problem} Use --account with a name or an id. The accounts are: {names}")
    found = matching[0]
    return Actor(found["id"], operator, Door.TERMINAL, role=Role.ADMIN, account_name=found["name"])


def _add(session: Session, checked: AccountValues, password_hash: str, door: Door, visitor: Visitor) -> User:
    account = Account(id=uuid4(), name=checked.account_name)
    user = User(
        id=uuid4(),
        account_id=account.id,
        email=checked.email,
        name=checked.name,
        role=Role.ADMIN,
        password_hash=password_hash,
    )
    session.add(account)
    session.flush()
    session.add(user)
    with user_records.storing_address():
        session.flush()
    encryption_keys.ensure_keyring(session)
    actor = Actor(account.id, user.name, door, user_id=user.id, visitor=visitor)
    event_records.add(session, actor, "account.created", ("account", account.id, account.name))
    return user


def _is_right_code(code: str) -> bool:
    wanted = setup_code()
    typed = re.sub(r"[^A-Z2-7]", "", code.upper())
    return wanted is None or hmac.compare_digest(typed.encode(), wanted.replace("-", "").encode())
