"""Helpers that say what is doubtful or missing in an agent that was just saved. It is saved nevertheless."""

from collections.abc import Mapping
from typing import Any

from agents_app.connections import TYPES
from agents_app.connections.database import SslMode
from agents_app.operations.known_names import connection_facts
from agents_app.probes.causes import CAUSES
from agents_app.probes.power_bi import facts as power_bi_facts
from agents_app.probes.results import Finding
from agents_app.schemas import completeness
from agents_app.schemas.agents import CONFIG, NOTE, secret_warnings
from agents_app.values.choices import ConnectionType


def of_agent(agent: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The JSON pointer of each such member of an agent as `agent_reads.read` returns it, and a sentence."""
    return secret_warnings(agent) + of_connection(agent) + completeness.missing(agent, agent["secrets_set"])


def of_note(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What looks like a secret in the note among the values of a change. It stays in the history."""
    return secret_warnings({NOTE: values[NOTE]}) if NOTE in values else []


def of_connection(agent: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The same without what a page shows: what looks like a secret, before it saves, and what is missing."""
    is_power_bi = agent["connection_type"] == ConnectionType.POWERBI
    member, finding = _of_power_bi(agent) if is_power_bi else _of_tls_mode(agent)
    if finding is None:
        return []
    cause = CAUSES[finding.code]
    return [(f"/{CONFIG}/{member}", f"{cause.what} {cause.next_step}".format_map(finding.facts))]


def _of_power_bi(agent: Mapping[str, Any]) -> tuple[str, Finding | None]:
    member = "impersonated_user_name" if agent[CONFIG].get("impersonated_user_name") else "dataset_id"
    return member, power_bi_facts.warning(connection_facts(agent), agent[CONFIG])


def _of_tls_mode(agent: Mapping[str, Any]) -> tuple[str, Finding | None]:
    """A mode that was right for one database type stays if the type changes, and is then weaker than the default."""
    config = agent[CONFIG]
    default = TYPES[ConnectionType(agent["connection_type"])].dependent_defaults(config).get("sslmode")
    is_weaker = default == SslMode.VERIFY_FULL and config["sslmode"] != default
    return "sslmode", Finding("password_not_protected", {"sslmode": config["sslmode"]}) if is_weaker else None
