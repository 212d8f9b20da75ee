"""Helpers that store the last test of an agent, and show a result in the words of this release."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from agents_app.models import Agent, ConnectionTest
from agents_app.probes import facts as known_facts
from agents_app.probes.causes import CAUSES
from agents_app.probes.causes.cause import RESPONSIBLE_LABELS, Cause, Responsible
from agents_app.probes.mssql.rights import NOT_RUN
from agents_app.probes.results import Outcome, Result
from agents_app.probes.steps import LABELS
from agents_app.values.choices import LastTest
from agents_app.wording import number_text

STEP_NAMES = tuple(LABELS)
RESPONSIBLE_CODES = tuple(one.value for one in Responsible)
PARTS = {"connection": "Connection", "model": "Model"}
"""What a test covers, with labels, in the order in which results are shown."""
# For the code of another release.
UNKNOWN = Cause("The reason is not known to this release.", "Test the agent again.", Responsible.YOU)
# An older release raises the version of an agent and does not know tests: then the test is out of date too.
IS_OUT_OF_DATE = ConnectionTest.valid_for_version != Agent.version
COLUMNS = (
    ConnectionTest.outcome.label("test_outcome"),
    ConnectionTest.cause.label("test_cause"),
    ConnectionTest.version.label("test_version"),
    ConnectionTest.tested_at,
    ConnectionTest.actor_name.label("tested_by"),
    IS_OUT_OF_DATE.label("is_out_of_date"),
    ConnectionTest.is_sample,
)
"""The columns that `summary` reads."""
OF_AGENT = sa.select(Agent.version).where(Agent.id == ConnectionTest.agent_id).scalar_subquery()
VERSIONS: sa.BindParameter[int] = sa.bindparam("versions", type_=sa.Integer)
KEEP_VALID = (
    sa.update(ConnectionTest)
    .where(
        ConnectionTest.agent_id.in_(sa.bindparam("ids", expanding=True)),
        ConnectionTest.valid_for_version == OF_AGENT - VERSIONS,
    )
    .values(valid_for_version=ConnectionTest.valid_for_version + VERSIONS)
)


class _Facts(dict[str, Any]):
    """The values for a sentence. One that an older result does not have is written as "unknown"."""

    def __missing__(self, key: str) -> str:
        return "unknown"


def stored(results: Mapping[str, Result]) -> dict[str, Any]:
    """The results of the tested parts in JSON types, as they are stored."""
    return {part: results[part].to_json() for part in PARTS if part in results}


def outcome_and_cause(results: Mapping[str, Any]) -> tuple[str, str | None]:
    """The worst outcome of the parts, and the code of the first cause."""
    found = {part["outcome"] for part in results.values()}
    worst = next(one for one in (Outcome.FAILED, Outcome.WARNING, Outcome.PASSED) if one in found)
    causes = [part["cause"]["code"] for part in results.values() if part["cause"]]
    return worst.value, causes[0] if causes else None


def summary(row: Any) -> dict[str, Any] | None:
    """The last test as a list shows it. `row` has COLUMNS, which are empty if the agent was never tested."""
    if row.test_outcome is None:
        return None
    return _heading(row.test_outcome, row.test_cause, row.test_version, row.tested_at, row.tested_by) | {
        "is_out_of_date": row.is_out_of_date,
        "is_sample": row.is_sample,
    }


def result_of(results: Mapping[str, Any], version: int | None, tested_at: datetime, tested_by: str) -> dict[str, Any]:
    """A result that was just made, as every door shows it."""
    outcome, cause = outcome_and_cause(results)
    flags = {"is_out_of_date": False, "is_sample": False}
    return _heading(outcome, cause, version, tested_at, tested_by) | flags | {"parts": parts(results)}


def parts(results: Any) -> list[dict[str, Any]]:
    """Each tested part of a stored result, with the labels and sentences of this release."""
    found = results if isinstance(results, Mapping) else {}
    return [_part(name, found[name]) for name in PARTS if isinstance(found.get(name), Mapping)]


def failure(results: Any, *, is_incomplete: bool) -> str | None:
    """Why a test failed, in one sentence: the first cause. An unreadable result has none.

    Where it is known that the agent `is_incomplete`, that is no cause. None if it is the only one.
    """
    causes = [part["cause"] for part in parts(results) if part["cause"]]
    others = [cause for cause in causes if not (is_incomplete and cause["code"] == "incomplete")]
    if not causes:
        return "The last test failed."
    return f"The last test failed: {others[0]['what']}" if others else None


def shown_facts(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The facts of a part that are shown, as (label, text). One that only another release knows is left out."""
    return [(label, _fact_text(facts[name])) for name, label in known_facts.LABELS.items() if name in facts]


def are_not_run(statements: Sequence[str]) -> bool:
    """Whether the statements of a part are of a kind that no test of this project has run."""
    return NOT_RUN in statements


def has(wanted: LastTest) -> sa.ColumnElement[bool]:
    """Whether the last test of an agent is as wanted, as a condition for statements on agents."""
    test = sa.exists().where(ConnectionTest.agent_id == Agent.id).correlate(Agent)
    if wanted is LastTest.NEVER:
        return ~test
    if wanted is LastTest.OUT_OF_DATE:
        return test.where(IS_OUT_OF_DATE)
    return test.where(ConnectionTest.outcome == wanted.value, ~IS_OUT_OF_DATE)


def keep_valid(session: Session, agent_ids: Sequence[UUID], versions: int) -> None:
    """Say of the last tests of these agents that nothing which they tested has changed in their last `versions`."""
    session.connection().execute(KEEP_VALID, {"ids": agent_ids, "versions": versions})


def _heading(outcome: str, cause: str | None, version: int | None, at: datetime, by: str) -> dict[str, Any]:
    return {"outcome": outcome, "cause": cause, "version": version, "tested_at": at, "tested_by": by}


def _part(name: str, result: Mapping[str, Any]) -> dict[str, Any]:
    steps = [{**step, "label": LABELS.get(step["name"], step["name"])} for step in result["steps"]]
    return {
        "part": name,
        "label": PARTS[name],
        "outcome": result["outcome"],
        "steps": steps,
        "cause": result["cause"] and _finding(result["cause"], result["statements"]),
        "warnings": [_finding(warning, result["statements"]) for warning in result["warnings"]],
        "facts": known_facts.usable(result["facts"]),
        "statements": result["statements"],
    }


def _fact_text(value: object) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return number_text(value) if isinstance(value, int) else str(value)


def _finding(finding: Mapping[str, Any], statements: Sequence[str]) -> dict[str, Any]:
    known = CAUSES.get(finding["code"], UNKNOWN)
    next_step = known.next_step if statements else known.without_statements or known.next_step
    facts = _Facts(known_facts.usable(finding["facts"]))
    return {
        "code": finding["code"],
        "what": known.what.format_map(facts),
        "next_step": next_step.format_map(facts),
        "responsible": known.responsible.value,
        "responsible_label": RESPONSIBLE_LABELS[known.responsible],
    }
