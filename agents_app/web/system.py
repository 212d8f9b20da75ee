"""The page of the database's schema, for admins. Read only: `flask db` changes it."""

from flask import Blueprint, render_template

from agents_app.operations import health
from agents_app.web.sessions import Answer, current_actor, require_sign_in

TONES = {"DANGER": "bad", "WARN": "warn"}

pages = Blueprint("system", __name__, url_prefix="/database")
pages.before_request(require_sign_in)


@pages.get("")
def show() -> Answer:
    """Where the schema is, what is pending, what differs."""
    return render_template("system/system.html", schema=health.overview(current_actor()), tones=TONES)
