"""Each act in words, as the end of a sentence that begins with who did it. One table; other acts stay readable."""

from collections.abc import Mapping
from typing import Any

from flask import url_for
from markupsafe import Markup

from agents_app.web.forms.users import A_ROLE

SENTENCES = {
    "agent.created": "created the agent {target}",
    "agent.updated": "changed the agent {target}",
    "agent.cloned": "created the agent {target} as a copy",
    "agent.enabled": "enabled the agent {target}",
    "agent.disabled": "disabled the agent {target}",
    "agent.deleted": "deleted the agent {target}",
    "agent.restored": "brought back the agent {target}",
    "agent.fetched": "fetched the working configuration of {target}",
    "user.invited": "made a link to join as {role}",
    "user.invitation_withdrawn": "withdrew a link to join",
    "user.joined": "joined by a link",
    "user.reset_link_made": "made a link for {target} to choose a new password",
    "user.password_reset": "chose a new password by a link",
    "user.password_changed": "changed their password",
    "user.role_changed": "made {target} {role}",
    "user.deactivated": "deactivated {target}",
    "user.activated": "activated {target}",
    "user.deleted": "deleted {target} from the people",
    "user.signed_in": "signed in",
    "user.sign_in_failed": "tried to sign in with a wrong address or password",
    "user.signed_out": "signed out",
    "user.session_ended": "signed out one browser",
    "user.other_sessions_ended": "signed out every other browser",
    "token.created": "created the API token {target}",
    "token.revoked": "revoked the API token {target}",
    "token.refused": "was refused with a wrong API token",
    "secrets.rotated": "moved {moved} secrets to the encryption key {key}",
    "secrets.key_given_up": "gave up the encryption key {key} with all that only it could read",
    "secrets.private_key_removed": "removed a private key that was stored in clear from the agent {target}",
    "access.denied": "was refused: {detail}{times}",
    "account.created": "set up the account {target}",
    "account.renamed": "renamed the account to {target}",
    "account.purged": "removed what was past its time: {what} ({number})",
    "account.deleted": "deleted the account {target}",
}


def deed(event: Mapping[str, Any]) -> Markup:
    """What an event says was done; the agent it was done to is a link while it is there."""
    sentence = SENTENCES.get(event["action"])
    if sentence is None:
        words = event["action"].replace(".", " ").replace("_", " ")
        return Markup("{}: {}").format(words, _target(event)) if event["target_name"] else Markup.escape(words)
    told = {
        "role": "something else",
        "key": "that is gone",
        "moved": "some",
        "what": "old records",
        "number": "some",
        "detail": "not allowed",
        "count": 1,
        **event["details"],
    }
    times = f" ({told['count']} times within a minute)" if told["count"] != 1 else ""
    role = A_ROLE.get(str(told["role"]), told["role"])
    told |= {"role": role, "target": _target(event), "times": times}
    return Markup.escape(sentence).format(**told)


def _target(event: Mapping[str, Any]) -> Markup:
    name = event["target_name"] or "something"
    if event.get("is_there"):
        return Markup('<a href="{}">{}</a>').format(url_for("web.agents.show", agent_id=event["target_id"]), name)
    return Markup("<b>{}</b>").format(name)
