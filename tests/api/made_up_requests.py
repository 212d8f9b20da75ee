"""Hooks of schemathesis: short URLs, no body of null, and a valid request is refused only for a listed reason."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import schemathesis

# The server of the tests, unlike `flask serve`, answers a longer line in HTML.
URL_MAX = 32_000
# The reasons that were met are written here, in the folder of the run.
MET = Path("reasons.txt")
# Carried out, unchanged since, without a token (other checks send that), or of an id that nobody has.
ANSWERED = (*range(200, 400), 401, 404)
LISTED = {
    # What counts as a character, as white space or as visible is in Unicode's tables, not in a regular expression that
    # all programs read alike.
    "texts are cleaned, and then need a visible character and no control character": (
        "Write this on one line, without control characters.",
        "Write at least one visible character.",
        "Remove the invalid characters",
        "Remove the direction mark",
        "Remove U[+]",
        "Write a value, or leave this parameter out.",
        "A value is empty. Write a value, or leave this filter out.",
        "Write a value for the label",
        "Enter the (host|database name|user name|tenant ID|client .application. ID|workspace ID|dataset ID)[.]",
        "Enter a name for the agent.",
        "Write the id or the external id of an agent.",
    ),
    # JSON Schema has no format for these that all programs check alike.
    "a value has a syntax of its own": (
        "Write one host name or IP address",
        "Write the IP address in its usual form",
        "This is a hidden form of the secret",
        "This looks like an address",
        "Write the tenant's UUID or its domain",
        "Write https://, a host, and an optional port and path",
        "Remove the (user name and password from|part of) the URL",
        "Paste the whole text from -----BEGIN",
        "Use printable ASCII characters without spaces.",
        "Write name or name:value",
    ),
    # Only the console knows what it stores.
    "the request does not fit what the console stores": (
        "This is not the (present value|id) of the agent.",
        "Each warning has a pointer and a detail.",
        "null removes this",
        "This is not the external ID in the path.",
        "The agent has changed since it was read.",
        "Another agent has this external ID.",
        "The (destination of the connection|model provider or its base URL) has changed",
        "This version has another destination of the connection",
        "Send only secrets that this version has",
        "This field is not known here.",
        "Choose the database type.",
        "Row limit must be between",
        r"agent_disabled|conflict|external_id_reused|cannot_be_undone|other_plan|stale|already_exists|idempotency_\w+",
    ),
    # JSON Schema compares no members, apart from keywords that generators of clients do not read.
    "members of one document do not fit": (
        "Another agent of this file",
        "[0-9,]+ agents of this file have this name",
        "Say why the agent is disabled.",
        "Only a disabled agent has a reason.",
    ),
    "a cursor can only be one that the console returned": ("bad_cursor",),
    "the caller has to wait": ("too_many_tests",),
}
"""Why a request that the document calls valid may be refused: the code, or the beginning of the sentence."""


@schemathesis.hook
def filter_query(_context: Any, query: dict[str, Any] | None) -> bool:
    """Whether the URL is short enough. A filter takes up to 100 values."""
    return len(urlencode(query or {}, doseq=True)) < URL_MAX


@schemathesis.hook
def filter_case(_context: Any, case: Any) -> bool:
    """Whether the body is more than null. Null counts as no body where a body is optional, for Java's clients.

    The document does not say so, because generators have no good type for such a body.
    """
    return case.body is not None


@schemathesis.check
def refused_only_as_listed(_context: Any, response: Any, case: Any) -> None:
    """A request that the document calls valid is carried out, or refused for a reason of the list."""
    is_valid = case.meta and case.meta.generation.mode.is_positive and _has_valid_headers(case)
    if not is_valid or response.status_code in ANSWERED:
        return
    for code, place, sentence in _refusals(response.json()):
        reason = _reason(code, sentence)
        assert reason, f"A valid request was refused: {response.status_code} {code} {place} {sentence}"
        with MET.open("a") as met:
            met.write(f"{reason}\n")


def _has_valid_headers(case: Any) -> bool:
    """Whether each header matches its pattern. One phase writes only letters and digits in headers."""
    patterns = {one.name: one.definition["schema"].get("pattern", "") for one in case.operation.headers}
    return all(re.search(patterns.get(name, ""), value) for name, value in (case.headers or {}).items())


def _refusals(problem: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The code, the place and the sentence of each refusal in a response."""
    errors = problem.get("errors") or [problem]
    return [(problem["code"], one.get("pointer", one.get("parameter", "")), one["detail"]) for one in errors]


def _reason(code: str, sentence: str) -> str | None:
    patterns = ((reason, pattern) for reason, every in LISTED.items() for pattern in every)
    return next((reason for reason, one in patterns if re.fullmatch(one, code) or re.match(one, sentence)), None)
