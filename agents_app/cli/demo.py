"""`flask demo`: adds example agents to an account. Their addresses and secrets are not real."""

import secrets
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

import click
from flask.cli import with_appcontext

from agents_app.cli.actor import require_keys, terminal_actor
from agents_app.cli.commands import ConsoleCommand, account_option
from agents_app.config import settings
from agents_app.connections import TYPES
from agents_app.connections.power_bi import ROWS_MAX
from agents_app.db import now
from agents_app.errors import Conflict
from agents_app.operations import accounts, agent_reads, agents, connection_tests, password_sign_in
from agents_app.operations.permissions import Actor
from agents_app.paths import COMMAND
from agents_app.schemas import listing
from agents_app.values.choices import ConnectionType

EMAIL = "demo@console.example"
AREAS = (
    "retail sales",
    "web orders",
    "returns and refunds",
    "inventory",
    "supplier deliveries",
    "purchasing",
    "price lists",
    "marketing campaigns",
    "newsletter readers",
    "support tickets",
    "customer satisfaction",
    "subscriptions",
    "invoices and payments",
    "accounts payable",
    "budget and forecast",
    "payroll costs",
    "recruiting",
    "fleet and fuel",
    "energy use",
    "warehouse shifts",
)
# The provider, its base URL and the model.
MODELS = (
    ("openai", None, "gpt-5-mini"),
    ("azure_openai", "https://contoso.openai.example", "gpt-5"),
    ("anthropic", None, "claude-sonnet-4-5"),
    ("openai_compatible", "https://models.contoso.example/v1", "mistral-large"),
    ("ollama", "http://localhost:11434", None),
)
OWNERS = ("Finance analytics", "Sales operations", "Supply chain", None)
ENVIRONMENTS = ("production", "production", "staging", "development", None)
# The area whose agents have no secret for their connection.
INCOMPLETE = 9
REASONS = (
    "The warehouse moves to a new server this week.",
    "Answers were wrong for last month; finance is looking into it.",
    "Replaced by the report of the same name.",
)
INSTRUCTIONS = "Answer in two sentences at the most. Name the table a number comes from. Never guess."


@click.command(cls=ConsoleCommand)
@click.option("--yes", is_flag=True, help="Continue if the account has agents already.")
@account_option
@with_appcontext
def demo(account: str | None, *, yes: bool) -> None:
    """Add 60 example agents to an account.

    Creates an account and its admin if the server has no account. No address and no secret is real.
    """
    require_keys()
    sign_in = "as usual" if accounts.is_set_up() else _make_account(account)
    actor = terminal_actor(account)
    has_agents = bool(agent_reads.listing(actor, listing.parse({"limit": 1})).items)
    if has_agents and not yes:
        raise Conflict("This account has agents already. To add 60 more, use --yes.")
    for number, values in enumerate(samples()):
        # An earlier `flask demo` may have used the external ids.
        _create(actor, number, values | ({"external_id": None} if has_agents else {}))
    click.echo(f"{number + 1} agents were added to {actor.account_name}.")
    click.echo(f"Sign in at {settings().base_url} {sign_in}.")


def samples() -> Iterator[dict[str, Any]]:
    """The values of each agent. Only the days on which their credentials end depend on the current day."""
    others = [partial(_example, kind) for kind in TYPES if kind not in (ConnectionType.DB, ConnectionType.POWERBI)]
    makers: list[Callable[[str, int], dict[str, Any]]] = [_today, _report, _archive, *others]
    for number in range(3 * len(AREAS)):
        round_, place = divmod(number, len(AREAS))
        area, make = AREAS[place], makers[(place + round_) % len(makers)]
        model = dict(zip(("model_provider", "model_base_url", "model_type"), MODELS[number % len(MODELS)], strict=True))
        agent = make(area, number)
        if number % len(AREAS) == INCOMPLETE:
            for name in TYPES[agent["connection_type"]].secret_names():
                agent["connection_config"].pop(name, None)
        yield {
            **agent,
            **model,
            "external_id": f"demo-{number + 1:02}",
            "owner": OWNERS[number % len(OWNERS)],
            "environment": ENVIRONMENTS[number % len(ENVIRONMENTS)],
            "labels": {"area": area, "round": str(round_ + 1)},
            # A local Ollama needs no key.
            "api_key": None if model["model_provider"] == "ollama" else f"demo-not-a-real-key-{number:04}",
            "api_key_expires_at": None if model["model_provider"] == "ollama" else _day(9 * number + 3),
            "system_instructions": INSTRUCTIONS,
        }


def _make_account(name: str | None) -> str:
    password = secrets.token_urlsafe(12)
    accounts.create({"account_name": name or "Demo", "name": "Demo Admin", "email": EMAIL, "password": password})
    if not password_sign_in.may_use_password(EMAIL, is_linked=False):
        return f"with a link of {COMMAND} users reset-password {EMAIL}, because passwords are off"
    return f"as {EMAIL} with the password {password}"


def _create(actor: Actor, number: int, values: dict[str, Any]) -> None:
    agent_id = agents.create(actor, values).agent_id
    connection_tests.store_sample(actor, agent_id, number // len(TYPES))
    if number % 7 == 3:
        agents.disable(actor, agent_id, {"reason": REASONS[number % len(REASONS)]})


def _today(area: str, number: int) -> dict[str, Any]:
    config = _database(area, number) | {"dialect": "postgresql", "table_allow_list": [area.replace(" ", "_")]}
    text = f"Answers everyday questions about {area}, as of last night."
    return _agent(area.capitalize(), text, "DB", config)


def _archive(area: str, number: int) -> dict[str, Any]:
    dialect = ("mysql", "mssql")[number % 2]
    config = _database(f"{area} archive", number) | {"dialect": dialect, "row_limit": 200}
    return _agent(f"{area.capitalize()} archive", f"Looks up {area} of the years before 2020.", "DB", config)


def _report(area: str, number: int) -> dict[str, Any]:
    config = {
        "tenant_id": "contoso.example",
        "client_id": _uuid("client"),
        "client_secret": f"demo-not-a-real-secret-{number:04}",
        "workspace_id": _uuid("workspace"),
        "dataset_id": _uuid(area),
        "credential_expires_at": _day(6 * number - 12),
        "row_limit": ROWS_MAX // 100,
    }
    text = f"Explains the monthly report on {area}, number by number."
    return _agent(f"{area.capitalize()} report", text, "POWERBI", config)


def _example(kind: ConnectionType, area: str, number: int) -> dict[str, Any]:
    declaration = TYPES[kind]
    secrets = {name: f"demo-not-a-real-{name}-{number:04}" for name in declaration.secret_names()}
    config = {name: secrets.get(name, value) for name, value in declaration.example.items()}
    text = f"Answers questions about {area}."
    return _agent(f"{area.capitalize()} in {declaration.label}", text, kind, config)


def _agent(name: str, description: str, kind: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "description": description, "connection_type": kind, "connection_config": config}


def _database(area: str, number: int) -> dict[str, Any]:
    return {
        "host": f"{area.replace(' ', '-')}.db.contoso.example",
        "database": area.replace(" ", "_"),
        "username": "console_reader",
        "sslmode": "verify-full",
        "password": f"demo-not-a-real-password-{number:04}",
        "credential_expires_at": _day(7 * number + 10),
    }


def _day(days: int) -> str:
    return (now().date() + timedelta(days=days)).isoformat()


def _uuid(name: str) -> str:
    return str(uuid5(NAMESPACE_DNS, f"{name}.contoso.example".replace(" ", "-")))
