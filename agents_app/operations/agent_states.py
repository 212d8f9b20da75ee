"""Helpers that take the state of an agent from a draft, a row or a version. They write nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from agents_app.connections import TYPES
from agents_app.errors import InvalidInput
from agents_app.models import Agent, AgentVersion
from agents_app.operations import agent_secrets, snapshots
from agents_app.operations.agent_secrets import Secrets
from agents_app.schemas import agents as schema
from agents_app.values.choices import AgentStatus, ConnectionType
from agents_app.values.pem import without_private_keys
from agents_app.values.text import fold_for_search

DATES = ("api_key_expires_at",)
"""The fields that are dates in their columns and texts in a state."""
MODEL = ("model_provider", "model_base_url", "model_type")
"""The fields with which the model of an agent is tested, in addition to its key."""


@dataclass(frozen=True)
class State:
    """Everything that people decide about an agent. `config` has no secrets."""

    fields: dict[str, Any]
    config: dict[str, Any]
    secrets: Secrets
    expires_on: date | None = None
    status: AgentStatus = AgentStatus.ACTIVE
    reason: str | None = None

    def snapshot(self) -> dict[str, Any]:
        """What a version records: every field, but of secrets only their names, and no private key."""
        status = {"status": self.status.value, "status_reason": self.reason}
        config = without_private_keys(self.config)
        return {**self.fields, schema.CONFIG: config, **status, "secrets": sorted(self.secrets.encrypted)}

    def stored_config(self) -> dict[str, Any]:
        """The value of the column `connection_config`, with the encrypted secrets.

        It has a new field only with a value, so that the release before can change the agent after a way back.
        """
        new = TYPES[ConnectionType(self.fields["connection_type"])].new_fields
        public = {name: value for name, value in self.config.items() if value is not None or name not in new}
        return self.secrets.config(public)

    def columns(self) -> dict[str, Any]:
        """The values of the columns of FIELDS."""
        dates = {name: value and date.fromisoformat(value) for name, value in self.fields.items() if name in DATES}
        return {name: self.fields[name] for name in schema.FIELDS} | dates


def draft_of_change(old: State, changes: Mapping[str, Any]) -> schema.Draft:
    """The draft of a stored agent after these changes, to save or to test it.

    Raises InvalidInput with every broken rule, and where a stored secret would be used for another destination.
    """
    current = {**old.fields, schema.CONFIG: old.config}
    problems: list[tuple[str, str]] = []
    try:
        draft = schema.draft_of_changed(current, changes)
    except InvalidInput as refusal:
        problems = refusal.fields
        try:
            # The others may move a secret, which is said at once too.
            draft = schema.draft_of_changed(current, _without(changes, {pointer for pointer, _ in problems}))
        except InvalidInput:
            raise refusal from None
    try:
        agent_secrets.check_destination(draft, old.fields, old.config, old.secrets.encrypted)
    except InvalidInput as refusal:
        known = {pointer for pointer, _ in problems}
        problems += [one for one in refusal.fields if one[0] not in known]
    if problems:
        raise InvalidInput(problems)
    return draft


def with_defaults(values: Mapping[str, Any], kind: ConnectionType | None) -> dict[str, Any]:
    """The values of a whole agent of this type, as a change of a stored one: what is absent is null, but no secret."""
    config = values.get(schema.CONFIG)
    if kind is not None and isinstance(config, Mapping | None):
        secrets = TYPES[kind].secret_names()
        public = (name for name in TYPES[kind].model_fields if name not in secrets)
        values = {**values, schema.CONFIG: {**dict.fromkeys(public), **(config or {})}}
    return {**dict.fromkeys(schema.FIELDS), **values}


def _without(changes: Mapping[str, Any], pointers: set[str]) -> dict[str, Any]:
    kept = {name: value for name, value in changes.items() if f"/{name}" not in pointers}
    config = kept.get(schema.CONFIG)
    if isinstance(config, Mapping):
        members = {name: value for name, value in config.items() if f"/{schema.CONFIG}/{name}" not in pointers}
        kept[schema.CONFIG] = members
    return kept


def tested(state: State) -> tuple[object, ...]:
    """What a test of this state uses. A test is out of date if this has changed since."""
    kind, secrets = state.fields["connection_type"], dict(state.secrets.encrypted)
    unused = TYPES[ConnectionType(kind)].not_tested
    config = {name: value for name, value in state.config.items() if name not in unused}
    if not state.fields["model_provider"]:
        # No model is tested.
        secrets.pop(schema.API_KEY, None)
        return (kind, config, secrets)
    return (kind, config, secrets, *(state.fields[name] for name in MODEL))


def of_draft(draft: schema.Draft, encrypted: Secrets) -> State:
    """The state of a valid draft with its secrets. It is active."""
    return State(draft.fields, draft.config, encrypted, draft.expires_on)


def of_agent(agent: Agent) -> State:
    """The state of a stored agent."""
    fields = {name: getattr(agent, name) for name in schema.FIELDS}
    days = {name: fields[name] and fields[name].isoformat() for name in DATES}
    config = agent.connection_config
    encrypted = agent_secrets.encrypted_values(agent.api_key, config)
    return State(
        {**fields, **days, "connection_type": ConnectionType(agent.connection_type).value},
        # A newer release may run at the same time: fields that only it knows are kept.
        agent_secrets.public_config(config) | agent_secrets.complete_config(agent.connection_type, config),
        Secrets(encrypted, dict(agent.secret_facts), {}),
        agent.credential_expires_at,
        AgentStatus(agent.status),
        agent.status_reason,
    )


def of_version(version: AgentVersion) -> State:
    """The state that a version recorded, with the secrets that it keeps. Raises Conflict (see `snapshots.py`)."""
    draft, then = snapshots.draft(version.snapshot), snapshots.status_and_origin(version.snapshot)
    kept = snapshots.kept_secrets(version, draft.connection_type)
    return replace(of_draft(draft, kept), status=then.status, reason=then.status_reason)


def replaced_reason(before: State, reason: str) -> str:
    """The message for an agent that was already disabled and gets another reason. Empty if it was active."""
    if before.status is AgentStatus.ACTIVE:
        return ""
    old = f"before it was “{before.reason}”" if before.reason else "before there was none"
    return f"was already disabled. The reason is now “{reason.strip()}”; {old}."


def search_text(state: State) -> str:
    """The text that search reads: name, description, external id, owner, model and destination, one per line.

    A line end at the beginning marks the folding of this release. Each text is also casefolded, for the release before.
    """
    declaration = TYPES[ConnectionType(state.fields["connection_type"])]
    names = [state.fields[name] for name in ("name", "description", "external_id", "owner", "model_type")]
    titles = [str(state.config.get(name) or "") for name in declaration.title_fields]
    spelled = [line for text in (*names, *titles) if text for line in (text.casefold(), fold_for_search(text))]
    return "\n" + "\n".join(dict.fromkeys(spelled))
