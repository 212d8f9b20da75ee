"""Causes in the agent itself: it lacks something, or a stored secret cannot be decrypted."""

from agents_app.probes.causes.cause import Cause, Responsible

CAUSES = {
    "incomplete": Cause(
        "The agent is incomplete, so this part of it was not tested. {missing}",
        "Enter what is missing, and test again.",
        Responsible.YOU,
    ),
    "password_missing": Cause(
        "The agent has no password.", "Enter the password of the user {username}.", Responsible.YOU
    ),
    "secret_unreadable": Cause(
        "The stored {secret} cannot be decrypted.",
        "Enter it again.",
        Responsible.YOU,
    ),
    "encryption_key_missing": Cause(
        "The stored {secret} cannot be decrypted. {problem}",
        "Ask the operator of the console to correct ENCRYPTION_KEYS. Until then, no agent can be saved.",
        Responsible.OPERATOR,
    ),
}
