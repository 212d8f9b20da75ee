"""The errors that an operation raises. `refusals.py` gives each its HTTP status."""

from collections.abc import Iterable
from uuid import UUID

from agents_app.wording import number_text


class ConsoleError(Exception):
    """An error that can be shown as it is: `detail` is a sentence, `code` a stable word for programs."""

    code = "error"

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code


class ConfigurationError(ConsoleError):
    """A setting is missing or wrong. The sentence names the setting and never repeats a value that may be secret."""

    code = "configuration"


class NotSignedIn(ConsoleError):
    """The session or token is missing, wrong, ended or expired."""

    code = "not_signed_in"


class Forbidden(ConsoleError):
    """The actor does not have the permission."""

    code = "forbidden"


class CodeNeeded(Forbidden):
    """The person must first give a code of their second factor."""

    code = "code_needed"


class SecondFactorMissing(Forbidden):
    """The account requires a second factor of this person, who has none yet."""

    code = "second_factor_missing"


class NotAdmitted(Forbidden):
    """The provider says who someone is, and the console does not let them in. `code` says why."""

    code = "not_admitted"


class NotFound(ConsoleError):
    """The record does not exist or belongs to another account. The answer is the same for both."""

    code = "not_found"


class Malformed(ConsoleError):
    """The input cannot be parsed (invalid JSON, an invalid cursor)."""

    code = "malformed"


class WrongMediaType(ConsoleError):
    """The input has a media type that is not accepted. `accept_patch` are those of a change, which has several."""

    code = "unsupported_media_type"

    def __init__(self, detail: str, *, code: str | None = None, accept_patch: Iterable[str] = ()) -> None:
        super().__init__(detail, code=code)
        self.accept_patch = tuple(accept_patch)


class TooLarge(ConsoleError):
    """The input is larger than the limit."""

    code = "too_large"


class InvalidInput(ConsoleError):
    """The input breaks rules. `fields` has every broken rule as (JSON pointer of the field, sentence).

    The pointer "" means the input as a whole.
    """

    code = "invalid_input"

    def __init__(self, fields: Iterable[tuple[str, str]]) -> None:
        self.fields = list(fields)
        count = len(self.fields)
        super().__init__("One field needs attention." if count == 1 else f"{number_text(count)} fields need attention.")


class InvalidQuery(InvalidInput):
    """Parameters of the query break rules. Each pointer is the name of a parameter after a slash."""


class Conflict(ConsoleError):
    """The input is valid, but conflicts with what is stored."""

    code = "conflict"


class Stale(Conflict):
    """The record has changed since the caller read it."""

    code = "stale"


class Repeated(Conflict):
    """The same form has already made something that cannot be shown again. The sentence says why."""

    code = "repeated"


class AlreadyCreated(Conflict):
    """An earlier request with the same key created the agent `agent_id`, which is there and has been changed since."""

    code = "idempotency_changed"

    def __init__(self, detail: str, agent_id: UUID) -> None:
        super().__init__(detail)
        self.agent_id = agent_id


class Throttled(ConsoleError):
    """Too many attempts. `retry_after` is in seconds."""

    code = "too_many_requests"

    def __init__(self, detail: str, *, retry_after: int, code: str | None = None) -> None:
        super().__init__(detail, code=code)
        self.retry_after = retry_after


class Unavailable(ConsoleError):
    """The server or the database failed. The caller can try again after `retry_after` seconds."""

    code = "unavailable"
    retry_after = 2

    def __init__(self, detail: str, *, code: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(detail, code=code)
        if retry_after is not None:
            self.retry_after = retry_after


class StorageFull(Unavailable):
    """The disk or the quota is full. The request was not carried out, and nothing was lost."""

    code = "storage_full"
