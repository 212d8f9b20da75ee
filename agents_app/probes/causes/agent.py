"""Causes for which no probe runs: the stored agent itself lacks something."""

from agents_app.probes.causes.cause import Cause, Mender

CAUSES = {
    "incomplete": Cause(
        "Something is missing that signing in needs. {missing}", "Edit the agent, then test it again.", Mender.YOU
    ),
    "secret_unreadable": Cause(
        "The stored {secret} cannot be decrypted.",
        "Type it again. Or ask the operator of the console to restore its encryption key.",
        Mender.YOU,
    ),
}
