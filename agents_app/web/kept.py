"""What was typed into a form whose session had ended: it is carried through signing in again, but for secrets."""

from urllib.parse import parse_qsl, urlencode

from flask import request
from werkzeug.datastructures import MultiDict

from agents_app.web.forms import AgentForm, FormData

# The forms that are long enough to be worth it.
ENDPOINTS = ("web.agents.new", "web.agents.save")
NAME = "kept"


def of_this_request() -> str:
    """What was typed, as one text for a hidden input; empty where nothing is to be kept."""
    if request.method != "POST" or request.endpoint not in ENDPOINTS:
        return ""
    left_out = {"csrf_token", *AgentForm(request.form).secret_names()}
    return urlencode([(name, value) for name, value in request.form.items(multi=True) if name not in left_out])


def typed() -> FormData | None:
    """What was typed before signing in again, if this request brings it: to be looked at, not to be saved yet."""
    text = request.form.get(NAME)
    return MultiDict(parse_qsl(text, keep_blank_values=True)) if text else None
