"""Helpers that test many agents, one after the other, for a bulk act."""

import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from agents_app.db import db
from agents_app.errors import Conflict, ConsoleError, InvalidInput, NotFound, Throttled, Unavailable
from agents_app.operations import bulk_names, connection_tests
from agents_app.operations.agent_writes import NO_AGENT
from agents_app.operations.bulk_results import BulkResult, Done, Failure
from agents_app.operations.permissions import Actor
from agents_app.probes.results import Outcome
from agents_app.schemas.bulk_agents import TESTS_MAX

# The codes of the agents whose test did not start. Later it can.
NOT_STARTED = ("too_many_tests", "busy", "not_tested")
# No test starts after this time, so that a request ends before its proxy gives it up.
SECONDS = 20
TOO_LATE = "The tests before it took too long. Test it again."
AFTER_THE_MOST = f"At most {TESTS_MAX} agents are tested at once."
IT_WAS_NOT = "It was not tested. "


def run(actor: Actor, agent_ids: Sequence[UUID], result: BulkResult) -> None:
    """Test the saved state of each agent. An agent fails if its test fails, or if no test could start.

    The limits of single tests apply. An agent that is beyond them is not waited for.
    """
    ends = time.monotonic() + SECONDS
    with db.reading() as connection:
        agents = bulk_names.agents_by_id(connection, actor, agent_ids)
    for agent_id in agent_ids:
        name = agents[agent_id].name if agent_id in agents else None
        try:
            if name is None:
                raise NotFound(NO_AGENT)
            if time.monotonic() > ends:
                raise Unavailable(TOO_LATE, code="not_tested")
            tested = connection_tests.run(actor, agent_id)
        except (Conflict, InvalidInput, NotFound) as refused:
            result.fail(agent_id, name, refused)
        except (Throttled, Unavailable) as refused:
            result.fail(agent_id, name, _not_tested(refused))
        else:
            _add(result, agent_id, name, tested)


def leave(agent_ids: Sequence[UUID], result: BulkResult) -> None:
    """Add agents that are not tested, as there are too many of them. The result offers them."""
    for agent_id in agent_ids:
        result.fail(agent_id, None, _not_tested(Unavailable(AFTER_THE_MOST, code="not_tested")))


def _add(result: BulkResult, agent_id: UUID, name: str, tested: dict[str, Any]) -> None:
    if tested["outcome"] != Outcome.FAILED:
        result.changed.append(Done(agent_id, name, tested["version"]))
        return
    causes = [part["cause"] for part in tested["parts"] if part["cause"]]
    sentence = f"{causes[0]['what']} {causes[0]['next_step']}" if causes else "The test failed."
    result.failed.append(Failure(agent_id, name, str(tested["cause"]), f"The test failed: {sentence}"))


def _not_tested(refused: ConsoleError) -> ConsoleError:
    return ConsoleError(f"{IT_WAS_NOT}{refused.detail}", code=refused.code)
