"""What a valid agent is. Every door passes its values to `draft_of_new` or `draft_of_changed`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from pydantic import ValidationError

from agents_app.connections import TYPES, Connection
from agents_app.errors import InvalidInput
from agents_app.schemas import misplaced_members
from agents_app.values import limits
from agents_app.values.choices import (
    ENVIRONMENT_LABELS,
    MODEL_PROVIDER_LABELS,
    ConnectionType,
    Environment,
    ModelProvider,
)
from agents_app.values.fields import Schema, broken_rules, field, is_empty, names_noted, normalise
from agents_app.values.labels import label_pairs
from agents_app.values.model_urls import base_url
from agents_app.values.pem import without_private_keys
from agents_app.values.rules import calendar_date, choice, generated_secret, line, model_name, multiline_text
from agents_app.values.secret_scanner import find_in_values
from agents_app.values.text import normalise_text

CONFIG = "connection_config"
API_KEY = "/api_key"
STATUS_REASON, NOTE = "status_reason", "note"


class AgentValues(Schema):
    """The fields of an agent that people and programs write."""

    name: Annotated[str, line(limits.NAME)] = field("Name", missing="Enter a name for the agent.")
    description: Annotated[str | None, multiline_text(limits.DESCRIPTION)] = field(
        "Description", "What the agent answers, and for whom.", default=None
    )
    external_id: Annotated[str | None, line(limits.EXTERNAL_ID)] = field(
        "External ID", "The agent's key in another system. No two agents can have the same one.", default=None
    )
    owner: Annotated[str | None, line(limits.OWNER)] = field(
        "Owner", "The person or team that is responsible for the agent.", default=None
    )
    environment: Annotated[Environment | None, choice(Environment)] = field(
        "Environment", default=None, labels=ENVIRONMENT_LABELS
    )
    labels: Annotated[dict[str, str], label_pairs()] = field(
        "Labels",
        "One per line, as name=value, such as team=finance.",
        default={},
        json_hint="An object with the name and the value of each label. A change replaces all labels.",
    )
    model_provider: Annotated[ModelProvider | None, choice(ModelProvider)] = field(
        "Model provider",
        "The provider whose API the agent calls.",
        default=None,
        destination=True,
        labels=MODEL_PROVIDER_LABELS,
    )
    model_type: Annotated[str | None, model_name(limits.MODEL_TYPE)] = field(
        "Model", "The name of the model that answers, such as gpt-5-mini.", default=None
    )
    model_base_url: Annotated[str | None, base_url()] = field(
        "Model base URL",
        "Where the API key is sent. Needed for Azure OpenAI, Ollama and OpenAI-compatible providers.",
        default=None,
        destination=True,
    )
    api_key: Annotated[str | None, generated_secret(limits.API_KEY)] = field(
        "API key", "The model provider's key. Stored encrypted and never shown again.", default=None, secret=True
    )
    api_key_expires_at: Annotated[date | None, calendar_date()] = field(
        "API key expires on",
        "The day on which the key expires.",
        default=None,
        json_hint="The day on which the key expires, as YYYY-MM-DD.",
    )
    system_instructions: Annotated[str | None, multiline_text(limits.INSTRUCTIONS)] = field(
        "System instructions", "Sent to the model before every conversation.", default=None
    )
    connection_type: Annotated[ConnectionType, choice(ConnectionType)] = field(
        "Connection", missing=f"Choose the connection type: {' or '.join(TYPES)}."
    )
    connection_config: dict[str, Any] = field("Connection settings", default={})


FIELDS = tuple(name for name in AgentValues.model_fields if name not in ("api_key", CONFIG))
"""The fields that are stored as they are, each in its own column."""


@dataclass(frozen=True)
class Draft:
    """A valid agent before it is written.

    `fields` has the values of FIELDS, and `config` the configuration without its secrets, both in JSON types. `secrets`
    has, by JSON pointer, a text to set a secret and None to remove it. A secret that is not in it is kept.
    """

    fields: dict[str, Any]
    config: dict[str, Any]
    secrets: dict[str, str | None]
    expires_on: date | None

    @property
    def connection_type(self) -> ConnectionType:
        """The connection type of the draft."""
        return ConnectionType(self.fields["connection_type"])


def draft_of_new(values: Mapping[str, Any]) -> Draft:
    """The draft of a new agent. Raises InvalidInput with every broken rule."""
    return _draft(values, removals(values))


def draft_of_changed(current: Mapping[str, Any], changes: Mapping[str, Any]) -> Draft:
    """The draft of the agent `current` (fields and configuration, without secrets) after a merge with `changes`.

    An absent field is kept, and null clears it. The same is true of the fields of the configuration, unless the
    connection type changes: then the configuration starts empty. Values that do not change stay valid, even if a rule
    of this release refuses them. Raises InvalidInput with every broken rule.
    """
    sent = _differing(changes, current)
    merged = {**current, **sent}
    old = TYPES[ConnectionType(current["connection_type"])].complete(current[CONFIG])
    wanted = changes.get(CONFIG, {})
    if not isinstance(wanted, Mapping):
        return _draft(merged, removals(changes))
    if type_of(merged) is not type_of(current):
        merged[CONFIG] = dict(wanted)
        return _draft(merged, removals(changes), kept=_without(current, {*sent, CONFIG}))
    # Forms and programs send back what they received, which has none of the private keys that 0.1.0 stored.
    new = _differing(wanted, without_private_keys(old))
    merged[CONFIG] = {**old, **new}
    return _draft(merged, removals(changes), kept={**_without(current, sent), CONFIG: _without(old, new)})


def secret_pointers(connection_type: ConnectionType) -> list[str]:
    """The JSON pointers of all secrets of an agent with this connection type."""
    return [API_KEY, *(f"/{CONFIG}/{name}" for name in TYPES[connection_type].secret_names())]


def destination(pointer: str, fields: Mapping[str, Any], config: Mapping[str, Any]) -> tuple[object, ...]:
    """Where the secret at this pointer is sent. A stored secret must not be used for another destination."""
    if pointer == API_KEY:
        return tuple(fields[name] for name in names_noted(AgentValues, "destination"))
    kind = ConnectionType(fields["connection_type"])
    return (kind.value, *(config.get(name) for name in TYPES[kind].destination_names()))


def secret_warnings(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What looks like a secret in the public values of an agent: the JSON pointer of each, and a sentence.

    `values` are those of a door, or an agent as it is read. A sentence never repeats what was found.
    """
    config = values.get(CONFIG)
    secret = {name for declaration in TYPES.values() for name in declaration.secret_names()}
    members = _without(config, secret) if isinstance(config, Mapping) else {}
    public = {name: values[name] for name in (*FIELDS, STATUS_REASON, NOTE) if name in values}
    if public.get("labels"):
        # Forms and the terminal send lines, which do not say which label they are.
        public["labels"] = normalise(AgentValues, "labels", public["labels"])
    return list(find_in_values({**public, CONFIG: members}))


def _differing(changes: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in changes.items() if name not in current or not _is_same(value, current[name])}


def _is_same(value: object, stored: object) -> bool:
    if isinstance(value, str) and isinstance(stored, str):
        return value == stored or normalise_text(value) == normalise_text(stored)
    if isinstance(value, list) and isinstance(stored, list):
        return len(value) == len(stored) and all(map(_is_same, value, stored))
    # A form sends a number as text.
    return (type(value) is type(stored) and value == stored) or (type(stored) is int and value == str(stored))


def _without(members: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name not in names}


def _draft(values: Mapping[str, Any], removals: set[str], kept: Mapping[str, Any] | None = None) -> Draft:
    problems: list[tuple[str, str]] = []
    kept = kept or {}
    agent = _agent(values, problems, kept)
    connection = _connection(values, problems, kept.get(CONFIG, {}))
    if problems or agent is None or connection is None:
        raise InvalidInput(problems)
    fields = agent.model_dump(mode="json", exclude={"api_key", CONFIG})
    names = connection.secret_names()
    secrets: dict[str, str | None] = {p: None for p in secret_pointers(agent.connection_type) if p in removals}
    secrets |= {f"/{CONFIG}/{name}": value for name in names if (value := getattr(connection, name))}
    secrets |= {API_KEY: agent.api_key} if agent.api_key else {}
    config = connection.model_dump(mode="json", exclude=set(names))
    return Draft(fields, config, secrets, connection.expires_on())


def _agent(values: Mapping[str, Any], problems: list[tuple[str, str]], kept: Mapping[str, Any]) -> AgentValues | None:
    refused = misplaced_members.find(values, AgentValues.model_fields.keys())
    problems += [(f"/{name}", sentence) for name, sentence in refused.items()]
    try:
        return AgentValues.model_validate(_without(values, refused), context=kept)
    except ValidationError as error:
        problems += broken_rules(error, AgentValues)
        return None


def _connection(
    values: Mapping[str, Any], problems: list[tuple[str, str]], kept: Mapping[str, Any]
) -> Connection | None:
    connection_type = type_of(values)
    config = {} if is_empty(values.get(CONFIG)) else values[CONFIG]
    if connection_type is None or not isinstance(config, Mapping):
        return None  # `_agent` has added the problem
    declaration = TYPES[connection_type]
    try:
        return declaration.model_validate(dict(config), context=kept)
    except ValidationError as error:
        broken = broken_rules(error, declaration, f"/{CONFIG}")
        problems += misplaced_members.without_names(broken, f"/{CONFIG}", declaration.model_fields)
        return None


def type_of(values: Mapping[str, Any]) -> ConnectionType | None:
    """The connection type that the values name. None if they name none that is known."""
    wanted = values.get("connection_type")
    text = wanted.strip() if isinstance(wanted, str) else ""
    return ConnectionType(text) if text in list(ConnectionType) else None


def removals(values: Mapping[str, Any]) -> set[str]:
    """The JSON pointers of the secrets that the values remove: those that are present and null."""
    config = values.get(CONFIG)
    members = config if isinstance(config, Mapping) else {}
    removed = {f"/{CONFIG}/{name}" for name, value in members.items() if value is None}
    return removed | ({API_KEY} if "api_key" in values and values["api_key"] is None else set())
