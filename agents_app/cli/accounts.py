"""`flask accounts`: make, list, rename and delete the accounts of this server."""

import sys
from collections.abc import Mapping
from operator import itemgetter

import click

from agents_app.cli.console import (
    ConsoleGroup,
    account_option,
    acting,
    ask_hidden,
    json_option,
    print_listing,
    require_keys,
    say,
    say_done,
)
from agents_app.cli.options import options_of
from agents_app.operations import accounts as operations
from agents_app.schemas.accounts import AccountValues

INSTEAD = "Leave it out to type it hidden, or use --password-stdin."

accounts = ConsoleGroup("accounts", help="Make, list, rename and delete the accounts of this server.")


@accounts.command()
@options_of(AccountValues, spelled={"account_name": "organisation"}, instead=INSTEAD)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input, and ask for nothing.")
def create(*, password_stdin: bool, **given: str | None) -> None:
    """Make an account and its first admin.

    Asks for what no option gives, and for the password twice.
    """
    require_keys()
    values = _asked(given) if not password_stdin else {**given, "password": _from_stdin()}
    account_id = operations.create(values)
    click.echo(account_id)
    say(f"{values['account_name']} is there. Its admin signs in as {values['email']}.")


@accounts.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List every account with its number of people."""
    row = itemgetter("id", "created_at", "people", "name")
    print_listing(operations.listing(), ("ID", "CREATED (UTC)", "PEOPLE", "NAME"), row, as_json=as_json)


@accounts.command()
@click.argument("name")
@account_option
def rename(account: str | None, name: str) -> None:
    """Call the account something else."""
    actor = acting(account)
    is_changed = operations.rename(actor, {"name": name})
    already = f"the account is called {actor.account_name} already"
    say_done(f"{actor.account_name} is called {name} now.", already, is_changed=is_changed)


@accounts.command()
@click.option("--confirm", metavar="NAME", help="The account's name, for scripts; it is asked for unless given.")
@account_option
def delete(account: str | None, confirm: str | None) -> None:
    """Delete the account with its people, agents, tokens and history, for good."""
    actor = acting(account)
    name = actor.account_name
    typed = confirm or click.prompt(f"Everything in {name} is deleted for good. Type its name to go on", err=True)
    operations.delete(actor, typed)
    say(f"{name} is deleted.")


def _from_stdin() -> str:
    # What is not UTF-8 is refused by the schema, in its words.
    text = sys.stdin.buffer.read().decode(errors="surrogateescape")
    return text.removesuffix("\n").removesuffix("\r")


def _asked(given: Mapping[str, str | None]) -> dict[str, str]:
    titles = {name: AccountValues.model_fields[name].title or name for name in ("account_name", "name", "email")}
    values = {name: given[name] or click.prompt(title, err=True) for name, title in titles.items()}
    return values | {"password": ask_hidden("Password", "Use --password-stdin.", twice=True)}
