"""The page System, for admins: the version, the schema of the database and the settings. Nothing is changed here."""

from flask import Blueprint, redirect, render_template, url_for

from agents_app.operations import system
from agents_app.web.sessions import Answer, current_actor, require_sign_in

TONES = {"DANGER": "bad", "WARN": "warn"}
OUTCOME_TONES = {"done": "ok", "failed": "bad", "interrupted": "warn", "running": "warn"}

pages = Blueprint("system", __name__)
pages.before_request(require_sign_in)


@pages.get("/system")
def show() -> Answer:
    """Show the state of the schema and the settings."""
    found = system.overview(current_actor())
    return render_template(
        "system/system.html",
        schema=found.schema,
        settings=found.settings,
        tones=TONES,
        outcome_tones=OUTCOME_TONES,
    )


@pages.get("/database")
def redirect_old_address() -> Answer:
    """Redirect the address that this page had in release 0.1.0."""
    return redirect(url_for("web.system.show"), 301)
