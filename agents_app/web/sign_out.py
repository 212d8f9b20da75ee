"""Signing out at the provider, after the session of the console has ended.

A page leads there: Chrome applies `form-action` to the redirects after a form, and the form that signs out is the
console's. No ID token is kept for `id_token_hint`, so some providers ask once more.
"""

from flask import Blueprint, redirect, render_template, session

from agents_app.config import settings
from agents_app.web.sessions import SESSION_ID, Answer
from agents_app.web.sign_on import require_provider
from agents_app.web.urls import home_path

pages = Blueprint("sign_out", __name__)


@pages.get("/sign-out/provider")
def show() -> Answer:
    """Say that the person is signed out of the console, and go on. Nothing is asked of the provider yet."""
    if SESSION_ID in session:
        return redirect(home_path(), 303)
    return render_template("sign_on/sign_out.html", host=require_provider().issuer.host)


@pages.get("/sign-out/provider/go")
def leave() -> Answer:
    """Send the browser to the page of the provider that signs out. Say so where it has none, or is away."""
    provider = require_provider()
    url = provider.end_session_url(f"{settings().base_url}/sign-in")
    if url is None:
        return render_template("sign_on/still_signed_in.html", host=provider.issuer.host)
    return redirect(url, 303)
