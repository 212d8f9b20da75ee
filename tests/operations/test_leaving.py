"""A removed admin cannot come back: the links that they made end when they lose the role."""

from collections.abc import Callable
from uuid import UUID

import pytest
from flask import Flask

from agents_app.errors import Conflict, NotFound
from agents_app.operations import invitations, users
from agents_app.operations.permissions import Actor
from tests.make import make_user

WAYS: dict[str, Callable[[Actor, UUID], None]] = {
    "deactivated": users.deactivate,
    "deleted": users.delete,
    "made a viewer": lambda actor, user_id: users.change_role(actor, user_id, {"role": "viewer"}),
}


@pytest.mark.parametrize("leave", WAYS.values(), ids=list(WAYS))
def test_links_of_a_removed_admin_no_longer_work(app: Flask, leave: Callable[[Actor, UUID], None]) -> None:
    ada = make_user(app, name="Ada")
    grace = make_user(app, account_id=ada.account_id, name="Grace")
    person = make_user(app, "viewer", ada.account_id)
    codes = [invitations.invite(grace, {"role": "admin"}), invitations.make_reset_link(grace, person.user_id)]
    kept = invitations.invite(ada, {"role": "viewer"})
    other = invitations.invite(make_user(app, name="Grace"), {"role": "viewer"})

    leave(ada, grace.user_id)

    for code in codes:
        with pytest.raises(NotFound):
            invitations.read_link(code)
    assert invitations.read_link(kept)["role"] == invitations.read_link(other)["role"] == "viewer"


def test_a_deactivated_user_gets_no_link(app: Flask) -> None:
    ada = make_user(app)
    person = make_user(app, "viewer", ada.account_id, is_active=False, name="Grace")

    with pytest.raises(Conflict) as refusal:
        invitations.make_reset_link(ada, person.user_id)

    assert refusal.value.detail == "Grace is deactivated. Activate them first."


def test_a_user_is_found_by_address_only_in_the_account_of_the_actor(app: Flask) -> None:
    ada, outsider = make_user(app), make_user(app)

    assert users.id_of(ada, f" {ada.email.upper()}") == ada.user_id
    with pytest.raises(NotFound):
        users.id_of(ada, outsider.email)
