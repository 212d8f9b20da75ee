"""The few ways in which an operation says no. No HTTP and no Flask: the status codes are in `refusals.py`."""

from collections.abc import Iterable

from agents_app.wording import number_text


class ConsoleError(Exception):
    """A refusal that may be shown as it is: `detail` is a sentence, `code` a stable word for programs."""

    code = "error"

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code


class ConfigurationError(ConsoleError):
    """A setting is missing or wrong; the sentence names the setting and never repeats its value."""

    code = "configuration"


class NotSignedIn(ConsoleError):
    """Nobody, or nobody any more: the session or token is missing, wrong, ended or expired."""

    code = "not_signed_in"


class Forbidden(ConsoleError):
    """Known, but may not do this."""

    code = "forbidden"


class NotFound(ConsoleError):
    """Not there, or not this account's: the two cannot be told apart."""

    code = "not_found"


class Malformed(ConsoleError):
    """The input could not be read at all (broken JSON, an unusable cursor)."""

    code = "malformed"


class WrongMediaType(ConsoleError):
    """The input is of a kind that this door does not take."""

    code = "unsupported_media_type"


class TooLarge(ConsoleError):
    """The input is larger than this door takes."""

    code = "too_large"


class InvalidInput(ConsoleError):
    """The input was read and breaks rules: every broken rule, each with the JSON pointer of its field.

    `fields` is a list of (pointer, sentence); the pointer "" means the input as a whole.
    """

    code = "invalid_input"

    def __init__(self, fields: Iterable[tuple[str, str]]) -> None:
        self.fields = list(fields)
        count = len(self.fields)
        super().__init__("One field needs attention." if count == 1 else f"{number_text(count)} fields need attention.")


class Conflict(ConsoleError):
    """Fine by itself, but not beside what is stored."""

    code = "conflict"


class Stale(Conflict):
    """Somebody else changed the record since the caller read it."""

    code = "stale"


class Repeated(Conflict):
    """The same form made something before which cannot be shown again; the sentence says why."""

    code = "repeated"


class Throttled(ConsoleError):
    """Too many tries; `retry_after` is in seconds."""

    code = "too_many_requests"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Unavailable(ConsoleError):
    """The machinery failed, not the caller; worth another try after `retry_after` seconds."""

    code = "unavailable"
    retry_after = 2


class StorageFull(Unavailable):
    """The disk or the quota is full; what was asked was not done and nothing else was lost."""

    code = "storage_full"
