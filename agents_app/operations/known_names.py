"""Helpers that read from the last test of an agent what its ids refer to."""

from collections.abc import Mapping
from typing import Any

from agents_app.probes.power_bi import facts as power_bi_facts
from agents_app.schemas.agents import CONFIG


def of_agent(agent: Mapping[str, Any]) -> dict[str, str]:
    """The names of the ids in the configuration of an agent, by field. The agent is that of `agent_reads.read`."""
    return of_facts(connection_facts(agent), agent[CONFIG])


def of_facts(facts: Any, config: Mapping[str, Any]) -> dict[str, str]:
    """The names of the ids in this configuration. `facts` are those of the last test of the connection, if any."""
    return power_bi_facts.names(facts, config) if isinstance(facts, Mapping) else {}


def connection_facts(agent: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the last test of the connection read. The agent may have been changed since."""
    parts = agent["last_test"]["parts"] if agent["last_test"] else []
    facts: Mapping[str, Any] = next((part["facts"] for part in parts if part["part"] == "connection"), {})
    return facts
