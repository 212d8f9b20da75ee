"""What the last test of a Power BI agent read: the names of workspace and dataset, and row-level security."""

from collections.abc import Mapping
from typing import Any

from agents_app.probes.results import Finding

ROW_LEVEL_SECURITY = "row_level_security"
NAMES = {"workspace_id": "workspace_name", "dataset_id": "dataset_name"}
"""The facts that are names, by the field of the connection. The probe gives the value of that field as a fact too."""

Facts = Mapping[str, Any]


def names(facts: Facts, config: Facts) -> dict[str, str]:
    """The names to show in place of the ids of this configuration, by its field. Only those of the same ids."""
    return {field: str(facts[name]) for field, name in NAMES.items() if name in facts and _is_of(facts, config, field)}


def warning(facts: Facts, config: Facts) -> Finding | None:
    """What to say of row-level security when an agent with this configuration is saved. None if there is nothing.

    The facts may be those of an earlier configuration, or empty.
    """
    has_security = facts.get(ROW_LEVEL_SECURITY) if _is_of(facts, config, "dataset_id") else None
    if has_security is True:
        return Finding("power_bi_not_with_this_api")
    if not config.get("impersonated_user_name"):
        return None
    return Finding("power_bi_user_ignored" if has_security is False else "power_bi_user_needs_row_level_security")


def _is_of(facts: Facts, config: Facts, field: str) -> bool:
    return field in facts and facts[field] == config.get(field)
