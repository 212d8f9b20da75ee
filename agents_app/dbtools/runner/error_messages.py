"""What the database says when it refuses, as one line that tells what to do next and shows no password."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from alembic.util import CommandError
from sqlalchemy.engine import URL
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, PendingRollbackError

from agents_app.database.errors import MISSING_FILE
from agents_app.database.url import printable_url
from agents_app.dbtools.database.advice import SETTING, advice_for
from agents_app.dbtools.position import STAMP_ONE
from agents_app.dbtools.runner.steps import Steps
from agents_app.errors import ConsoleError

EXISTS = ("42P07", "42710", "42701", "42P06")
STAMP = "If its tables match the models, say so with `flask db stamp head`, then compare with `flask db check`"
SEVERITY = re.compile(r"^(?:FATAL|ERROR):\s+")
# What Alembic says (its beginning), and what to say in place of it.
ADVICE = {
    "Target database is not up to date": "The database is not at head. Bring it there first: flask db deploy",
    "Multiple head": "Two steps follow the same one. Let the later one's down_revision name the other: flask db heads",
    "Relative revision ": "There are not that many steps that way. See: flask db history -i",
    "Requested revision ": f"The table alembic_version names more than one step. {STAMP_ONE}",
    "This operation cannot proceed in --sql mode": "SQLite needs the table itself for this step: leave --sql out.",
}


@contextmanager
def readable_step_errors(url: URL, steps: Steps) -> Iterator[None]:
    """Turn what goes wrong inside into CommandError, which both command lines print as one line."""
    try:
        with _as_it_began():
            yield
    except CommandError as refusal:
        raise CommandError(_with_advice(str(refusal)) + _outcome(url, steps)) from refusal
    except ConsoleError as refusal:
        raise CommandError(refusal.detail) from refusal
    except DBAPIError as error:
        raise CommandError(_sentence(error, url, steps) + _outcome(url, steps)) from error
    except OSError as error:
        raise CommandError(f"Cannot open {printable_url(url)}: {error.strerror}. Check DATABASE_URL.") from error
    except NotImplementedError as error:
        raise CommandError(_flat(str(error)).rstrip(".") + "." + _outcome(url, steps)) from error
    except KeyboardInterrupt as error:
        raise CommandError(f"Interrupted.{_outcome(url, steps)}") from error


@contextmanager
def readable_errors(url: URL) -> Iterator[None]:
    """The same for what is no migration step: a statement that fails changes nothing."""
    try:
        yield
    except CommandError as refusal:
        raise CommandError(_with_advice(str(refusal))) from refusal
    except ConsoleError as refusal:
        raise CommandError(refusal.detail) from refusal
    except DBAPIError as error:
        is_connected = isinstance(error, IntegrityError | DataError) or getattr(error.orig, "pgcode", None)
        cause, advice = cause_and_advice(error, url)
        away = f"Cannot use {printable_url(url)}: {cause}. {advice or 'Check the address.'}"
        undone = " ".join(filter(None, (f"{cause}. Nothing was changed.", advice)))
        raise CommandError(undone if is_connected else away) from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise CommandError(f"{where}{error.strerror or error}.") from error


@contextmanager
def _as_it_began() -> Iterator[None]:
    # A block that commits for itself ends, when its connection is lost, with a complaint about that end.
    try:
        yield
    except PendingRollbackError as error:
        first: BaseException | None = error
        while isinstance(first, PendingRollbackError):
            first = first.__context__
        raise first or error from None


def _with_advice(text: str) -> str:
    return next((advice for beginning, advice in ADVICE.items() if text.startswith(beginning)), text)


def _sentence(error: DBAPIError, url: URL, steps: Steps) -> str:
    cause = _cause(error, url)
    if steps.failing is None and steps.times and url.get_backend_name() == "sqlite":
        return f"{cause}. All these steps were undone: a run on SQLite is one transaction."
    if steps.failing is None:
        setting = "DATABASE_URL" if url.get_backend_name() == "sqlite" else SETTING
        return f"Cannot use {printable_url(url)}: {cause}. {advice_for(cause, url) or f'Check {setting}.'}"
    state = getattr(error.orig, "pgcode", None)
    if state in EXISTS or "already exists" in cause or "duplicate column" in cause:
        cause += f", though no migration made it here. {STAMP}"
    advice = advice_for(cause, url)
    return f"{cause}. {advice}" if advice else f"{cause}."


def _outcome(url: URL, steps: Steps) -> str:
    if steps.failing is None:
        return ""
    if not steps.times or url.get_backend_name() != "sqlite":
        return f" {steps.outcome}"
    # Each of them was reported as done.
    return f" {steps.outcome} The steps before it were undone too: a run on SQLite is one transaction."


def _cause(error: DBAPIError, url: URL) -> str:
    text = _without_password(str(error.orig), url)
    if text == MISSING_FILE:
        return f"{text} yet; flask db upgrade makes it"
    # libpq repeats itself for each address of a host.
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    failures = [SEVERITY.sub("", line.partition(" failed: ")[2]) for line in lines]
    distinct = list(dict.fromkeys(failure for failure in failures if failure))
    if distinct or not lines:
        return "; ".join(distinct) or "no reason was given"
    return SEVERITY.sub("", lines[0]).rstrip(".")


def cause_and_advice(error: DBAPIError, url: URL) -> tuple[str, str | None]:
    """What the database said, without a password, and what to do about it where that is known."""
    cause = _cause(error, url)
    return cause, advice_for(cause, url)


def _without_password(text: str, url: URL) -> str:
    secret = str(url.password or "")
    # One that is the role's name too is not hidden there: that would only show that they are the same.
    if not secret or secret in printable_url(url):
        return text
    forms = "|".join(map(re.escape, (secret, quote(secret))))
    # As a word of its own: a short one is a part of many others.
    return re.sub(rf"(?<!\w)(?:{forms})(?!\w)", "***", text)


def _flat(text: str) -> str:
    return " ".join(text.split())
