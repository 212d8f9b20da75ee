"""What an agent lacks to sign in to its model provider and its data source. Nothing of it is refused."""

from collections.abc import Collection, Mapping
from typing import Any

from agents_app.connections import TYPES
from agents_app.schemas.agents import API_KEY, CONFIG, AgentValues
from agents_app.values.choices import ConnectionType, ModelProvider
from agents_app.values.fields import missing_sentence

# What each provider needs. A provider without a base URL has one public address.
NEEDED = {
    ModelProvider.OPENAI: ("api_key",),
    ModelProvider.AZURE_OPENAI: ("model_base_url", "api_key"),
    ModelProvider.ANTHROPIC: ("api_key",),
    ModelProvider.OLLAMA: ("model_base_url",),
    ModelProvider.OPENAI_COMPATIBLE: ("model_base_url",),
}


def missing(agent: Mapping[str, Any], set_secrets: Collection[str]) -> list[tuple[str, str]]:
    """What a stored agent lacks, as (JSON pointer, sentence). It is incomplete if there is anything.

    `agent` has the fields and the configuration without secrets; `set_secrets` has the JSON pointers of those that are
    set.
    """
    return [*_missing_of_model(agent, set_secrets), *_missing_of_connection(agent, set_secrets)]


def _missing_of_model(agent: Mapping[str, Any], set_secrets: Collection[str]) -> list[tuple[str, str]]:
    provider = agent.get("model_provider")
    # Agents of earlier releases have a key and no provider.
    needed = NEEDED[ModelProvider(provider)] if provider in list(ModelProvider) else ()
    set_names = {name for name in needed if agent.get(name)} | ({"api_key"} if API_KEY in set_secrets else set())
    return [(f"/{name}", missing_sentence(AgentValues, name)) for name in needed if name not in set_names]


def _missing_of_connection(agent: Mapping[str, Any], set_secrets: Collection[str]) -> list[tuple[str, str]]:
    kind = agent.get("connection_type")
    if kind not in list(ConnectionType):
        return []  # a newer release added the type
    prefix = f"/{CONFIG}/"
    names = {pointer.removeprefix(prefix) for pointer in set_secrets if pointer.startswith(prefix)}
    found = TYPES[ConnectionType(kind)].missing(agent[CONFIG], names)
    return [(f"{prefix}{name}", sentence) for name, sentence in found]
