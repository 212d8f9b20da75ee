"""`flask purge`: removes what is past its time."""

import click
from flask.cli import with_appcontext

from agents_app.cli.console import ConsoleCommand, json_option, operator, print_json, print_table
from agents_app.operations import purge as operations


@click.command(cls=ConsoleCommand)
@click.option("--dry-run", is_flag=True, help="Only count what would be removed.")
@json_option
@with_appcontext
def purge(*, dry_run: bool, as_json: bool) -> None:
    """Remove what is past its time: sessions, sign-in attempts, links, events, secrets of deleted agents.

    EVENTS_DAYS and DELETED_SECRETS_DAYS say how long. Run it once a day.
    """
    counts = operations.count() if dry_run else operations.run(operator())
    if as_json:
        print_json({"is_dry_run": dry_run, "rows": counts})
        return
    print_table(("WOULD BE REMOVED" if dry_run else "REMOVED", "WHAT"), [(n, name) for name, n in counts.items()])
