"""Every error code of the API: its status, what it means, and what a client does. A code never changes its meaning."""

from typing import NamedTuple


class ErrorCode(NamedTuple):
    """One error code."""

    status: int
    meaning: str
    remedy: str


AGAIN = "Send the request again after the seconds of Retry-After."
ASK_OPERATOR = "Ask the operator of the console; try again later."
READ_AGAIN = "Read the agent again, make the change in what you got, and send it with the new ETag."
FIX_REQUEST = "Correct the request. The same request fails again."
ERROR_CODES: dict[str, ErrorCode] = {
    "malformed": ErrorCode(
        400,
        "The request cannot be read, as with invalid JSON, or has a header that the operation would ignore.",
        FIX_REQUEST,
    ),
    "bad_cursor": ErrorCode(
        400, "The cursor is not valid, or belongs to another order or to other filters.", "Start without a cursor."
    ),
    "bad_etag": ErrorCode(
        400, "If-Match or If-None-Match has no valid ETag.", "Send the ETag as it was returned, with its quotes."
    ),
    "bad_idempotency_key": ErrorCode(
        400, "The Idempotency-Key is not valid.", "Send 1 to 255 printable ASCII characters."
    ),
    "token_missing": ErrorCode(
        401, "There is no API token, or the header Authorization is not valid.", "Send Authorization: Bearer agc_…"
    ),
    "not_signed_in": ErrorCode(
        401, "The token is wrong, expired, replaced or revoked.", "Stop, and get a new token from an admin."
    ),
    "forbidden": ErrorCode(403, "API tokens cannot do this.", "Use the pages or the terminal."),
    "scope_missing": ErrorCode(403, "The token does not have the scope.", "Use a token with the scope."),
    "role_missing": ErrorCode(
        403, "The owner of the token does not have the role.", "Use a token of a person who has the role."
    ),
    "agent_disabled": ErrorCode(
        403, "The agent is disabled; `detail` has the reason.", "Stop the agent, and check again later."
    ),
    "not_found": ErrorCode(
        404, "Nothing is there, or the token may not see it.", "Check the id. Do not send the same request again."
    ),
    "method_not_allowed": ErrorCode(405, "The URL does not support the method.", "Use a method of the header Allow."),
    "timeout": ErrorCode(408, "The request took too long to arrive. Nothing was done.", "Send it again."),
    "conflict": ErrorCode(409, "Others changed the same agents at the same time.", "Send the request again."),
    "external_id_reused": ErrorCode(
        409, "Another agent has the external ID by now.", "Change the external ID of that agent, or leave this one."
    ),
    "snapshot_unreadable": ErrorCode(
        409, "This release cannot use what was recorded of the agent.", "Restore another version."
    ),
    "idempotency_key_reused": ErrorCode(409, "The key was used with other content.", "Use a new key for each agent."),
    "idempotency_changed": ErrorCode(
        409, "The agent of this key was created, and changed since.", "Read the agent; do not create it again."
    ),
    "idempotency_deleted": ErrorCode(
        409, "The agent of this key was created, and deleted since.", "To create it again, use a new key."
    ),
    "cannot_be_undone": ErrorCode(409, "A test cannot be undone.", "There is nothing to do."),
    "other_plan": ErrorCode(409, "The plan is not the expected one any more.", "Ask for the plan again."),
    "stale": ErrorCode(412, "The agent is at another version than If-Match says.", READ_AGAIN),
    "already_exists": ErrorCode(
        412,
        "If-None-Match is *, and the agent exists.",
        "Read the agent. If you sent the request before, it can be your own success.",
    ),
    "too_large": ErrorCode(413, "The body is too large.", "Send less. `detail` says how much is allowed."),
    "unsupported_media_type": ErrorCode(
        415, "The body has a media type or a coding that this operation does not take.", "`detail` says what it takes."
    ),
    "invalid_input": ErrorCode(422, "Values break rules; `errors` names each of them.", FIX_REQUEST),
    "too_many_requests": ErrorCode(429, "Too many failed attempts came from this address.", AGAIN),
    "rate_limited": ErrorCode(429, "This token has sent more requests than a minute allows.", AGAIN),
    "too_many_tests": ErrorCode(429, "Too many tests were started.", AGAIN),
    "internal_error": ErrorCode(
        500, "An unexpected error occurred.", "Report `request_id` to the operator of the console."
    ),
    "unavailable": ErrorCode(503, "The console cannot answer now.", AGAIN),
    "busy": ErrorCode(503, "Too much is done at once.", AGAIN),
    "tests_off": ErrorCode(503, "Tests are switched off in this console.", ASK_OPERATOR),
    "secret_unavailable": ErrorCode(
        503, "A stored secret cannot be decrypted.", "Set the secret again, or restore its key."
    ),
    "database_busy": ErrorCode(503, "The database is busy.", AGAIN),
    "database_read_only": ErrorCode(503, "The database is read-only now.", AGAIN),
    "database_unavailable": ErrorCode(503, "The database does not answer.", AGAIN),
    "database_forbidden": ErrorCode(503, "The database refuses the console a permission.", ASK_OPERATOR),
    "schema_behind": ErrorCode(503, "The database schema is behind the program.", ASK_OPERATOR),
    "storage_full": ErrorCode(507, "The disk is full. The request was not carried out.", ASK_OPERATOR),
}
# What every operation can answer, whatever it does.
OF_EVERY_OPERATION = (
    *("malformed", "token_missing", "not_signed_in", "invalid_input"),
    *("too_many_requests", "rate_limited", "internal_error", "unavailable", "busy"),
    *("database_busy", "database_read_only", "database_unavailable", "database_forbidden", "schema_behind"),
    "storage_full",
)
OF_BODIES = ("timeout", "too_large", "unsupported_media_type")
