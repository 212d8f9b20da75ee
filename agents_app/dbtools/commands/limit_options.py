"""The options of `flask db upgrade`, `downgrade` and `deploy` that change limits for one run.

Each is another spelling of `-x`, which is checked where the run reads it.
"""

from functools import partial
from typing import Any

import click
from flask import g

from agents_app.database.migration_limits import LIMITS

HELP = {
    "statement_timeout": "Seconds after which a statement that holds locks ends (PostgreSQL). 0: no limit.",
    "lock_timeout": "Seconds for which a step waits for the lock of a table.",
    "tries": "How many times a step is tried while another session holds a lock (PostgreSQL).",
    "batch_size": "The rows that a fill reads and commits at once.",
}


def _set(name: str, _context: click.Context, _option: click.Parameter, value: Any) -> None:
    if value is not None:
        g.x_arg = (*g.x_arg, f"{name}={value}")


def _add(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> None:
    g.x_arg = (*g.x_arg, *values)


# Flask-Migrate's own commands have it.
X_ARGUMENT = click.Option(
    ["-x", "--x-arg"],
    multiple=True,
    expose_value=False,
    callback=_add,
    help="Another spelling of the limits. With no_backup=1, rows that a step drops are not saved.",
)
LIMIT_OPTIONS = tuple(
    click.Option(
        [limit.flag],
        expose_value=False,
        callback=partial(_set, limit.option),
        metavar="NUMBER",
        help=f"{HELP[limit.option]} Setting: {limit.setting}",
    )
    for limit in LIMITS
)
