"""Helpers that make sample results of tests for `flask demo`, without a test. They have the form of real results."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agents_app.probes.mssql.rights import NOT_RUN
from agents_app.probes.quoting import quote_mssql, quote_mysql, quote_postgresql
from agents_app.probes.results import Finding, Outcome, Result, Step
from agents_app.values.choices import ConnectionType

DATABASE_STEPS = {"resolve": 4, "connect": 11, "tls": 23, "sign_in": 31, "database": 2, "read_only": 18, "tables": 9}
SERVERS = {"postgresql": "PostgreSQL 17", "mysql": "MariaDB 11.8.3", "mssql": "SQL Server 16.0"}
# The time after which a test gives up to connect.
SILENT_MS = 4_003
POWER_BI_STEPS = {"resolve": 6, "token": 184, "workspace": 213, "dataset": 167, "query": 341}
IDENTITY = "00000000-0000-4000-8000-000000000000"
SECRET_EXPIRED = Finding("entra_secret_expired", {"reference": f"AADSTS7000222, correlation ID {IDENTITY}"})
NO_ACCESS = Finding("power_bi_no_access", {"api": "api.powerbi.com", "reference": f"status 404, request ID {IDENTITY}"})
HIDDEN = {"workspace": "power_bi_workspace_hidden", "dataset": "power_bi_dataset_hidden"}
MODEL_STEPS = {"resolve": 5, "models": 246, "model": 0}


def sample(agent: Mapping[str, Any], number: int) -> dict[str, Result]:
    """The results for the sample agent with this number. There are none if it was never tested."""
    connection = None
    if agent["connection_type"] == ConnectionType.POWERBI:
        connection = _power_bi(agent, number)
    elif agent["connection_type"] == ConnectionType.DB:
        connection = _database(agent["connection_config"], number)
    if connection is None:
        return {}
    steps = {name: time for name, time in MODEL_STEPS.items() if name != "model" or agent.get("model_type")}
    return {"connection": connection} | ({"model": _passed(steps)} if agent.get("model_provider") else {})


def _database(config: Mapping[str, Any], number: int) -> Result | None:
    facts = {"server": SERVERS[config["dialect"]], "read_only": True, "readable_tables": 1 + 7 * number}
    passed = replace(_passed(DATABASE_STEPS), facts=facts)
    objects, statements = _rights_to_write(config)
    warning = Finding("role_writes", {"role": config["username"], "objects": objects})
    lost = Finding("timed_out", {"host": config["host"], "port": config["port"]})
    return (
        passed,
        _failed(DATABASE_STEPS | {"connect": SILENT_MS}, "connect", lost),
        replace(
            _warned(passed, {"read_only": warning}), facts={**facts, "read_only": False}, statements=tuple(statements)
        ),
        None,
        passed,
    )[number % 5]


def _rights_to_write(config: Mapping[str, Any]) -> tuple[str, list[str]]:
    """What a user may write, as a warning shows it, and the statements that take the right away."""
    user, name = config["username"], config["database"]
    if config["dialect"] == "postgresql":
        quoted, role = f"{quote_postgresql('public')}.{quote_postgresql(name)}", quote_postgresql(user)
        return f"INSERT, UPDATE on table public.{name}", [f"REVOKE INSERT, UPDATE ON TABLE {quoted} FROM {role};"]
    if config["dialect"] == "mysql":
        target = f"{quote_mysql(name, is_pattern=True)}.*"
        objects = f"INSERT on {target}, UPDATE on {target}"
        return objects, [f"REVOKE INSERT, UPDATE ON {target} FROM {quote_mysql(user)}@`%`;"]
    target, login = f"[dbo].{quote_mssql(name)}", quote_mssql(user)
    revoked = [f"REVOKE {right} ON OBJECT::{target} FROM {login};" for right in ("INSERT", "UPDATE")]
    return f"INSERT on {target}, UPDATE on {target}", [NOT_RUN, f"GRANT SELECT ON SCHEMA::[dbo] TO {login};", *revoked]


def _power_bi(agent: Mapping[str, Any], number: int) -> Result | None:
    config = agent["connection_config"]
    facts = {
        "workspace_id": config["workspace_id"],
        "workspace_name": "Contoso reports",
        "dataset_id": config["dataset_id"],
        "dataset_name": agent["name"],
        "row_level_security": False,
    }
    passed = replace(_passed(POWER_BI_STEPS), facts=facts)
    hidden = {step: Finding(code) for step, code in HIDDEN.items()}
    return (
        passed,
        _failed(POWER_BI_STEPS, "token", SECRET_EXPIRED),
        None,
        _warned(_failed(POWER_BI_STEPS, "query", NO_ACCESS), hidden),
        passed,
    )[number % 5]


def _passed(steps: Mapping[str, int]) -> Result:
    return Result(tuple(Step(name, Outcome.PASSED, time) for name, time in steps.items()))


def _warned(result: Result, warnings: Mapping[str, Finding]) -> Result:
    """The result with these warnings, each of the step that found it."""
    steps = (replace(step, outcome=Outcome.WARNING) if step.name in warnings else step for step in result.steps)
    return replace(result, steps=tuple(steps), warnings=tuple(warnings.values()))


def _failed(steps: Mapping[str, int], failed: str, cause: Finding) -> Result:
    *passed, last = _passed(steps).steps[: list(steps).index(failed) + 1]
    return Result((*passed, replace(last, outcome=Outcome.FAILED)), cause)
