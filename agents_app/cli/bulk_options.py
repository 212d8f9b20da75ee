"""The options of `flask agents bulk`: which agents, and what is not needed where."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from agents_app.cli.commands import account_option, json_option
from agents_app.cli.options import options_of
from agents_app.schemas import bulk_agents as schema
from agents_app.schemas.repeated_filters import AgentFilters

Function = TypeVar("Function", bound=Callable[..., Any])

PLACES = ("sort", "limit", "cursor", "before")
FILTERS = tuple(name for name in AgentFilters.model_fields if name not in PLACES)


def selection_options(command: Function) -> Function:
    """Add the filters of the list, --all, --dry-run, --yes, --json and --account."""
    options = (
        options_of(AgentFilters, skip=PLACES, spelled={"q": "search"}),
        click.option("--all", "all_agents", is_flag=True, help="Choose every agent of the account."),
        # It is read before the other options, as some of them are not needed with it.
        click.option("--dry-run", is_flag=True, is_eager=True, help="Print the agents that match, and change nothing."),
        click.option("--yes", is_flag=True, help="Do not ask for confirmation, nor for the number of agents."),
        json_option,
        account_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


def unless_dry_run(context: click.Context, option: click.Parameter, value: Any) -> Any:
    """Refuse that an option or an argument is missing, unless the command only prints which agents match."""
    if value in (None, ()) and not context.params["dry_run"]:
        raise click.MissingParameter(ctx=context, param=option)
    return value


def unless_removed(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Refuse an empty value: --remove removes the value of the agents. Refuse both. A dry run needs neither."""
    if not context.params["remove"]:
        if schema.is_blank(value):
            raise click.BadParameter("It is empty. To remove it from the agents: --remove", context, option)
        unless_dry_run(context, option, value)
    elif value is not None:
        raise click.UsageError(f"Use either {option.make_metavar(context).strip('[]')} or --remove.")
    return value


# It is read before the argument that it replaces.
remove_option = click.option("--remove", is_flag=True, is_eager=True, help="Remove it from the agents.")
note_option = click.option(
    "--note", metavar="TEXT", help="Why you make this change. The history of each agent shows it."
)
