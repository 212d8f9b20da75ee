"""`flask tokens`: create, list, rotate and revoke API tokens."""

from typing import Any
from uuid import UUID

import click

from agents_app.cli.actor import terminal_actor
from agents_app.cli.commands import ConsoleGroup, account_option, json_option
from agents_app.cli.options import Id
from agents_app.cli.output import print_listing, print_message
from agents_app.cli.recent_readers import print_agents_of_token
from agents_app.operations import tokens as operations
from agents_app.paths import COMMAND
from agents_app.schemas.tokens import OVERLAP_HOURS, TokenQuery
from agents_app.values.fields import parse

HEADINGS = ("ID", "BEGINS WITH", "SCOPES", "EXPIRES (UTC)", "LAST USED (UTC)", "CREATED FOR", "AGENTS", "NAME")

tokens = ConsoleGroup("tokens", help="Create, list, rotate and revoke API tokens.")


@tokens.command()
@click.option("--name", metavar="TEXT", help="Where it will be used, such as ci-deploy.")
@click.option("--scope", "scopes", multiple=True, metavar="read|write|runtime", help="May be repeated.")
@click.option("--expires-in-days", metavar="NUMBER", help="Days from now. Default: the setting TOKEN_DAYS.")
@click.option(
    "--agent",
    "agent_ids",
    multiple=True,
    metavar="ID",
    help="Limit the scope runtime to the agent with this id or external id. May be repeated.",
)
@click.option(
    "--user",
    metavar="EMAIL",
    help="The email address of the token's owner. Default: the admin, if there is only one. Runtime tokens have no "
    + "owner.",
)
@account_option
def create(account: str | None, user: str | None, **given: str | tuple[str, ...] | None) -> None:
    """Create a token and print it. It is not shown again.

    Standard output has only the token, so that a script can read it.
    """
    actor = terminal_actor(account)
    values = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
    token_id, text = operations.create(actor, values, user)
    print_message(f"The token {token_id} is not shown again. To revoke it: {COMMAND} tokens revoke {token_id}")
    click.echo(text)


@tokens.command("list")
@click.option(
    "--unused-days",
    metavar="NUMBER",
    help="Only tokens that were not used for so many days. A token that was never used counts from its creation.",
)
@json_option
@account_option
def list_(account: str | None, unused_days: str | None, *, as_json: bool) -> None:
    """List the tokens that are not revoked, without their values."""
    query = parse(TokenQuery, {"unused_days": unused_days})
    print_listing(operations.listing(terminal_actor(account), query), HEADINGS, _row, as_json=as_json)


@tokens.command()
@click.argument("token_id", metavar="ID", type=Id())
@click.option(
    "--overlap",
    metavar="TIME",
    help=f"How long the old token keeps working: 1h to 168h, or 1d to 7d. Default: {OVERLAP_HOURS}h.",
)
@account_option
def rotate(account: str | None, token_id: UUID, overlap: str | None) -> None:
    """Replace a token by a new one with the same name, owner, scopes, agents and lifetime, and print the new one.

    Standard output has only the token, so that a script can read it. It is not shown again.
    """
    actor = terminal_actor(account)
    made = operations.rotate(actor, token_id, {"overlap": overlap})
    ends = f"ends at {made.old_ends_at:%Y-%m-%d %H:%M} UTC"
    print_message(f"The token {made.id} is not shown again. The token {token_id} {ends}.")
    print_agents_of_token(actor, token_id)
    click.echo(made.text)


@tokens.command()
@click.argument("token_id", metavar="ID", type=Id())
@account_option
def revoke(account: str | None, token_id: UUID) -> None:
    """Revoke a token. It stops working immediately."""
    actor = terminal_actor(account)
    print_message(f"{operations.revoke(actor, token_id)} is revoked.")
    print_agents_of_token(actor, token_id)


def _row(row: dict[str, Any]) -> tuple[object, ...]:
    used = "expired" if row["is_expired"] else row["last_used_at"]
    agents = [agent["name"] or agent["id"] for agent in row["agents"]] or "all"
    name = f"{row['name']} (replaced)" if row["replaced_at"] else row["name"]
    return (row["id"], f"agc_{row['key_id']}", row["scopes"], row["expires_at"], used, row["created_by"], agents, name)
