"""`flask users`: the people of an account, identified by their email address."""

from operator import itemgetter
from typing import Any
from uuid import UUID

import click

from agents_app.cli.actor import terminal_actor
from agents_app.cli.commands import ConsoleGroup, account_option, json_option
from agents_app.cli.options import Id, options_of
from agents_app.cli.output import print_listing, print_message, print_outcome
from agents_app.config import settings
from agents_app.operations import (
    identities,
    invitation_records,
    invitations,
    second_factors,
    user_details,
)
from agents_app.operations import users as operations
from agents_app.schemas.users import InvitationValues

HEADINGS = ("EMAIL", "ROLE", "STATUS", "SIGNS IN BY", "LAST SEEN (UTC)", "NAME")
LINK_HEADINGS = ("ID", "ROLE", "EXPIRES (UTC)", "CREATED BY", "NOTE")
IDENTITY_HEADINGS = ("ID", "EMAIL", "ID THERE", "LAST SIGN-IN (UTC)", "NAME")
ROLES = "viewer|editor|admin"

users = ConsoleGroup("users", help="Invite, list, change and remove the people of an account.")

email_argument = click.argument("email")


@users.command("list")
@json_option
@account_option
def list_(account: str | None, *, as_json: bool) -> None:
    """List the people of the account."""
    print_listing(operations.listing(terminal_actor(account)), HEADINGS, _row, as_json=as_json)


@users.command()
@options_of(InvitationValues)
@account_option
def invite(account: str | None, role: str | None, note: str | None) -> None:
    """Create a one-time link to join the account, and print it. It is not shown again.

    Standard output has only the link. Anyone with the link can join, so give it to one person only.
    """
    code = invitations.invite(terminal_actor(account), {"role": role, "note": note})
    days = invitation_records.VALID_FOR.days
    print_message(f"One person can join with this link, within {days} days. It is not shown again.")
    click.echo(invitations.join_url(code))


@users.command("invitations")
@json_option
@account_option
def invitations_(account: str | None, *, as_json: bool) -> None:
    """List the links to join that are not used yet."""
    row = itemgetter("id", "role", "expires_at", "made_by", "note")
    print_listing(invitations.listing(terminal_actor(account)), LINK_HEADINGS, row, as_json=as_json)


@users.command()
@click.argument("invitation_id", metavar="ID", type=Id())
@account_option
def withdraw(account: str | None, invitation_id: UUID) -> None:
    """Withdraw an invitation link. It stops working immediately."""
    invitations.withdraw(terminal_actor(account), invitation_id)
    print_message("The link is withdrawn.")


@users.command()
@email_argument
@click.argument("role", metavar=ROLES)
@account_option
def role(account: str | None, email: str, role: str) -> None:
    """Change the role of a person, and end their sessions."""
    actor = terminal_actor(account)
    is_changed = operations.change_role(actor, operations.id_of(actor, email), {"role": role})
    print_outcome(f"{email} is now {role}.", f"{email} is {role} already", is_changed=is_changed)


@users.command()
@email_argument
@click.option("--name", metavar="TEXT", help="The new name.")
@click.option("--email", "new_email", metavar="EMAIL", help="The new email address.")
@account_option
def update(account: str | None, email: str, name: str | None, new_email: str | None) -> None:
    """Change the name or the email address of a person. A new address ends their sessions."""
    given = {field: value for field, value in (("name", name), ("email", new_email)) if value is not None}
    if not given:
        raise click.UsageError("Use --name, --email or both.")
    actor = terminal_actor(account)
    is_changed = user_details.change(actor, operations.id_of(actor, email), given)
    print_outcome(f"{email} is changed.", f"{email} has these values already", is_changed=is_changed)


@users.command()
@email_argument
@account_option
def deactivate(account: str | None, email: str) -> None:
    """Deactivate a person: end their sessions, links and tokens, except tokens for runtimes."""
    actor = terminal_actor(account)
    is_changed = operations.deactivate(actor, operations.id_of(actor, email))
    print_outcome(f"{email} is deactivated.", f"{email} is deactivated already", is_changed=is_changed)


@users.command()
@email_argument
@account_option
def activate(account: str | None, email: str) -> None:
    """Activate a person who was deactivated."""
    actor = terminal_actor(account)
    is_changed = operations.activate(actor, operations.id_of(actor, email))
    print_outcome(f"{email} is active.", f"{email} is active already", is_changed=is_changed)


@users.command()
@email_argument
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@account_option
def delete(account: str | None, email: str, *, yes: bool) -> None:
    """Delete a person, after a confirmation. This cannot be undone. Their agents stay."""
    actor = terminal_actor(account)
    user_id = operations.id_of(actor, email)
    if not yes:
        click.confirm(f"Delete {email}?", abort=True, err=True)
    operations.delete(actor, user_id)
    again = " If the identity provider still gives them a role, their next sign-in there makes a new person."
    print_message(f"{email} is deleted.{again if settings().provider_host else ''}")


@users.command("reset-password")
@email_argument
@account_option
def reset_password(account: str | None, email: str) -> None:
    """Create a one-time link to choose a new password, and print it. It is not shown again.

    Standard output has only the link. Anyone with the link can sign in as this person. It signs in everyone, also with
    PASSWORD_SIGN_IN=off and while the identity provider is away. It activates a person whom the provider gave no role.
    """
    actor = terminal_actor(account)
    code = invitations.make_reset_link(actor, operations.id_of(actor, email))
    days = invitation_records.VALID_FOR.days
    print_message(f"{email} can choose a new password with this link, within {days} days. It is not shown again.")
    if not invitations.read_link(code)["uses_password"]:
        host = settings().provider_host
        print_message(f"The link signs them in once. Afterwards they sign in with {host}: they may use no password.")
    click.echo(invitations.reset_url(code))


@users.command("reset-second-factor")
@email_argument
@account_option
def reset_second_factor(account: str | None, email: str) -> None:
    """Remove the second factor of a person who lost it, and end their sessions.

    They sign in with their password alone, and can set up another second factor.
    """
    actor = terminal_actor(account)
    is_changed = second_factors.reset(actor, operations.id_of(actor, email))
    done = f"The second factor of {email} is removed."
    print_outcome(done, f"{email} has no second factor", is_changed=is_changed)


@users.command("identities")
@json_option
@account_option
def identities_(account: str | None, *, as_json: bool) -> None:
    """List the accounts at the identity provider that wait to be linked to a person."""
    row = itemgetter("id", "email", "subject", "last_used_at", "name")
    print_listing(identities.waiting(terminal_actor(account)), IDENTITY_HEADINGS, row, as_json=as_json)


@users.command()
@email_argument
@click.argument("identity_id", metavar="ID", type=Id())
@account_option
def link(account: str | None, email: str, identity_id: UUID) -> None:
    """Link a person to an account at the identity provider.

    ID is one of `flask users identities`. Anyone who has that account can sign in as this person.
    """
    actor = terminal_actor(account)
    identities.link(actor, identity_id, operations.id_of(actor, email))
    print_message(f"{email} is linked.")


@users.command()
@email_argument
@account_option
def unlink(account: str | None, email: str) -> None:
    """Unlink a person from the identity provider. Their sessions through it end."""
    actor = terminal_actor(account)
    is_changed = identities.unlink(actor, operations.id_of(actor, email))
    print_outcome(f"{email} is unlinked.", f"{email} is not linked", is_changed=is_changed)


@users.command()
@click.argument("identity_id", metavar="ID", type=Id())
@account_option
def dismiss(account: str | None, identity_id: UUID) -> None:
    """Remove an account at the identity provider that waits. It waits again after another sign-in."""
    identities.dismiss(terminal_actor(account), identity_id)
    print_message("The account does not wait any more.")


def _row(person: dict[str, Any]) -> tuple[object, ...]:
    state = "active" if person["is_active"] else "deactivated"
    return (person["email"], person["role"], state, person["ways_in"], person["last_seen_at"], person["name"])
