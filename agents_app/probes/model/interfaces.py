"""How each model provider lists its models over HTTP, as its documentation says. Nothing is sent from here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from agents_app.values.choices import ModelProvider

# The last dated version of the inference API of Azure OpenAI. Its v1 API needs none.
AZURE_VERSION = "api-version=2024-10-21"
AZURE_V1 = "/openai/v1"
# Ollama adds this tag to a name without one.
OLLAMA_TAG = ":latest"


@dataclass(frozen=True)
class Interface:
    """The list of models of one provider, and its errors."""

    models: str
    """The path of the list, after the path of the base URL."""
    query: str = ""
    endings: tuple[str, ...] = ()
    """Endings of a base URL that are already a part of `models`."""
    key_header: str = "Authorization"
    key_prefix: str = "Bearer "
    headers: Mapping[str, str] = field(default_factory=dict)
    members: str = "data"
    names: tuple[str, ...] = ("id",)
    after: str = "after"
    """The parameter for the next page, which gets the last id of the page before."""

    def path(self, base: str) -> str:
        """The path of the list for the path of a base URL."""
        ending = next((ending for ending in self.endings if base.endswith(ending)), "")
        return base.removesuffix(ending) + self.models

    def key(self, api_key: str | None) -> dict[str, str]:
        """The headers of a request with this key."""
        return {**self.headers, **({self.key_header: self.key_prefix + api_key} if api_key else {})}


INTERFACES = {
    ModelProvider.OPENAI: Interface("/models"),
    ModelProvider.OPENAI_COMPATIBLE: Interface("/models"),
    ModelProvider.ANTHROPIC: Interface(
        "/v1/models",
        "limit=1000",
        endings=("/v1",),
        key_header="x-api-key",
        key_prefix="",
        headers={"anthropic-version": "2023-06-01"},
        after="after_id",
    ),
    ModelProvider.OLLAMA: Interface("/api/tags", endings=("/api", "/v1"), members="models", names=("name", "model")),
    ModelProvider.AZURE_OPENAI: Interface(
        "/openai/models", AZURE_VERSION, endings=("/openai",), key_header="api-key", key_prefix=""
    ),
}
AZURE_V1_INTERFACE = Interface("/models", key_header="api-key", key_prefix="")


def interface_of(provider: ModelProvider, base: str) -> Interface:
    """The interface of a provider at the path of a base URL."""
    is_v1 = provider is ModelProvider.AZURE_OPENAI and base.endswith(AZURE_V1)
    return AZURE_V1_INTERFACE if is_v1 else INTERFACES[provider]


def deployment_request(base: str, deployment: str) -> tuple[str, dict[str, str]]:
    """The target and the body of a request that Azure refuses, because it has no messages, before a model runs."""
    if base.endswith(AZURE_V1):
        return f"{base}/chat/completions", {"model": deployment}
    place = f"{base.removesuffix('/openai')}/openai/deployments/{deployment}"
    return f"{place}/chat/completions?{AZURE_VERSION}", {}


def spellings(provider: ModelProvider, model: str) -> Iterator[str]:
    """The names in the list that mean this model."""
    yield model
    if provider is ModelProvider.OLLAMA and ":" not in model.rpartition("/")[2]:
        yield model + OLLAMA_TAG
