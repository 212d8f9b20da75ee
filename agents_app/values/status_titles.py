"""The names of HTTP statuses, which older versions of the standard library and of other packages do not have yet."""

from http import HTTPStatus

# RFC 9110 and, for 507, RFC 4918.
PRESENT = {413: "Content Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable", 422: "Unprocessable Content"}


def status_title(status: int) -> str:
    """The present name of a status, such as Not Found."""
    return PRESENT.get(status) or HTTPStatus(status).phrase
