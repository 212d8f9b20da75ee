"""`flask secrets`: whether the encryption keys fit, moving secrets to a new key, and whether every secret opens."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from agents_app.cli.console import ConsoleGroup, json_option, operator, print_json, print_table, require_keys, say
from agents_app.operations import encryption_keys, misplaced_keys, rotation, stored_secrets
from agents_app.operations.misplaced_keys import MisplacedKey
from agents_app.operations.stored_secrets import KeyState

STATUS_HEADINGS = ("KEY", "IN ENCRYPTION_KEYS", "FITS", "SECRETS")
VERIFY_HEADINGS = ("AGENT", "FIELD", "KIND", "NAME")
IN_CLEAR_HEADINGS = ("AGENT", "FIELD", "NOW", "VERSIONS", "KIND", "NAME")
WHAT_TO_DO = """\
Everybody who saw these agents could read the private keys in them. For each one:
  1. Replace the key where it was issued.
  2. Save the agent with the new certificate and, where its connection takes one, the new key in the field Private key.
  3. Remove the old key from the agent and its history with: flask secrets remove-private-keys"""

secrets = ConsoleGroup("secrets", help="Check and change the keys that stored secrets are encrypted with.")


@secrets.command()
@json_option
@click.pass_context
def status(context: click.Context, *, as_json: bool) -> None:
    """Show each encryption key: whether it is set, fits, and how many secrets need it.

    Exit code 1 where a key that is needed is missing or another one. A key that no secret needs may be taken out.
    """
    require_keys()
    found = stored_secrets.status()
    if as_json:
        print_json({"items": [{**vars(key), "is_wrong": key.is_wrong} for key in found]})
    else:
        print_table(STATUS_HEADINGS, [_row(key) for key in found])
    if problem := encryption_keys.find_problem() or _missing(found):
        say(problem)
        context.exit(1)


@secrets.command()
@click.pass_context
def rotate(context: click.Context) -> None:
    """Encrypt every stored secret anew under the first of ENCRYPTION_KEYS.

    First give every process the new key behind the old one, then before it, and then rotate. It may be stopped at any
    moment and run again. Exit code 1 where a secret stays behind.
    """
    require_keys()
    with _progress() as tell:
        outcome = rotation.rotate(operator(), tell)
    found = stored_secrets.status()
    click.echo(f"{_secrets(outcome.moved.total())} moved to the key {found[0].key_id}.")
    for key in found[1:]:
        click.echo(f"{key.key_id} encrypts {_secrets(key.secrets) if key.secrets else 'nothing any more'}.")
    if outcome.unreadable:
        say(f"{_secrets(outcome.unreadable)} cannot be opened. Name them with: flask secrets verify")
    elif any(key.secrets for key in found[1:]):
        say("Another process still writes under an old key. Give it the new keys, and rotate again.")
    context.exit(int(any(key.secrets for key in found[1:])))


@secrets.command()
@json_option
@click.pass_context
def verify(context: click.Context, *, as_json: bool) -> None:
    """Open every stored secret, name those that do not open, and find private keys that are stored in clear.

    Exit code 1 where there are any. A secret that does not open must be typed again, or its key be put back. Release
    0.1.0 took private keys in certificate fields; the output says how to remove them.
    """
    require_keys()
    found, in_clear = stored_secrets.list_unreadable(), misplaced_keys.find()
    if as_json:
        print_json({"items": found, "private_keys": [_shown(one) for one in in_clear]})
    if found:
        if not as_json:
            print_table(
                VERIFY_HEADINGS, [(row["agent_id"], _dotted(row["pointer"]), row["kind"], row["name"]) for row in found]
            )
        say(f"{_secrets(len(found))} cannot be opened.")
    if in_clear:
        if not as_json:
            print_table(IN_CLEAR_HEADINGS, map(_in_clear_row, in_clear))
        say(f"{_private_keys(len(in_clear))} in clear. {WHAT_TO_DO}")
    if found or in_clear:
        context.exit(1)
    if not as_json:
        say("Every stored secret opens, and no private key is stored in clear.")


@secrets.command("remove-private-keys")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove_private_keys(*, yes: bool) -> None:
    """Remove private keys that are stored in clear from agents and their history.

    They are those that `flask secrets verify` names. What a certificate field holds besides stays, and so do the
    numbers of versions. First replace each key where it was issued, and save the new one in the field Private key.
    """
    found = misplaced_keys.find()
    if not found:
        say("No private key is stored in clear.")
        return
    if not yes:
        print_table(IN_CLEAR_HEADINGS, map(_in_clear_row, found))
        question = "Runtimes that read a private key in these fields will not find it any more. Remove them?"
        click.confirm(question, abort=True, err=True)
    misplaced_keys.remove(operator(), found)
    fields = "1 field" if len(found) == 1 else f"{len(found)} fields"
    say(f"Private keys were removed from {fields}. Backups from before still hold them.")


@secrets.command("give-up")
@click.argument("key_id", metavar="KEY")
@click.option("--confirm", metavar="KEY", help="The key's id once more, for scripts; it is asked for unless given.")
def give_up(key_id: str, confirm: str | None) -> None:
    """Go on without a key that is lost for good.

    Nothing is written while a key that secrets need is missing. After this it is, and each secret that only the lost
    key opened stays marked until it is typed again.
    """
    require_keys()
    question = f"Secrets under {key_id} will never open again. Type {key_id} to go on"
    if (confirm or click.prompt(question, err=True)) != key_id:
        raise click.UsageError("That is another key. Nothing was changed.")
    rotation.forget_lost_key(operator(), key_id)
    say(f"{key_id} is given up. Name what it leaves behind with: flask secrets verify")


def _row(key: KeyState) -> tuple[object, ...]:
    is_set = ("yes, the first" if key.is_first else "yes") if key.is_set else "no"
    fits = {True: "yes", False: "no", None: None}[key.fits]
    return (key.key_id, is_set, fits, key.secrets)


def _missing(found: list[KeyState]) -> str | None:
    missing = [key.key_id for key in found if key.is_wrong]
    return f"ENCRYPTION_KEYS lacks {', '.join(missing)}, which stored secrets need." if missing else None


def _shown(one: MisplacedKey) -> dict[str, Any]:
    return {name: value for name, value in vars(one).items() if name != "account_id"}


def _in_clear_row(one: MisplacedKey) -> tuple[object, ...]:
    versions = ", ".join(map(str, one.versions)) or None
    return (one.agent_id, _dotted(one.pointer), "yes" if one.is_in_agent else "no", versions, one.kind, one.name)


def _dotted(pointer: str) -> str:
    return pointer[1:].replace("/", ".")


def _private_keys(number: int) -> str:
    return "1 field holds a private key" if number == 1 else f"{number} fields hold private keys"


def _secrets(number: int) -> str:
    return "1 secret" if number == 1 else f"{number} secrets"


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    # Only a person at a terminal sees it.
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=stored_secrets.count(), label="Rotating", file=sys.stderr, hidden=hidden) as bar:
        yield lambda done: bar.update(done - bar.pos)
