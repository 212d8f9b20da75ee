"""How values look: icons, times, addresses of static files. What templates may use beyond Jinja's own."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask, current_app, g, url_for
from lucide.jinja import lucide
from markupsafe import Markup

from agents_app import __version__
from agents_app.connections import TYPES, Connection
from agents_app.db import now
from agents_app.values.fields import field_notes
from agents_app.web.addresses import here, with_back
from agents_app.web.theme import THEMES, chosen_theme
from agents_app.wording import number_text

MINUTE, HOUR, DAY = 60, 3_600, 86_400
# (less than so many seconds, seconds of one unit, word)
STEPS = ((HOUR, MINUTE, "min"), (DAY, HOUR, "h"), (100 * DAY, DAY, "day"), (365 * DAY, 30 * DAY, "month"))
CREDENTIAL_WARNING_DAYS = 30
# What the page of a refusal is called, by its code where one status has several, else by its status.
ERROR_TITLES = {
    "cookie_missing": "Your browser sent no cookie",
    "form_expired": "This form is out of date",
    "form_of_another_site": "This form was opened at another address",
    400: "This cannot be read",
    403: "You may not do this",
    404: "Not found",
    405: "This cannot be opened",
    408: "This took too long",
    409: "This does not fit",
    412: "Changed meanwhile",
    413: "This is too much",
    414: "This address is too long",
    429: "Too many tries",
    500: "Something went wrong",
    503: "Not available now",
    507: "No room left",
}


def init_app(app: Flask) -> None:
    """Hand all of this to the templates."""
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(
        icon=icon,
        asset=asset,
        type_colour=type_colour,
        type_icon=type_icon,
        type_label=type_label,
        types=TYPES,
        now=now,
        with_back=with_back,
        error_titles=ERROR_TITLES,
    )
    app.jinja_env.filters.update(
        when=when, initials=initials, number=number, day=day, moment=moment, subtitle=subtitle, server=server
    )
    app.context_processor(_shell)


def _shell() -> dict[str, Any]:
    # No query and no session here: error pages are drawn with this when both are out of reach.
    return {
        "actor": g.get("actor"),
        "theme": chosen_theme(),
        "themes": THEMES,
        "here": here(),
        "version": __version__,
    }


@cache
def icon(name: str, size: int = 16) -> str:
    """An icon inline, as Markup; the words beside it, or hidden ones, say what it means."""
    return lucide(name, size=size, **{"class": "icon", "aria-hidden": "true"})


def asset(name: str) -> str:
    """The address of a static file, which changes with its content so that browsers may keep it."""
    return url_for("static", filename=name, v=_fingerprint(Path(current_app.static_folder or "") / name))


@cache
def _fingerprint(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:10]


def when(at: datetime) -> Markup:
    """A time as people say it; the exact one, with its zone, on hover and focus. The script localises it."""
    return Markup('<time datetime="{}" data-at="{}" tabindex="0">{}</time>').format(
        at.astimezone(UTC).isoformat(timespec="seconds"), f"{at:%-d %b %Y, %H:%M} UTC", _relative(at)
    )


def _relative(at: datetime) -> str:
    seconds = (now() - at).total_seconds()
    if abs(seconds) < MINUTE:
        return "just now"
    unit, word = next(((unit, word) for limit, unit, word in STEPS if abs(seconds) < limit), (365 * DAY, "year"))
    # What lasts for 90 days has 89 whole ones left a second later; people call that 90.
    count = int(seconds // unit) if seconds > 0 else round(-seconds / unit)
    words = f"{count} {word}{'s' if count != 1 and word not in ('min', 'h') else ''}"
    return f"{words} ago" if seconds > 0 else f"in {words}"


def moment(text: str) -> datetime:
    """A time that is stored as text."""
    return datetime.fromisoformat(text)


def day(on: date) -> dict[str, Any]:
    """A day on which something ends: its words, and whether it is near or over."""
    left = (on - now().date()).days
    words = "today" if left == 0 else f"in {left} day{'s' if left != 1 else ''}" if left > 0 else "over"
    tone = "bad" if left < 0 else "warn" if left <= CREDENTIAL_WARNING_DAYS else "ok"
    return {"text": f"{on:%-d %b %Y}", "left": words, "tone": tone, "iso": on.isoformat()}


def number(count: int) -> str:
    """A whole number with commas between thousands."""
    return number_text(count)


def initials(name: str) -> str:
    """One or two letters that stand for a person."""
    words = name.split()
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()


def type_icon(kind: str) -> str:
    """The name of the icon of a connection type."""
    return declaration.icon if (declaration := _declaration(kind)) else "plug"


def type_colour(kind: str) -> str:
    """The colour of the icon of a connection type."""
    return declaration.colour if (declaration := _declaration(kind)) else "grey"


def type_label(kind: str) -> str:
    """The label of a connection type; the stored name where only a later release knows it."""
    return declaration.label if (declaration := _declaration(kind)) else kind


def _declaration(kind: str) -> type[Connection] | None:
    return next((declaration for known, declaration in TYPES.items() if known == kind), None)


def server(item: Mapping[str, Any]) -> str:
    """What a listed agent's data is on: the kind of server where its type knows several, else the type."""
    model = _declaration(item["connection_type"])
    if model is None:
        return type_label(item["connection_type"])
    for name, value in item["connection"].items():
        labels = field_notes(model, name).get("labels", {})
        if value in labels:
            return str(labels[value])
    return model.label


def subtitle(item: Mapping[str, Any]) -> str:
    """The most telling field of a listed agent's connection."""
    return next((str(value) for value in item["connection"].values() if value), "")
