"""What the last test of a Power BI agent says about row-level security, to be shown when the agent is saved."""

from collections.abc import Mapping
from typing import Any

from agents_app.probes.results import Finding

# The fact of a test that read the dataset.
FACT = "row_level_security"


def finding(facts: Mapping[str, Any] | None, impersonated_user_name: str | None) -> Finding | None:
    """The warning for these facts of the last test, and this field of the agent. None if there is nothing to say.

    Pass the facts only if that test was of the same workspace and dataset, otherwise None.
    """
    has_security = (facts or {}).get(FACT)
    if has_security is True:
        return Finding("power_bi_not_with_this_api")
    if not impersonated_user_name:
        return None
    return Finding("power_bi_user_ignored" if has_security is False else "power_bi_user_needs_row_level_security")
