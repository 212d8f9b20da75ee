"""Sentences about events. Each follows the name of who did it. An unknown action is shown by its words."""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from flask import current_app, url_for
from markupsafe import Markup

from agents_app.schemas.agents import CONFIG
from agents_app.schemas.field_titles import field_title
from agents_app.web import bulk_sentences
from agents_app.web.display import exact_time
from agents_app.web.forms.users import ROLE_NAMES
from agents_app.web.isolation import bdi
from agents_app.wording import label_in_sentence

CHANGED_MAX = 6
# The actions whose sentence names what was changed.
CHANGING = ("agent.updated", "agent.version_restored")
# A part of a path that is not the same in each request, such as an id.
VARIABLE = re.compile(r"<[^>]*>")
# The icon and the colour of an event, by its action, else by the first part of its action. Refusals and what cannot be
# reverted have icons of their own.
MARKS = {
    "agent": ("bot", "indigo"),
    "agent.bulk": ("copy-check", "indigo"),
    "agent.tested": ("plug-zap", "grey"),
    "agent.changes_tested": ("plug-zap", "grey"),
    "agent.values_tested": ("plug-zap", "grey"),
    "agent.fetched": ("download", "grey"),
    "agent.change_undone": ("undo-2", "indigo"),
    "agent.disabled": ("power-off", "amber"),
    "agent.deleted": ("trash-2", "red"),
    "user": ("user", "grey"),
    "user.password_refused": ("shield-alert", "red"),
    "user.sign_in_failed": ("shield-alert", "red"),
    "user.code_refused": ("shield-alert", "red"),
    "user.second_factor_removed": ("user", "amber"),
    "user.second_factor_reset": ("user", "amber"),
    "user.sign_on_refused": ("shield-alert", "red"),
    "user.sign_on_failed": ("shield-alert", "red"),
    "user.role_lost": ("user-cog", "amber"),
    "user.deactivated": ("user-x", "amber"),
    "user.deleted": ("user-x", "red"),
    "token": ("key-round", "amber"),
    "token.revoked": ("trash-2", "red"),
    "token.refused": ("shield-alert", "red"),
    "account": ("building-2", "grey"),
    "account.deleted": ("trash-2", "red"),
    "secrets": ("lock", "grey"),
    "secrets.key_given_up": ("trash-2", "red"),
    "access": ("ban", "red"),
}

SENTENCES = {
    "agent.created": "created the agent {target}",
    "agent.updated": "changed the agent {target}",
    "agent.cloned": "created the agent {target} as a clone",
    "agent.enabled": "enabled the agent {target}",
    "agent.disabled": "disabled the agent {target}",
    "agent.deleted": "deleted the agent {target}",
    "agent.restored": "restored the agent {target}",
    "agent.version_restored": "restored version {restored_version} of the agent {target}",
    "agent.change_undone": "{undid} the agent {target}, back to version {restored_version}",
    "agent.bulk": "{did} {many}",
    "agent.tested": "tested the agent {target}: {outcome}",
    "agent.changes_tested": "tested changes of the agent {target} that were not saved: {outcome}",
    "agent.values_tested": "tested an agent that was not saved: {outcome}",
    "agent.fetched": "fetched the working configuration of {target}",
    "user.invited": "created an invitation link with the role {role}",
    "user.invitation_withdrawn": "withdrew an invitation link",
    "user.joined": "joined by an invitation link",
    "user.reset_link_made": "created a password reset link for {target}",
    "user.password_reset": "chose a new password by a password reset link",
    "user.password_changed": "changed their password",
    "user.renamed": "changed {whose} name from {before} to {target}",
    "user.address_changed": "changed the email address of {target}",
    "user.came": "signed in at {host} for the first time, with the role {role}",
    "user.identity_waits": "signed in at {host}, and waits to be linked to a person",
    "user.identity_linked": "linked {target} to an account at {host}",
    "user.identity_unlinked": "unlinked {target} from their account at {host}",
    "user.identity_dismissed": "dismissed the account {before} at {host}, which waited to be linked",
    "user.made_of_identity": "added {target}, who had signed in at {host}",
    "user.role_from_provider": "got the role {role} from {host}",
    "user.role_lost": "got no role from {host} any more, and was deactivated",
    "user.role_regained": "got a role from {host} again, and was activated",
    "user.sign_on_refused": "signed in at the identity provider, and was refused",
    "user.sign_on_failed": "could not be signed in through the identity provider",
    "user.role_changed": "changed the role of {target} to {role}",
    "user.deactivated": "deactivated {target}",
    "user.activated": "activated {target}",
    "user.deleted": "deleted the person {target}",
    "user.signed_in": "signed in{how}",
    "user.sign_in_failed": "tried to sign in with a wrong email address or password",
    "user.second_factor_added": "set up a second factor",
    "user.second_factor_removed": "removed their second factor",
    "user.second_factor_reset": "removed the second factor of {target}",
    "user.recovery_codes_made": "created new recovery codes",
    "user.recovery_code_used": "used a recovery code, with {left} left",
    "user.code_given": "confirmed with a code of their second factor",
    "user.code_refused": "entered a wrong code of their second factor",
    "user.password_refused": "was refused with the right password, because they sign in at {host}",
    "user.signed_out": "signed out",
    "user.session_ended": "signed out one of their browsers",
    "user.other_sessions_ended": "signed out all their other browsers",
    "token.created": "created the API token {target}",
    "token.rotated": "rotated the API token {target}: {new} replaces {old}, which keeps working until {until}",
    "token.revoked": "revoked the API token {target}",
    "token.refused": "sent a wrong API token",
    "secrets.rotated": "moved {moved} secrets to the encryption key {key}",
    "secrets.key_given_up": "gave up the encryption key {key} and all secrets that only it could decrypt",
    "secrets.private_key_removed": "removed a private key that was stored unencrypted from the agent {target}",
    "access.denied": "was refused{where}: {detail}{times}",
    "account.created": "created the organisation {target}",
    "account.renamed": "renamed the organisation to {target}",
    "account.second_factor_required": "required a second factor of people who sign in with a password",
    "account.second_factor_optional": "stopped requiring a second factor",
    "account.purged": "removed expired records: {what} ({number})",
    "account.deleted": "deleted the organisation {target}",
}

# What a sentence says where the details of an event lack something.
UNKNOWN: dict[str, Any] = {
    "role": "unknown",
    "host": "the identity provider",
    "key": "that was removed",
    "moved": "some",
    "what": "old records",
    "number": "some",
    "left": "an unknown number",
    "detail": "not allowed",
    "count": 1,
    "before": "of a person",
    **dict.fromkeys(("old", "new"), "a token"),
    "until": "it expires",
    "outcome": "with an unknown outcome",
    "restored_version": "with an unknown number",
}

# How a person signed in. Events of earlier releases do not say it.
HOW = {
    "password": " with a password",
    "provider": " at {host}",
    "link": " by a one-time link of an operator",
    "set_up": " on the set-up page",
}

# What each kind of version did, without the name of its agent and without values.
VERSION_WORDS = {
    **{action: text.replace(" {target}", "") for action, text in SENTENCES.items() if "{target}" in text},
    "agent.version_restored": "restored an earlier version of the agent",
    "agent.change_undone": "undid a change of the agent",
}


def activity_sentence(event: Mapping[str, Any]) -> Markup:
    """The sentence about an event. Its agent is a link while the agent exists."""
    sentence = SENTENCES.get(event["action"])
    if sentence is None:
        words = event["action"].replace(".", " ").replace("_", " ")
        return Markup("{}: {}").format(words, _target(event)) if event["target_name"] else Markup.escape(words)
    values = {**UNKNOWN, **event["details"]}
    times = f" ({values['count']} times within a minute)" if values["count"] != 1 else ""
    role = ROLE_NAMES.get(str(values["role"]), values["role"])
    values["until"] = _time(str(values["until"]))
    whose = "their" if event.get("user_id") and event["user_id"] == event.get("target_id") else "the"
    values |= {"role": role, "target": _target(event), "times": times, "whose": whose}
    values["how"] = HOW.get(str(values.get("method")), "").format(**values)
    values["where"] = _where(values.get("asked"))
    values["before"] = bdi(values["before"])
    values |= {"did": bulk_sentences.act_words(event["details"]), "many": bulk_sentences.agents_link(event)}
    values["undid"] = bulk_sentences.undone_words(values.get("undone_act"))
    changed = changed_fields(event)
    return Markup.escape(sentence).format(**values) + (f": {', '.join(changed)}" if changed else "")


def event_mark(event: Mapping[str, Any]) -> tuple[str, str]:
    """The icon of an event and its colour. Each kind of event has its own."""
    action = event["action"]
    return MARKS.get(action) or MARKS.get(action.partition(".")[0]) or ("history", "grey")


def changed_fields(event: Mapping[str, Any]) -> list[str]:
    """What a change of an agent changed, as words: the names of fields, and what was done with which secret."""
    changes = event.get("changes")
    if event["action"] not in CHANGING or not changes:
        return []
    fields, members = changes.get("fields"), changes.get(CONFIG)
    names = [f"/{name}" for name in fields] if isinstance(fields, list) else []
    if f"/{CONFIG}" in names and (isinstance(members, list) or "/connection_type" in names):
        # Another type has another configuration, whose fields are not compared.
        names.remove(f"/{CONFIG}")
        names += [f"/{CONFIG}/{name}" for name in (members if isinstance(members, list) else ())]
    secrets = changes.get("secrets")
    return changed_words(names, secrets if isinstance(secrets, dict) else {}, event.get("connection_type"))


def changed_words(fields: Iterable[str], secrets: Mapping[str, str], connection_type: Any) -> list[str]:
    """The names of changed fields, and what was done with which secret, by JSON pointers. At most CHANGED_MAX + 1."""
    words = [_field_in_sentence(pointer, connection_type) for pointer in fields]
    words += [f"{_field_in_sentence(pointer, connection_type)} {what}" for pointer, what in secrets.items()]
    more = len(words) - CHANGED_MAX
    return words if more <= 1 else [*words[:CHANGED_MAX], f"and {more} more"]


def _field_in_sentence(pointer: str, connection_type: Any) -> str:
    if pointer == "/connection_type":
        return "connection type"
    title = field_title(pointer, connection_type)
    return label_in_sentence(title) if title else pointer.rpartition("/")[2].replace("_", " ")


def _time(text: str) -> str | Markup:
    """A stored time. Events of earlier releases have it as people read it."""
    with suppress(ValueError):
        return exact_time(datetime.fromisoformat(text))
    return text


def _where(asked: object) -> str:
    """Where a request was refused: its path, in which "…" is an id, and its method if it was no page to read.

    Empty where the event does not say it, or names what only another release has.
    """
    method, _, endpoint = str(asked or "").partition(" ")
    if not endpoint or endpoint not in current_app.view_functions:
        return ""
    path = VARIABLE.sub("…", next(current_app.url_map.iter_rules(endpoint)).rule)
    return f" on {path}" if method in ("GET", "HEAD") else f" on {method} {path}"


def _target(event: Mapping[str, Any]) -> Markup:
    name = bdi(event["target_name"] or "something")
    if event.get("is_there"):
        return Markup('<a href="{}">{}</a>').format(url_for("web.agents.show", agent_id=event["target_id"]), name)
    return Markup("<b>{}</b>").format(name)
