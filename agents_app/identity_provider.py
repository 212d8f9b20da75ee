"""The identity provider of the running console, where its settings name one."""

from typing import TYPE_CHECKING

from flask import Flask, current_app

from agents_app.config import Settings

if TYPE_CHECKING:
    from agents_app.sign_on.provider import Provider


def init_app(app: Flask) -> None:
    """Give the app its provider. Nothing is read from it before someone signs in."""
    app.extensions["identity_provider"] = from_settings(app.extensions["settings"])


def current() -> "Provider | None":
    """The provider of the running app."""
    found: Provider | None = current_app.extensions["identity_provider"]
    return found


def from_settings(settings: Settings) -> "Provider | None":
    """A client for the provider that the settings name."""
    if not (settings.oidc_issuer and settings.oidc_client_id and settings.oidc_client_secret):
        return None
    # The protocol takes long to import, and most commands do without it.
    from agents_app.sign_on.provider import Provider

    # While the provider is slow, the other half of the threads serves those who need no provider.
    places = max(1, settings.pool_size // 2)
    return Provider(settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret, places)
