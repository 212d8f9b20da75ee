"""Turns database errors into one line that says what to do and contains no password."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from alembic.util import CommandError
from sqlalchemy.engine import URL
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, PendingRollbackError

from agents_app.database.errors import MISSING_FILE
from agents_app.database.url import printable_url
from agents_app.dbtools.branches import PUT_IN_ORDER, STAMP_ONE, TWO_HEADS
from agents_app.dbtools.database.advice import SETTING, advice_for
from agents_app.dbtools.marks import load_failure
from agents_app.dbtools.runner.steps import Steps
from agents_app.errors import ConsoleError
from agents_app.file_errors import cause_of
from agents_app.paths import COMMAND

EXISTS = ("42P07", "42710", "42701", "42P06")
SEVERITY = re.compile(r"^(?:FATAL|ERROR):\s+")
REBUILT = "_alembic_tmp_"
NO_SQL = "This step cannot be written as SQL for SQLite. Run the command without --sql."
NOT_AT_HEAD = "Target database is not up to date"
# The beginnings of Alembic's messages, and what is printed instead.
ALEMBIC_MESSAGES = {
    "Multiple head": f"{TWO_HEADS} {PUT_IN_ORDER}. To list them: {COMMAND} db heads",
    "Relative revision ": f"There are not that many steps in this direction. See: {COMMAND} db history -i",
    "Requested revision ": f"The table alembic_version contains more than one revision. {STAMP_ONE}",
    "This operation cannot proceed in --sql mode": NO_SQL,
}


def not_at_head(way: str) -> str:
    """For models that cannot be compared with a database. `way` is the command that brings it to head."""
    return f"The database is not at head. Bring it there first: {way}"


@contextmanager
def readable_step_errors(url: URL, steps: Steps) -> Iterator[None]:
    """Raise CommandError, which `flask db` and `alembic` print as one line, for errors while steps run."""
    try:
        with original_error():
            yield
    except CommandError as error:
        raise CommandError(_replace_alembic_message(str(error)) + _outcome(url, steps)) from error
    except ConsoleError as error:
        raise CommandError(error.detail) from error
    except DBAPIError as error:
        raise CommandError(
            _database_message(error, url, steps) + _outcome(url, steps, has_failed=_is_refused(error))
        ) from error
    except NotImplementedError as error:
        raise CommandError(" ".join(str(error).split()).rstrip(".") + "." + _outcome(url, steps)) from error
    except KeyboardInterrupt as error:
        raise CommandError(f"Interrupted.{_outcome(url, steps)}") from error
    except Exception as error:
        raise CommandError(_other_message(error, url, steps) + _outcome(url, steps)) from error


def _other_message(error: Exception, url: URL, steps: Steps) -> str:
    # A step is a program of its own, and may raise anything. Other errors are faults of this program.
    if steps.current is not None:
        text = " ".join(_hide_password(str(error), url).split())
        return f"{steps.place_of(error)} raised {type(error).__name__}{f': {text}' if text else ''}."
    if failure := load_failure(error):
        return failure
    if isinstance(error, OSError):
        return f"Cannot open {printable_url(url)}: {error.strerror}. Check DATABASE_URL."
    raise error


@contextmanager
def readable_errors(url: URL) -> Iterator[None]:
    """Raise CommandError for errors of other commands, where a failed statement changes nothing."""
    try:
        yield
    except CommandError as error:
        raise CommandError(_replace_alembic_message(str(error))) from error
    except ConsoleError as error:
        raise CommandError(error.detail) from error
    except DBAPIError as error:
        is_connected = isinstance(error, IntegrityError | DataError) or getattr(error.orig, "pgcode", None)
        cause, advice = cause_and_advice(error, url)
        unusable = f"Cannot use {printable_url(url)}: {cause}. {advice or 'Check the address.'}"
        failed = " ".join(filter(None, (f"{cause}. Nothing was changed.", advice)))
        raise CommandError(failed if is_connected else unusable) from error
    except OSError as error:
        path = f"{error.filename}: " if error.filename else ""
        raise CommandError(f"{path}{cause_of(error) if error.errno else error}.") from error
    except Exception as error:
        if failure := load_failure(error):
            raise CommandError(failure) from error
        raise


@contextmanager
def original_error() -> Iterator[None]:
    """Raise the error of the database if SQLAlchemy complains about the end of a block that commits by itself."""
    try:
        yield
    except PendingRollbackError as error:
        original: BaseException | None = error
        while isinstance(original, PendingRollbackError):
            original = original.__context__
        raise original or error from None


def _replace_alembic_message(text: str) -> str:
    return next((message for beginning, message in ALEMBIC_MESSAGES.items() if text.startswith(beginning)), text)


def _database_message(error: DBAPIError, url: URL, steps: Steps) -> str:
    cause = _cause(error, url)
    if steps.current is None and steps.times and url.get_backend_name() == "sqlite":
        return f"{cause}. All these steps were undone: a run on SQLite is one transaction."
    if steps.current is None:
        setting = "DATABASE_URL" if url.get_backend_name() == "sqlite" else SETTING
        return f"Cannot use {printable_url(url)}: {cause}. {advice_for(cause, url) or f'Check {setting}.'}"
    state = getattr(error.orig, "pgcode", None)
    if state in EXISTS or "already exists" in cause or "duplicate column" in cause:
        cause += steps.advice_for_existing(cause)
    advice = steps.broken_rule() if isinstance(error, IntegrityError) else None
    advice = advice or advice_for(cause, url)
    return f"{cause}. {advice}" if advice else f"{cause}."


def _is_refused(error: DBAPIError) -> bool:
    # Wrong data, a broken rule, a wrong statement: not a lost connection, a limit or a lock.
    return str(getattr(error.orig, "pgcode", None) or "")[:2] in ("22", "23", "42")


def _outcome(url: URL, steps: Steps, *, has_failed: bool = False) -> str:
    if steps.current is None:
        return ""
    outcome = steps.outcome(has_failed=has_failed)
    if not steps.times or url.get_backend_name() != "sqlite":
        return f" {outcome}"
    # The steps before it were already reported as done.
    return f" {outcome} The steps before it were undone too: a run on SQLite is one transaction."


def _cause(error: DBAPIError, url: URL) -> str:
    text = _hide_password(str(error.orig), url)
    if text.startswith(MISSING_FILE):
        return f"{MISSING_FILE} yet; {COMMAND} db deploy creates it"
    if url.get_backend_name() == "sqlite":
        # While a table is rebuilt, its copy has another name.
        return text.replace(REBUILT, "").rstrip(".")
    # libpq repeats the message for each address of a host.
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    failures = [SEVERITY.sub("", line.partition(" failed: ")[2]) for line in lines]
    distinct = list(dict.fromkeys(failure for failure in failures if failure))
    if distinct or not lines:
        return "; ".join(distinct) or "no reason was given"
    return SEVERITY.sub("", lines[0]).rstrip(".")


def cause_and_advice(error: DBAPIError, url: URL) -> tuple[str, str | None]:
    """Return the database's message, without a password, and advice if any is known."""
    cause = _cause(error, url)
    return cause, advice_for(cause, url)


def _hide_password(text: str, url: URL) -> str:
    password = str(url.password or "")
    # A password that equals the role's name is not hidden: that would only reveal that they are equal.
    if not password or password in printable_url(url):
        return text
    spellings = "|".join(map(re.escape, (password, quote(password))))
    # Only whole words, because a short password is a part of many words.
    return re.sub(rf"(?<!\w)(?:{spellings})(?!\w)", "***", text)
