"""Helpers that make sample results of tests for `flask demo`, without a test."""

from collections.abc import Mapping
from typing import Any

from agents_app.probes.results import Finding, Outcome, Result, Step
from agents_app.values.choices import ConnectionType

DATABASE_STEPS = {"resolve": 4, "connect": 11, "tls": 23, "sign_in": 31, "database": 2, "read_only": 18, "tables": 9}
POWER_BI_STEPS = {"resolve": 6, "token": 184, "workspace": 213, "dataset": 167, "query": 341}
REFERENCE = {"reference": "00000000-0000-4000-8000-000000000000"}
MODEL_STEPS = {"resolve": 5, "models": 246}


def sample(agent: Mapping[str, Any], number: int) -> dict[str, Result] | None:
    """The results for the sample agent with this number. None if it was never tested."""
    config = agent["connection_config"]
    if agent["connection_type"] == ConnectionType.POWERBI:
        connection = _power_bi(number)
    elif agent["connection_type"] == ConnectionType.DB:
        connection = _database(config, number)
    else:
        return None
    if connection is None:
        return None
    model = {"model": _passed(MODEL_STEPS)} if agent.get("model_provider") else {}
    return {"connection": connection} | model


def _database(config: Mapping[str, Any], number: int) -> Result | None:
    role, table = config["username"], config["database"]
    warning = Finding("role_writes", {"role": role, "objects": f"public.{table} (INSERT, UPDATE)"})
    statements = (f"REVOKE INSERT, UPDATE ON public.{table} FROM {role};",)
    return (
        _passed(DATABASE_STEPS),
        _failed(DATABASE_STEPS, "connect", Finding("timed_out", {"host": config["host"]})),
        _warned(DATABASE_STEPS, "read_only", warning, statements),
        None,
        _passed(DATABASE_STEPS),
    )[number % 5]


def _power_bi(number: int) -> Result | None:
    return (
        _passed(POWER_BI_STEPS),
        _failed(POWER_BI_STEPS, "token", Finding("entra_secret_expired", REFERENCE)),
        None,
        _failed(POWER_BI_STEPS, "dataset", Finding("power_bi_no_access", REFERENCE | {"api": "api.powerbi.com"})),
        _passed(POWER_BI_STEPS),
    )[number % 5]


def _passed(steps: Mapping[str, int]) -> Result:
    return Result(tuple(Step(name, Outcome.PASSED, time) for name, time in steps.items()))


def _warned(steps: Mapping[str, int], warned: str, warning: Finding, statements: tuple[str, ...]) -> Result:
    outcomes = {warned: Outcome.WARNING}
    made = tuple(Step(name, outcomes.get(name, Outcome.PASSED), time) for name, time in steps.items())
    return Result(made, warnings=(warning,), statements=statements)


def _failed(steps: Mapping[str, int], failed: str, cause: Finding) -> Result:
    passed = list(steps)[: list(steps).index(failed)]
    made = tuple(Step(name, Outcome.PASSED, steps[name]) for name in passed)
    return Result((*made, Step(failed, Outcome.FAILED, steps[failed])), cause)
