"""`flask accounts`: create, list, rename and delete the accounts of this server."""

import sys
from collections.abc import Mapping
from operator import itemgetter

import click

from agents_app.cli.actor import require_keys, terminal_actor
from agents_app.cli.commands import ConsoleGroup, account_option, json_option
from agents_app.cli.options import options_of
from agents_app.cli.output import print_listing, print_message, print_outcome
from agents_app.cli.prompts import prompt_hidden
from agents_app.operations import accounts as operations
from agents_app.operations import password_sign_in
from agents_app.paths import COMMAND
from agents_app.schemas.accounts import AccountValues

PASSWORD_ADVICE = "Leave it out to type it at a hidden prompt, or use --password-stdin."

accounts = ConsoleGroup(
    "accounts", help="Create, list, rename and delete accounts. An account is an organisation on the pages."
)


@accounts.command()
@options_of(AccountValues, spelled={"account_name": "organisation"}, instead=PASSWORD_ADVICE)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input, without prompts.")
def create(*, password_stdin: bool, **given: str | None) -> None:
    """Create an account and its first admin.

    Prompts for values without an option, and for the password twice.
    """
    require_keys()
    values = _prompt_missing(given) if not password_stdin else {**given, "password": _read_password()}
    account_id = operations.create(values)
    click.echo(account_id)
    print_message(f"Created the account {values['account_name']}. {_way_in(str(values['email']))}")


@accounts.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List all accounts with their number of people."""
    row = itemgetter("id", "created_at", "people", "name")
    print_listing(operations.listing(), ("ID", "CREATED (UTC)", "PEOPLE", "NAME"), row, as_json=as_json)


@accounts.command()
@click.argument("name")
@account_option
def rename(account: str | None, name: str) -> None:
    """Rename an account."""
    actor = terminal_actor(account)
    is_changed = operations.rename(actor, {"name": name})
    already = f"the account already has the name {actor.account_name}"
    print_outcome(f"The account {actor.account_name} was renamed to {name}.", already, is_changed=is_changed)


@accounts.command("require-second-factor")
@click.argument("answer", metavar="yes|no", type=click.Choice(["yes", "no"]))
@account_option
def require_second_factor(account: str | None, answer: str) -> None:
    """Say whether people who sign in with a password need a second factor.

    Those who have none reach only the page that sets it up, from their next request.
    """
    actor = terminal_actor(account)
    is_changed = operations.require_second_factor(actor, is_required=answer == "yes")
    state = "required" if answer == "yes" else "not required"
    print_outcome(
        f"In {actor.account_name}, a second factor is {state}.", f"it is {state} already", is_changed=is_changed
    )


@accounts.command()
@click.option("--confirm", metavar="NAME", help="The account's name, instead of a prompt.")
@account_option
def delete(account: str | None, confirm: str | None) -> None:
    """Delete an account with its people, agents, tokens and history. This cannot be undone."""
    actor = terminal_actor(account)
    name = actor.account_name
    typed = confirm or click.prompt(
        f"This deletes everything in {name} and cannot be undone. Type the name to continue", err=True
    )
    operations.delete(actor, typed)
    print_message(f"{name} is deleted.")


def _way_in(email: str) -> str:
    if password_sign_in.may_use_password(email, is_linked=False):
        return f"Sign in as {email}."
    return f"Passwords are off: make a link to sign in with {COMMAND} users reset-password {email}"


def _read_password() -> str:
    # The schema refuses a password that is not UTF-8.
    text = sys.stdin.buffer.read().decode(errors="surrogateescape")
    return text.removesuffix("\n").removesuffix("\r")


def _prompt_missing(given: Mapping[str, str | None]) -> dict[str, str]:
    titles = {name: AccountValues.model_fields[name].title or name for name in ("account_name", "name", "email")}
    values = {name: given[name] or click.prompt(title, err=True) for name, title in titles.items()}
    return values | {"password": prompt_hidden("Password", "Use --password-stdin.", twice=True)}
