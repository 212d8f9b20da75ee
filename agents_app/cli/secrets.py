"""`flask secrets`: whether the encryption keys fit, moving secrets to a new key, and whether every secret opens."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from agents_app.cli.console import ConsoleGroup, json_option, operator, print_json, print_table, require_keys, say
from agents_app.operations import keys, rotation, stored_secrets
from agents_app.operations.stored_secrets import KeyState

STATUS_HEADINGS = ("KEY", "IN ENCRYPTION_KEYS", "FITS", "SECRETS")
VERIFY_HEADINGS = ("AGENT", "FIELD", "KIND", "NAME")

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
    if problem := keys.wrong() or _missing(found):
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
    """Open every stored secret, and name those that do not open.

    Exit code 1 where there are any: they must be typed again, or their key be put back.
    """
    require_keys()
    found = stored_secrets.unreadable()
    if as_json:
        print_json({"items": found})
    elif found:
        rows = [(row["agent_id"], row["pointer"][1:].replace("/", "."), row["kind"], row["name"]) for row in found]
        print_table(VERIFY_HEADINGS, rows)
    else:
        say("Every stored secret opens.")
    if found:
        say(f"{_secrets(len(found))} cannot be opened.")
        context.exit(1)


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
    rotation.give_up(operator(), key_id)
    say(f"{key_id} is given up. Name what it leaves behind with: flask secrets verify")


def _row(key: KeyState) -> tuple[object, ...]:
    is_set = ("yes, the first" if key.is_first else "yes") if key.is_set else "no"
    fits = {True: "yes", False: "no", None: None}[key.fits]
    return (key.key_id, is_set, fits, key.secrets)


def _missing(found: list[KeyState]) -> str | None:
    missing = [key.key_id for key in found if key.is_wrong]
    return f"ENCRYPTION_KEYS lacks {', '.join(missing)}, which stored secrets need." if missing else None


def _secrets(number: int) -> str:
    return "1 secret" if number == 1 else f"{number} secrets"


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    # Only a person at a terminal sees it.
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=stored_secrets.count(), label="Rotating", file=sys.stderr, hidden=hidden) as bar:
        yield lambda done: bar.update(done - bar.pos)
