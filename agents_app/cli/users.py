"""`flask users`: the people of an account, each named by email address."""

from operator import itemgetter
from typing import Any
from uuid import UUID

import click

from agents_app.cli.console import ConsoleGroup, account_option, acting, json_option, print_listing, say, say_done
from agents_app.cli.options import Id, options_of
from agents_app.operations import invitation_records, invitations
from agents_app.operations import users as operations
from agents_app.schemas.users import RoleValues

HEADINGS = ("EMAIL", "ROLE", "STATE", "LAST SEEN (UTC)", "NAME")
LINK_HEADINGS = ("ID", "ROLE", "EXPIRES (UTC)", "MADE BY")
ROLES = "viewer|editor|admin"

users = ConsoleGroup("users", help="Invite, list, change and remove the people of an account.")

email_argument = click.argument("email")


@users.command("list")
@json_option
@account_option
def list_(account: str | None, *, as_json: bool) -> None:
    """List everybody in the account."""
    print_listing(operations.listing(acting(account)), HEADINGS, _row, as_json=as_json)


@users.command()
@options_of(RoleValues)
@account_option
def invite(account: str | None, role: str | None) -> None:
    """Make a one-time link by which one person joins, and print it, this once.

    Only the link goes to standard output. Whoever has it can join: give it to nobody else.
    """
    code = invitations.invite(acting(account), {"role": role})
    days = invitation_records.VALID_FOR.days
    say(f"One person can join by this link, within {days} days. It is not shown again.")
    click.echo(invitations.join_url(code))


@users.command("invitations")
@json_option
@account_option
def invitations_(account: str | None, *, as_json: bool) -> None:
    """List the links to join that nobody has used yet."""
    row = itemgetter("id", "role", "expires_at", "made_by")
    print_listing(invitations.listing(acting(account)), LINK_HEADINGS, row, as_json=as_json)


@users.command()
@click.argument("invitation_id", metavar="ID", type=Id())
@account_option
def withdraw(account: str | None, invitation_id: UUID) -> None:
    """Make a link to join useless."""
    invitations.withdraw(acting(account), invitation_id)
    say("The link is withdrawn.")


@users.command()
@email_argument
@click.argument("role", metavar=ROLES)
@account_option
def role(account: str | None, email: str, role: str) -> None:
    """Give a person another role, and end their sessions."""
    actor = acting(account)
    is_changed = operations.change_role(actor, operations.id_of(actor, email), {"role": role})
    say_done(f"{email} is now {role}.", f"{email} is {role} already", is_changed=is_changed)


@users.command()
@email_argument
@account_option
def deactivate(account: str | None, email: str) -> None:
    """Keep a person out at once: sessions, links they made, tokens but those of runtimes."""
    actor = acting(account)
    is_changed = operations.deactivate(actor, operations.id_of(actor, email))
    say_done(f"{email} is deactivated.", f"{email} is deactivated already", is_changed=is_changed)


@users.command()
@email_argument
@account_option
def activate(account: str | None, email: str) -> None:
    """Let a deactivated person sign in again."""
    actor = acting(account)
    is_changed = operations.activate(actor, operations.id_of(actor, email))
    say_done(f"{email} is active.", f"{email} is active already", is_changed=is_changed)


@users.command()
@email_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@account_option
def delete(account: str | None, email: str, *, yes: bool) -> None:
    """Remove a person for good, after asking. Their agents stay."""
    actor = acting(account)
    user_id = operations.id_of(actor, email)
    if not yes:
        click.confirm(f"Delete {email}?", abort=True, err=True)
    operations.delete(actor, user_id)
    say(f"{email} is deleted.")


@users.command("reset-password")
@email_argument
@account_option
def reset_password(account: str | None, email: str) -> None:
    """Make a one-time link by which a person chooses a new password, and print it, this once.

    Only the link goes to standard output. Whoever has it can sign in as this person.
    """
    actor = acting(account)
    code = invitations.make_reset_link(actor, operations.id_of(actor, email))
    days = invitation_records.VALID_FOR.days
    say(f"By this link {email} chooses a new password, within {days} days. It is not shown again.")
    click.echo(invitations.reset_url(code))


def _row(person: dict[str, Any]) -> tuple[object, ...]:
    state = "active" if person["is_active"] else "deactivated"
    return (person["email"], person["role"], state, person["last_seen_at"], person["name"])
