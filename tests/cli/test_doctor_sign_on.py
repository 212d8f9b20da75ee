"""`flask doctor` says whether the identity provider can be used, and whether someone gets in while it is away."""

import uuid

import pytest
from flask import Flask

from agents_app.db import db
from agents_app.doctor import Result
from agents_app.models import Identity
from agents_app.operations.permissions import Actor
from tests.cli.installation import CANARY, Installation
from tests.conftest import OpenConsole
from tests.make import make_account, make_user
from tests.probes.local_server import Reply
from tests.sign_on.loopback_provider import CLIENT_ID, LoopbackProvider

CONFIGURATION = "/.well-known/openid-configuration"


@pytest.fixture
def linked(installation: Installation, provider: LoopbackProvider) -> Installation:
    """An installation whose settings name the provider."""
    installation.environ |= {
        "OIDC_ISSUER": provider.issuer,
        "OIDC_CLIENT_ID": CLIENT_ID,
        "OIDC_CLIENT_SECRET": CANARY,
    }
    return installation


@pytest.fixture
def app(linked: Installation, open_console: OpenConsole) -> Flask:
    """The console on the database of the installation."""
    return open_console(linked.environ["DATABASE_URL"])


def link(app: Flask, person: Actor, issuer: str) -> None:
    identity = Identity(account_id=person.account_id, user_id=person.user_id, issuer=issuer, subject=uuid.uuid4().hex)
    identity.name = "Ann"
    with app.app_context(), db.transaction() as session:
        session.add(identity)


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (Reply(200, b"<html>"), "did not answer as an OpenID provider does."),
        (Reply(503), "answered with the status 503."),
        (Reply(200, {"issuer": "https://id.example.org"}), "but the provider calls itself"),
    ],
)
def test_a_provider_that_cannot_be_used_is_a_problem_with_its_cause(
    linked: Installation, provider: LoopbackProvider, reply: Reply, sentence: str
) -> None:
    provider.replies[CONFIGURATION] = lambda _: reply

    found = linked.only_problem("sign_on.provider")

    assert sentence in found.detail
    assert CANARY not in str(found)


def test_a_provider_without_usable_keys_is_a_problem(linked: Installation, provider: LoopbackProvider) -> None:
    provider.keys = []

    assert "publishes no usable keys" in linked.only_problem("sign_on.provider").detail


def test_a_provider_that_is_away_is_a_problem(linked: Installation, provider: LoopbackProvider) -> None:
    provider.server.shutdown()
    provider.server.server_close()

    assert "cannot be reached" in linked.only_problem("sign_on.provider").detail


def test_a_wrong_setting_is_one_problem_and_the_provider_is_not_asked(
    linked: Installation, provider: LoopbackProvider
) -> None:
    found = linked.only_problem("settings.values", OIDC_CLIENT_ID="my console")

    assert found.facts == {"setting": "OIDC_CLIENT_ID"}
    assert linked.check("sign_on.provider", OIDC_CLIENT_ID="my console").result is Result.SKIPPED
    assert provider.server.requests == []


def test_without_exactly_one_account_for_new_people_there_is_a_problem(linked: Installation, app: Flask) -> None:
    assert linked.check("sign_on.account").do == "flask accounts create"
    account = make_account(app, "Acme")
    make_account(app, "Bolt")

    assert linked.only_problem("sign_on.account").detail.startswith("OIDC_ACCOUNT is not set")
    assert "does not name one account" in linked.only_problem("sign_on.account", OIDC_ACCOUNT="Crane").detail
    assert linked.check("sign_on.account", OIDC_ACCOUNT="Bolt").result is Result.OK
    assert linked.check("sign_on.account", OIDC_ACCOUNT=str(account)).result is Result.OK


def test_a_console_where_no_admin_has_a_password_is_a_warning(
    linked: Installation, app: Flask, provider: LoopbackProvider
) -> None:
    account = make_account(app)
    make_user(app, "editor", account)
    make_user(app, "admin", account, is_active=False)
    make_user(app, "admin", account, password_hash=None)
    link(app, make_user(app, "admin", account, email="ann@example.org"), provider.issuer)

    found = linked.check("sign_on.emergency")

    assert found.result is Result.WARNING
    assert str(found.do).startswith("flask users reset-password")
    assert linked.check("sign_on.emergency", PASSWORD_SIGN_IN="off").result is Result.WARNING
    assert linked.check("sign_on.emergency", PASSWORD_SIGN_IN="Ann@example.org").result is Result.OK


def test_an_admin_with_a_password_is_enough(linked: Installation, app: Flask) -> None:
    make_user(app, "admin")

    assert linked.check("sign_on.emergency").result is Result.OK
    assert linked.check("sign_on.emergency", PASSWORD_SIGN_IN="off").result is Result.WARNING


def test_a_provider_that_can_be_used_is_named_with_the_redirect_uri(linked: Installation) -> None:
    found = linked.check("sign_on.provider", PUBLIC_URL="https://example.org/agents", PROXY_HOPS="1")

    assert (found.result, found.facts) == (Result.OK, {"keys": 1})
    assert found.detail.endswith(": https://example.org/agents/sign-on/return")


def test_without_a_provider_there_is_one_line(installation: Installation) -> None:
    found = [check for check in installation.checks() if check.group == "sign_on"]

    assert [(check.code, check.result) for check in found] == [("sign_on.provider", Result.OK)]
