"""`flask purge`: removes expired data."""

import click
from flask.cli import with_appcontext

from agents_app.cli.actor import operator_name
from agents_app.cli.commands import ConsoleCommand, json_option
from agents_app.cli.output import print_json, print_table
from agents_app.operations import purge as operations


@click.command(cls=ConsoleCommand)
@click.option("--dry-run", is_flag=True, help="Only count the rows that would be removed.")
@json_option
@with_appcontext
def purge(*, dry_run: bool, as_json: bool) -> None:
    """Remove expired data.

    This removes sessions, sign-in attempts, records of started tests, links, identities that nobody linked, events and
    secrets of deleted agents that have expired, and old records of what ended tokens fetched. EVENTS_DAYS and
    DELETED_SECRETS_DAYS set how long data is kept. Run this once a day.
    """
    counts = operations.count() if dry_run else operations.run(operator_name())
    if as_json:
        print_json({"is_dry_run": dry_run, "rows": counts})
        return
    print_table(("WOULD BE REMOVED" if dry_run else "REMOVED", "WHAT"), [(n, name) for name, n in counts.items()])
