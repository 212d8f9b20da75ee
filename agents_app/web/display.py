"""The filters and functions of templates: icons, times, numbers, URLs of static files."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from flask import Flask, g
from markupsafe import Markup

from agents_app import __version__, static_files
from agents_app.db import now
from agents_app.operations import attention_reasons, started_tests, test_results
from agents_app.paths import COMMAND, STATIC
from agents_app.schemas.bulk_agents import TESTS_MAX
from agents_app.values import limits
from agents_app.values.choices import ENVIRONMENT_LABELS, LAST_TEST_LABELS, MODEL_PROVIDER_LABELS
from agents_app.values.text import day_text
from agents_app.web import badges, connection_display, icons, isolation
from agents_app.web.theme import THEMES, chosen_theme
from agents_app.web.urls import current_path, of_agent, own_url, url_with_back, urls_of_agents
from agents_app.wording import label_in_sentence, number_text

# A date in a sentence of the console. In other places, it may be a part of a name.
ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
# The codes of the reasons whose sentence has a day, before any name.
REASONS_WITH_DAY = ("expired", "expiring", "not_fetched")
MINUTE, HOUR, DAY = 60, 3_600, 86_400
# (limit in seconds, seconds of one unit, name of the unit)
TIME_UNITS = ((HOUR, MINUTE, "min"), (DAY, HOUR, "h"), (100 * DAY, DAY, "day"), (365 * DAY, 30 * DAY, "month"))
# The titles of error pages, by the code of the refusal where a status has several, else by the status.
ERROR_TITLES = {
    "cookie_missing": "Your browser sent no cookie",
    "form_expired": "This form is out of date",
    "form_of_another_site": "This form is from another address or site",
    400: "Bad request",
    403: "You do not have permission",
    404: "Not found",
    405: "Method not allowed",
    408: "Request timed out",
    409: "Conflict",
    412: "Changed since you loaded it",
    413: "Request too large",
    414: "URL too long",
    429: "Too many attempts",
    500: "Something went wrong",
    503: "Not available at the moment",
    507: "No storage space left",
}


def init_app(app: Flask) -> None:
    """Register these filters and functions, and the variables that every template has."""
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.finalize = isolation.without_direction_marks
    app.jinja_env.globals.update(
        icon=icons.icon,
        asset=asset,
        tests_max=TESTS_MAX,
        environments=ENVIRONMENT_LABELS,
        last_tests=LAST_TEST_LABELS,
        model_providers=MODEL_PROVIDER_LABELS,
        now=now,
        command_name=COMMAND,
        url_for=own_url,
        url_with_back=url_with_back,
        urls_of_agents=urls_of_agents,
        error_titles=ERROR_TITLES,
    )
    badges.init_app(app)
    connection_display.init_app(app)
    own = (when, exact_time, clock, seconds_left, initials, number, expiry_date, next_expiry, reason_text, day_text)
    of_agents = (of_agent, parsed_time, test_results.shown_facts, test_results.are_not_run)
    for function in (*own, label_in_sentence, isolation.isolated, isolation.sentence, *of_agents):
        app.jinja_env.filters[function.__name__] = function
    app.context_processor(_template_context)


def _template_context() -> dict[str, Any]:
    # No query and no session here: error pages use this when the database or the session is not available.
    return {
        "actor": g.get("actor"),
        "theme": chosen_theme(),
        "themes": THEMES,
        "tests_off": started_tests.off_sentence(),
        "here": current_path(),
        "version": __version__,
    }


def asset(name: str) -> str:
    """The URL of a static file. It changes with the content, so that browsers can cache it."""
    return own_url("static", filename=name, v=static_files.read_own(STATIC / name).fingerprint)


def when(at: datetime) -> Markup:
    """A relative time such as "5 min ago", with the exact time, which hover and focus in its row show."""
    return _time(at, _relative_time(at))


def exact_time(at: datetime) -> Markup:
    """The exact time with its zone, which script localises."""
    return Markup('<time datetime="{}" class="at">{}</time>').format(_iso_text(at), _exact_text(at))


def clock(at: datetime) -> Markup:
    """The time of day in UTC, for a row below the heading of its day. Hover shows the exact time."""
    return _time(at, _clock_text(at))


def _time(at: datetime, shown: str) -> Markup:
    # A list has two in each row, and `format` takes ten times as long. None of these texts needs escaping.
    exact = f'<span class="at"> {_exact_text(at)}</span>'
    return Markup(f'<time datetime="{_iso_text(at)}">{shown}{exact}</time>')  # noqa: S704


def _exact_text(at: datetime) -> str:
    return f"{day_text(at)}, {_clock_text(at)} UTC"


def _clock_text(at: datetime) -> str:
    return f"{at.hour:02}:{at.minute:02}"


def _iso_text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


def _relative_time(at: datetime) -> str:
    seconds = (now() - at).total_seconds()
    if abs(seconds) < MINUTE:
        return "just now"
    unit, word = next(((unit, word) for limit, unit, word in TIME_UNITS if abs(seconds) < limit), (365 * DAY, "year"))
    # Future times are rounded: one second after a period of 90 days begins, 89 whole days are left, and people say 90.
    count = int(seconds // unit) if seconds > 0 else round(-seconds / unit)
    words = f"{count} {word}{'s' if count != 1 and word not in ('min', 'h') else ''}"
    return f"{words} ago" if seconds > 0 else f"in {words}"


def seconds_left(end: datetime | None) -> int:
    """The whole seconds until a time; 0 if it is past or not known."""
    return max(0, int((end - now()).total_seconds())) if end else 0


def parsed_time(text: str) -> datetime:
    """The time that a stored text contains."""
    return datetime.fromisoformat(text)


def expiry_date(end: date) -> dict[str, Any]:
    """A day on which something expires: the date, the days left, and a tone that warns where it is near or over."""
    left = (end - now().date()).days
    words = "today" if left == 0 else f"in {left} day{'s' if left != 1 else ''}" if left > 0 else "expired"
    tone = "bad" if left < 0 else "warn" if left <= limits.EXPIRY_WARNING_DAYS else "ok"
    return {"text": day_text(end), "left": words, "tone": tone, "iso": end.isoformat()}


def next_expiry(item: Mapping[str, Any]) -> dict[str, str] | None:
    """What of a listed agent expires first, if that is soon or over: what it is, a tone, a few words and a sentence."""
    ends = [(item[name], name) for name in attention_reasons.EXPIRY_DATES if item[name]]
    if not ends:
        return None
    end, name = min(ends)
    date_shown, what = expiry_date(end), attention_reasons.what_expires(item["connection_type"], name)
    if date_shown["tone"] == "ok":
        return None
    left = (end - now().date()).days
    short, verb = (f"Ends in {left} d" if left else "Ends today", "expires") if left >= 0 else ("Expired", "expired")
    sentence = f"{what} {verb} on {date_shown['text']}"
    return {"what": what, "tone": date_shown["tone"], "short": short, "sentence": sentence}


def reason_text(reason: Mapping[str, str]) -> Markup:
    """The sentence of a reason. The day, such as 2026-12-06, is as pages show days, on one line."""
    sentence = isolation.sentence(reason["detail"])
    # Another sentence can contain a name, in which a text like a day is part of the name.
    found = ISO_DATE.search(sentence) if reason["code"] in REASONS_WITH_DAY else None
    if found is None:
        return sentence
    day = day_text(date.fromisoformat(found[0]))
    return Markup('{}<span class="date">{}</span>{}').format(sentence[: found.start()], day, sentence[found.end() :])


def number(count: int) -> str:
    """A whole number with commas between thousands."""
    return number_text(count)


def initials(name: str) -> str:
    """The initials of a name, one or two letters."""
    words = name.split()
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()
