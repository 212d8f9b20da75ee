"""`flask secrets`: checks the encryption keys and the stored secrets, and moves secrets to a new key."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from agents_app.cli.actor import operator_name, require_keys
from agents_app.cli.commands import ConsoleGroup, json_option
from agents_app.cli.output import print_json, print_message, print_table
from agents_app.operations import encryption_keys, misplaced_keys, rotation, stored_secrets
from agents_app.operations.misplaced_keys import MisplacedKey
from agents_app.operations.stored_secrets import KeyState
from agents_app.paths import COMMAND

STATUS_HEADINGS = ("KEY", "IN ENCRYPTION_KEYS", "MATCHES", "SECRETS")
VERIFY_HEADINGS = ("AGENT OR PERSON", "FIELD", "KIND", "NAME")
IN_CLEAR_HEADINGS = ("AGENT", "FIELD", "CURRENT", "VERSIONS", "KIND", "NAME")
PRIVATE_KEY_ADVICE = f"""\
Everyone who can see these agents can read the private keys in them. For each private key:
  1. Replace the key with a new one where it was issued.
  2. Save the agent with the new certificate and, where its connection takes one, the new key in the field Private key.
  3. Remove the old key from the agent and its history with: {COMMAND} secrets remove-private-keys"""

secrets = ConsoleGroup("secrets", help="Check and rotate the keys that encrypt stored secrets.")


@secrets.command()
@json_option
@click.pass_context
def status(context: click.Context, *, as_json: bool) -> None:
    """List the encryption keys.

    Shows whether each key is set and matches, and how many secrets need it. The exit code is 1 if a needed key is
    missing or does not match. A key that no secret needs can be removed.
    """
    require_keys()
    found = stored_secrets.status()
    if as_json:
        print_json({"items": [_json_item(key) for key in found]})
    else:
        print_table(STATUS_HEADINGS, [_row(key) for key in found])
    if problem := encryption_keys.find_problem() or _missing(found):
        print_message(problem)
        context.exit(1)


@secrets.command()
@click.pass_context
def rotate(context: click.Context) -> None:
    """Encrypt every secret with the first key.

    The first key is the first of ENCRYPTION_KEYS. First add the new key after the old one on every server, then move it
    before the old one, then rotate. You can stop this command at any time and run it again. The exit code is 1 if a
    secret still needs another key.
    """
    require_keys()
    with _progress() as report:
        outcome = rotation.rotate(operator_name(), report)
    found = stored_secrets.status()
    click.echo(f"{_secrets(outcome.moved.total())} moved to the key {found[0].key_id}.")
    for key in found[1:]:
        click.echo(f"{key.key_id} encrypts {_secrets(key.secrets) if key.secrets else 'no secrets any more'}.")
    if outcome.unreadable:
        print_message(f"{_secrets(outcome.unreadable)} cannot be decrypted. To list them: {COMMAND} secrets verify")
    elif any(key.secrets for key in found[1:]):
        print_message(
            "Another process still encrypts with an old key. Set the new ENCRYPTION_KEYS there, and rotate again."
        )
    context.exit(int(any(key.secrets for key in found[1:])))


@secrets.command()
@json_option
@click.pass_context
def verify(context: click.Context, *, as_json: bool) -> None:
    """Check that every secret can be decrypted.

    Lists secrets that cannot be decrypted, and private keys that are stored in clear text. The exit code is 1 if there
    are any. Restore the key of a secret that cannot be decrypted, or type the secret again. Release 0.1.0 accepted
    private keys in certificate fields; the output says how to remove them.
    """
    require_keys()
    found, in_clear = stored_secrets.list_unreadable(), misplaced_keys.find()
    if as_json:
        shown = [{name: value for name, value in vars(one).items() if name != "account_id"} for one in in_clear]
        print_json({"items": found, "private_keys": shown})
    if found:
        if not as_json:
            print_table(
                VERIFY_HEADINGS,
                [(_owner(row), _dotted(row["pointer"]), row["kind"], row["name"]) for row in found],
            )
        print_message(f"{_secrets(len(found))} cannot be decrypted.")
    if in_clear:
        if not as_json:
            print_table(IN_CLEAR_HEADINGS, map(_in_clear_row, in_clear))
        print_message(f"{_private_keys(len(in_clear))} in clear text. {PRIVATE_KEY_ADVICE}")
    if found or in_clear:
        context.exit(1)
    if not as_json:
        print_message("Every stored secret can be decrypted, and no private key is stored in clear text.")


@secrets.command("remove-private-keys")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def remove_private_keys(*, yes: bool) -> None:
    """Remove private keys in clear text.

    They are removed from agents and their history. `flask secrets verify` lists them. Certificates in the same field
    stay, and so do the numbers of versions. First replace each key where it was issued, and save the new one in the
    field Private key.
    """
    found = misplaced_keys.find()
    if not found:
        print_message("No private key is stored in clear text.")
        return
    if not yes:
        print_table(IN_CLEAR_HEADINGS, map(_in_clear_row, found))
        question = "Runtimes that use a private key in these fields will no longer get it. Remove them?"
        click.confirm(question, abort=True, err=True)
    misplaced_keys.remove(operator_name(), found)
    fields = "1 field" if len(found) == 1 else f"{len(found)} fields"
    print_message(f"Removed private keys from {fields}. Older backups still contain them.")


@secrets.command("give-up")
@click.argument("key_id", metavar="KEY")
@click.option("--confirm", metavar="KEY", help="The key's id again, instead of a prompt.")
def give_up(key_id: str, confirm: str | None) -> None:
    """Mark a lost key as lost, so that secrets can be stored again.

    While a key that secrets need is missing, no secret can be stored. Secrets that need the lost key are marked until
    they are typed again.
    """
    require_keys()
    question = f"Secrets that need {key_id} cannot be decrypted any more. Type {key_id} to continue"
    if (confirm or click.prompt(question, err=True)) != key_id:
        raise click.UsageError("This is not the id of the key. Nothing was changed.")
    rotation.forget_lost_key(operator_name(), key_id)
    print_message(f"The key {key_id} is marked as lost. To list the secrets that needed it: {COMMAND} secrets verify")


def _json_item(key: KeyState) -> dict[str, object]:
    # Written out: scripts depend on these names.
    return {
        "key_id": key.key_id,
        "is_set": key.is_set,
        "is_first": key.is_first,
        "fits": key.fits,
        "secrets": key.secrets,
        "is_wrong": key.is_wrong,
    }


def _row(key: KeyState) -> tuple[object, ...]:
    is_set = ("yes, the first" if key.is_first else "yes") if key.is_set else "no"
    matches = {True: "yes", False: "no", None: None}[key.fits]
    return (key.key_id, is_set, matches, key.secrets)


def _missing(found: list[KeyState]) -> str | None:
    missing = [key.key_id for key in found if key.is_wrong]
    return f"ENCRYPTION_KEYS does not have {', '.join(missing)}, which stored secrets need." if missing else None


def _in_clear_row(one: MisplacedKey) -> tuple[object, ...]:
    versions = ", ".join(map(str, one.versions)) or None
    return (one.agent_id, _dotted(one.pointer), "yes" if one.is_in_agent else "no", versions, one.kind, one.name)


def _owner(row: dict[str, object]) -> object:
    return row.get("agent_id") or row.get("user_id")


def _dotted(pointer: str) -> str:
    return pointer[1:].replace("/", ".")


def _private_keys(number: int) -> str:
    return "1 field holds a private key" if number == 1 else f"{number} fields hold private keys"


def _secrets(number: int) -> str:
    return "1 secret" if number == 1 else f"{number} secrets"


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    # The bar is for a person at a terminal only.
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=stored_secrets.count(), label="Rotating", file=sys.stderr, hidden=hidden) as bar:
        yield lambda done: bar.update(done - bar.pos)
