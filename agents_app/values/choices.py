"""The enums that columns, forms and the API share."""

from enum import StrEnum


class ConnectionType(StrEnum):
    """Where the data of an agent is. The values are those of the database type `connectiontype`."""

    POWERBI = "POWERBI"
    DB = "DB"


class AgentStatus(StrEnum):
    """Whether runtimes can fetch the agent."""

    ACTIVE = "active"
    DISABLED = "disabled"


class Environment(StrEnum):
    """What the agent is used for."""

    PRODUCTION = "production"
    STAGING = "staging"
    DEVELOPMENT = "development"


class ModelProvider(StrEnum):
    """The provider whose API an agent calls."""

    OPENAI = "openai"
    AZURE_OPENAI = "azure_openai"
    ANTHROPIC = "anthropic"
    OLLAMA = "ollama"
    OPENAI_COMPATIBLE = "openai_compatible"


ENVIRONMENT_LABELS = {one: one.capitalize() for one in Environment}
MODEL_PROVIDER_LABELS = {
    ModelProvider.OPENAI: "OpenAI",
    ModelProvider.AZURE_OPENAI: "Azure OpenAI",
    ModelProvider.ANTHROPIC: "Anthropic",
    ModelProvider.OLLAMA: "Ollama",
    ModelProvider.OPENAI_COMPATIBLE: "OpenAI-compatible",
}
# Where the API key is sent if an agent has no model base URL. The other providers have no public address.
MODEL_URLS = {
    ModelProvider.OPENAI: "https://api.openai.com/v1",
    ModelProvider.ANTHROPIC: "https://api.anthropic.com",
}
EXAMPLE_MODEL_URLS = {
    **MODEL_URLS,
    ModelProvider.AZURE_OPENAI: "https://contoso.openai.azure.com",
    ModelProvider.OLLAMA: "http://localhost:11434",
    ModelProvider.OPENAI_COMPATIBLE: "https://models.example.org/v1",
}


# The API reference shows the docstrings of these two. `operations/permissions.py` says what each role and scope allows.
class Role(StrEnum):
    """What a user can do."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"


class Scope(StrEnum):
    """What an API token can do."""

    READ = "read"
    WRITE = "write"
    RUNTIME = "runtime"


class LastTest(StrEnum):
    """What is known of an agent from its last test. The first three mean a test that is not out of date."""

    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"
    OUT_OF_DATE = "out_of_date"
    NEVER = "never"


LAST_TEST_LABELS = {
    LastTest.PASSED: "Passed",
    LastTest.WARNING: "Warning",
    LastTest.FAILED: "Failed",
    LastTest.OUT_OF_DATE: "Out of date",
    LastTest.NEVER: "Not tested",
}


class SignInMethod(StrEnum):
    """How a session began."""

    PASSWORD = "password"
    PROVIDER = "provider"
    LINK = "link"
    """A link of the terminal to choose a password."""
    SET_UP = "set_up"
    """The set-up page, where passwords are off."""


class Door(StrEnum):
    """The door through which a request came."""

    PAGE = "page"
    TOKEN = "token"
    TERMINAL = "terminal"


class FileFormat(StrEnum):
    """The form of a file of agents."""

    YAML = "yaml"
    JSON = "json"
