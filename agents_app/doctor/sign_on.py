"""The identity provider: whether it can be used, where new people come, and who gets in while it is away."""

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app import identity_provider
from agents_app.config import SettingErrors, Settings
from agents_app.config_sign_on import SIGN_ON_CHECKS
from agents_app.doctor.check import Check, ok, problem, skipped, warning
from agents_app.models import Identity, User
from agents_app.operations import password_sign_in, provider_account
from agents_app.paths import COMMAND
from agents_app.sign_on.errors import ProviderUnavailable
from agents_app.values.choices import Role

PROVIDER, ACCOUNT, EMERGENCY = "sign_on.provider", "sign_on.account", "sign_on.emergency"
# The path under PUBLIC_URL to which the provider sends browsers back.
RETURN_PATH = "/sign-on/return"
RESET = f"{COMMAND} users reset-password ADDRESS, which prints a link that works with every value of PASSWORD_SIGN_IN."


def check_provider(settings: Settings, wrong: SettingErrors) -> Check:
    """Read what the provider publishes about itself, and its keys."""
    if wrong.keys() & SIGN_ON_CHECKS.keys():
        return skipped(PROVIDER, "The settings for signing in are invalid.")
    provider = identity_provider.from_settings(settings)
    if provider is None:
        return ok(PROVIDER, "No identity provider is set: people sign in with a password.")
    try:
        provider.metadata()
        keys = len(provider.keys().keys)
    except ProviderUnavailable as failure:
        return problem(PROVIDER, failure.detail, failure.do)
    what = f"{provider.issuer.host} can be used. Its redirect URI for this console: {settings.base_url}{RETURN_PATH}"
    return ok(PROVIDER, what, keys=keys)


def check_people(connection: Connection, settings: Settings, wrong: SettingErrors) -> Iterator[Check]:
    """Check which account gets new people, and that an admin can sign in without the provider."""
    if settings.oidc_issuer is None or wrong.keys() & SIGN_ON_CHECKS.keys():
        return
    # Before the first deployment there are no tables.
    if sa.inspect(connection).has_table(Identity.__tablename__):
        yield _account(connection, settings)
        yield _emergency(connection, settings)
    else:
        yield from skipped_checks(settings, "The database has no tables of this release yet.")


def skipped_checks(settings: Settings, why: str) -> Iterator[Check]:
    """The checks of people, where the database cannot be asked."""
    for code in (ACCOUNT, EMERGENCY) if settings.oidc_issuer else ():
        yield skipped(code, why)


def _account(connection: Connection, settings: Settings) -> Check:
    found = len(provider_account.matching(connection, settings.oidc_account))
    if found == 1:
        return ok(ACCOUNT, "One account gets the people who sign in with the provider for the first time.")
    if settings.oidc_account is None and not found:
        return warning(ACCOUNT, "There is no account yet for people of the provider.", f"{COMMAND} accounts create")
    what = "OIDC_ACCOUNT is not set" if settings.oidc_account is None else "OIDC_ACCOUNT does not name one account"
    return problem(
        ACCOUNT,
        f"{what}, so nobody can sign in with the provider for the first time.",
        f"Set OIDC_ACCOUNT to the name or the id of one of: {COMMAND} accounts list",
    )


def _emergency(connection: Connection, settings: Settings) -> Check:
    linked = sa.exists().where(
        Identity.user_id == User.id, Identity.issuer == (settings.oidc_issuer and settings.oidc_issuer.url)
    )
    admins = connection.execute(
        sa.select(User.email, linked.label("is_linked")).where(
            User.role == Role.ADMIN, User.is_active, User.password_hash.is_not(None)
        )
    )
    rule = settings.password_sign_in
    if any(password_sign_in.is_allowed(rule, row.email, row.is_linked) for row in admins):
        return ok(EMERGENCY, "An admin can sign in with a password while the provider is away.")
    return warning(EMERGENCY, "No admin can sign in with a password while the provider is away.", RESET)
