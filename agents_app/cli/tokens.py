"""`flask tokens`: make, list and revoke API tokens."""

from typing import Any
from uuid import UUID

import click

from agents_app.cli.console import ConsoleGroup, account_option, acting, json_option, print_listing, say
from agents_app.cli.options import Id
from agents_app.operations import tokens as operations

HEADINGS = ("ID", "BEGINS WITH", "SCOPES", "EXPIRES (UTC)", "LAST USED (UTC)", "MADE FOR", "NAME")

tokens = ConsoleGroup("tokens", help="Make, list and revoke API tokens.")


@tokens.command()
@click.option("--name", metavar="TEXT", help="Where it will be used, such as ci-deploy.")
@click.option("--scope", "scopes", multiple=True, metavar="read|write|runtime", help="May be repeated.")
@click.option("--expires-in-days", metavar="NUMBER", help="Days from now; the setting TOKEN_DAYS unless said.")
@click.option("--agent", "agent_ids", multiple=True, metavar="ID", help="Limit runtime to this agent. May be repeated.")
@click.option("--user", metavar="EMAIL", help="For whom; the only admin unless said. Runtime tokens are nobody's.")
@account_option
def create(account: str | None, user: str | None, **given: str | tuple[str, ...] | None) -> None:
    """Make a token and print it, this once.

    Only the token goes to standard output, so that a script can keep it.
    """
    actor = acting(account)
    values = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
    token_id, text = operations.create(actor, values, user)
    say(f"The token {token_id} is not shown again; `flask tokens revoke {token_id}` ends it.")
    click.echo(text)


@tokens.command("list")
@json_option
@account_option
def list_(account: str | None, *, as_json: bool) -> None:
    """List the tokens that are not revoked, without their texts."""
    print_listing(operations.listing(acting(account)), HEADINGS, _row, as_json=as_json)


@tokens.command()
@click.argument("token_id", metavar="ID", type=Id())
@account_option
def revoke(account: str | None, token_id: UUID) -> None:
    """End a token at once."""
    say(f"{operations.revoke(acting(account), token_id)} is revoked.")


def _row(row: dict[str, Any]) -> tuple[object, ...]:
    used = "expired" if row["is_expired"] else row["last_used_at"]
    return (row["id"], f"agc_{row['key_id']}", row["scopes"], row["expires_at"], used, row["created_by"], row["name"])
