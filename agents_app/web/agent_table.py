"""The CSV file of the list of agents: its columns, and the cells of an agent, without secrets."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from agents_app.connections import TYPES
from agents_app.schemas.agents import CONFIG, AgentValues
from agents_app.schemas.field_titles import field_title
from agents_app.values.choices import ENVIRONMENT_LABELS, LAST_TEST_LABELS, MODEL_PROVIDER_LABELS, LastTest
from agents_app.values.fields import field_notes

OF_AGENT = ("name", "description", "external_id", "owner", "environment", "labels")
OF_MODEL = ("model_provider", "model_type", "model_base_url", "api_key_expires_at", "system_instructions")
OF_TEST = ("Last test", "Last test at (UTC)", "Last test by")
OF_CHANGE = ("Version", "Created (UTC)", "Created by", "Updated (UTC)", "Updated by", "ID")
# The agent has it too, in one column for every type.
EXPIRY = "credential_expires_at"


def _config_columns() -> dict[str, list[str]]:
    """The names of the public fields of all connection types by their label. Texts of certificates are left out."""
    columns: dict[str, list[str]] = {}
    for declaration in TYPES.values():
        for name, info in declaration.model_fields.items():
            notes = field_notes(declaration, name)
            if not notes.get("secret") and notes.get("kind") != "pem" and name != EXPIRY:
                columns.setdefault(f"{info.title}{' (' + notes['unit'] + ')' if 'unit' in notes else ''}", []).append(
                    name
                )
    return columns


CONFIG_COLUMNS = _config_columns()
HEADINGS = (
    *(str(AgentValues.model_fields[name].title) for name in OF_AGENT),
    *("Status", "Reason", "Incomplete"),
    *(str(AgentValues.model_fields[name].title) for name in OF_MODEL),
    *("Connection", *CONFIG_COLUMNS, "Credential expires on", "Secrets that are set"),
    *(*OF_TEST, *OF_CHANGE),
)


def cells(agent: Mapping[str, Any]) -> list[object]:
    """The cells of an agent, in the order of HEADINGS. `agent` is an item of `agent_exports.export_rows`."""
    kind = agent["connection_type"]
    declaration, config = TYPES.get(kind), agent[CONFIG]
    shown = {
        "environment": ENVIRONMENT_LABELS.get(agent["environment"], agent["environment"]),
        "model_provider": MODEL_PROVIDER_LABELS.get(agent["model_provider"], agent["model_provider"]),
    }
    secrets = [field_title(pointer, kind) or pointer for pointer in agent["secrets_set"]]
    labels = {name: field_notes(declaration, name).get("labels", {}) for name in config} if declaration else {}
    values = {
        name: labels.get(name, {}).get(value, value) if isinstance(value, str) else value
        for name, value in config.items()
    }
    return [
        *(_text(shown.get(name, agent[name])) for name in OF_AGENT),
        *(str(agent["status"]).capitalize(), agent["status_reason"], _text(bool(agent["is_incomplete"]))),
        *(_text(shown.get(name, agent[name])) for name in OF_MODEL),
        declaration.label if declaration else kind,
        *(_text(_first(values, names)) for names in CONFIG_COLUMNS.values()),
        *(agent[EXPIRY], ", ".join(secrets)),
        *_test(agent["last_test"]),
        *(agent["version"], _text(agent["created_at"]), agent["created_by"]),
        *(_text(agent["updated_at"]), agent["updated_by"], agent["id"]),
    ]


def _first(values: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((values[name] for name in names if name in values), None)


def _test(last_test: Mapping[str, Any] | None) -> list[object]:
    if last_test is None:
        return [LAST_TEST_LABELS[LastTest.NEVER], None, None]
    outcome = LastTest.OUT_OF_DATE if last_test["is_out_of_date"] else last_test["outcome"]
    return [LAST_TEST_LABELS.get(outcome, outcome), _text(last_test["tested_at"]), last_test["tested_by"]]


def _text(value: Any) -> object:
    """A value as people read it: Yes and No, times in UTC, the parts of a list or of an object one after another."""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, Mapping):
        value = [f"{name}={text}" for name, text in value.items()]
    return ", ".join(map(str, value)) if isinstance(value, list) else value
