"""What a valid file of agents is, how it is read, and how it is written. `docs/agent-files.md` describes it."""

import codecs
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

from agents_app.connections import TYPES
from agents_app.errors import InvalidInput, InvalidQuery, Malformed, TooLarge
from agents_app.schemas.agents import CONFIG, FIELDS, STATUS_REASON, AgentValues
from agents_app.values import limits, rules, yaml_text, yaml_writing
from agents_app.values.choices import ConnectionType, FileFormat
from agents_app.values.fields import is_empty, normalise
from agents_app.values.json_text import read_object
from agents_app.values.line_numbers import Lines, lines_of
from agents_app.values.text import NOT_TEXT
from agents_app.wording import number_text

FORMAT = "agent-console-agents/1"
AGENTS, SECRETS, STATUS = "agents", "secrets", "status"
# In place of a secret: the console that wrote the file has it. A console that reads it keeps its own.
STORED = rules.STORED
# Without quotes, YAML reads 0123 as a number.
IN_QUOTES = "In YAML, put it in quotes."
# No door reads such a file again.
TOO_MUCH = "No import reads so large a file. Export in parts, with filters such as environment or owner."
Problems = list[tuple[str, str]]
Reference = Callable[[str], str]
"""Reads a secret from where it is, such as env:NAME. Raises ValueError with a sentence."""


@dataclass(frozen=True)
class AgentFile:
    """A file as it was read, not checked."""

    content: Any
    text: str
    lines_in_yaml: Lines | None = None
    read_reference: Reference | None = None
    """None where secrets cannot be read: only a person at the terminal has files and variables of their own."""

    def line(self, pointer: str) -> int | None:
        """The line of the value at this JSON pointer, or of what contains it. None if the file has neither."""
        return self._lines.nearest(pointer)

    def explain(self, sentence: str) -> str:
        """The sentence of a refusal, with how to do in YAML what it says."""
        is_yaml = self.lines_in_yaml is not None
        return f"{sentence} {IN_QUOTES}" if is_yaml and sentence == NOT_TEXT else sentence

    @cached_property
    def _lines(self) -> Lines:
        return lines_of(self.text) if self.lines_in_yaml is None else self.lines_in_yaml


@dataclass(frozen=True)
class SecretEntry:
    """A secret of a file: to keep the stored one, to remove it (`reference` is None), or where to read it."""

    is_kept: bool
    reference: str | None = None


@dataclass(frozen=True)
class Entry:
    """One agent of a file, not checked."""

    place: str
    """The JSON pointer in the file."""
    members: Mapping[str, Any]
    secrets: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def name(self) -> str | None:
        """The name as it would be stored. None without a text."""
        return self._text("name")

    @cached_property
    def external_id(self) -> str | None:
        """The external id as it would be stored. None without a text."""
        return self._text("external_id")

    @property
    def values(self) -> dict[str, Any]:
        """What a new agent is made of: every member but status and secrets."""
        left_out = (STATUS, STATUS_REASON, SECRETS, "api_key")
        return {name: value for name, value in self.members.items() if name not in left_out}

    @property
    def connection_type(self) -> ConnectionType | None:
        """The connection type. None if it is not known."""
        kind = normalise(AgentValues, "connection_type", self.members.get("connection_type"))
        return ConnectionType(kind) if kind in list(ConnectionType) else None

    def _text(self, name: str) -> str | None:
        found = normalise(AgentValues, name, self.members.get(name))
        return found if isinstance(found, str) else None


def read(
    body: bytes,
    read_reference: Reference | None = None,
    most: int = limits.FILE_BYTES,
    form: FileFormat | None = None,
) -> AgentFile:
    """Read a file of at most `most` bytes. Without a form, it is JSON if it begins as JSON does, and otherwise YAML.

    Raises TooLarge, and Malformed with the place.
    """
    if len(body) > most:
        raise TooLarge(f"The file is too large. Use at most {number_text(most // 1_000_000)} MB.")
    if not body.strip():
        raise Malformed("The file is empty.")
    if form is FileFormat.JSON or (form is None and _begins_as_json(body)):
        return AgentFile(read_object(body, most), body.decode(), read_reference=read_reference)
    content, lines = yaml_text.read(body)
    if content is None:
        raise Malformed("The file is empty.")
    if not isinstance(content, dict):
        raise Malformed(f"Write an object with the members format and {AGENTS} at the top of the file.")
    return AgentFile(content, body.decode(), lines, read_reference)


def _begins_as_json(body: bytes) -> bool:
    return body.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in (b"{", b"[")


def entries(file: AgentFile) -> tuple[list[Entry], Problems]:
    """The agents of a file, and what is wrong with the file as a whole. Raises InvalidInput for another format."""
    content = file.content
    written = content.get("format")
    if written != FORMAT:
        raise InvalidInput([("/format", _wrong_format(written))])
    problems = [(f"/{name}", "This member is not known here.") for name in content if name not in ("format", AGENTS)]
    agents = content.get(AGENTS)
    if not isinstance(agents, list):
        raise InvalidInput([*problems, (f"/{AGENTS}", "Write the agents as a list. An empty list is [].")])
    if len(agents) > limits.FILE_AGENTS:
        raise InvalidInput([(f"/{AGENTS}", f"Use at most {number_text(limits.FILE_AGENTS)} agents in a file.")])
    found = []
    for number, agent in enumerate(agents):
        place = f"/{AGENTS}/{number}"
        if not isinstance(agent, dict):
            problems.append((place, "Write each agent as an object."))
            continue
        secrets = agent.get(SECRETS)
        if not isinstance(secrets, dict | None):
            problems.append((f"{place}/{SECRETS}", "Write this as an object with the name of each secret."))
        found.append(Entry(place, agent, secrets if isinstance(secrets, dict) else {}))
    return found, problems


def document(agents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The document of these agents (as `shown` makes them), in the order of every file.

    Raises InvalidQuery if they are more than a file may have.
    """
    found = list(islice(agents, limits.FILE_AGENTS + 1))
    if len(found) > limits.FILE_AGENTS:
        raise InvalidQuery([("", f"More than {number_text(limits.FILE_AGENTS)} agents match. {TOO_MUCH}")])
    return {"format": FORMAT, AGENTS: sorted(found, key=_order)}


def shown(values: Mapping[str, Any], status: tuple[str, str | None], secrets: Iterable[str]) -> dict[str, Any]:
    """A stored agent as files show it: without what is at its default, and of secrets only the names."""
    fields = {name: values[name] for name in FIELDS if name != "connection_type"}
    found = {name: value for name, value in fields.items() if not _is_default(AgentValues, name, value)}
    if "labels" in found and isinstance(found["labels"], dict):
        # PostgreSQL does not keep the order of members.
        found["labels"] = dict(sorted(found["labels"].items()))
    if status[0] != "active":
        found |= {STATUS: status[0]} | ({STATUS_REASON: status[1]} if status[1] else {})
    config = _shown_config(values["connection_type"], values[CONFIG])
    found |= {"connection_type": values["connection_type"], CONFIG: config}
    names = sorted(pointer.rpartition("/")[2] for pointer in secrets)
    return found | ({SECRETS: dict.fromkeys(names, STORED)} if names else {})


def shared_names_warning(names: Sequence[str]) -> str:
    """What is wrong with a file of agents of which several have one of these names and no external id."""
    what = "1 name is" if len(names) == 1 else f"{number_text(len(names))} names are"
    return f"{what} shared by several agents without external_id, so an import refuses them. Give each an external_id."


def to_text(content: Mapping[str, Any], form: FileFormat) -> str:
    """The text of a document. Equal documents give equal texts. Raises InvalidQuery if no file may be so large."""
    if form is FileFormat.YAML:
        text = yaml_writing.write(content)
    else:
        text = f"{yaml_writing.escape(json.dumps(content, ensure_ascii=False, indent=2))}\n"
    if len(text.encode()) > limits.FILE_BYTES:
        size = number_text(limits.FILE_BYTES // 1_000_000)
        raise InvalidQuery([("", f"The agents that match need more than {size} MB. {TOO_MUCH}")])
    return text


def _shown_config(kind: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    declaration = TYPES.get(kind)
    if declaration is None:
        return dict(config)  # a newer release added the type
    defaults = declaration.dependent_defaults(config)
    return {
        name: config[name]
        for name in declaration.model_fields
        if name in config
        and not (config[name] == defaults[name] if name in defaults else _is_default(declaration, name, config[name]))
    }


def _is_default(model: Any, name: str, value: Any) -> bool:
    member = model.model_fields[name]
    return is_empty(value) or (not member.is_required() and value == member.get_default())


def _order(agent: Mapping[str, Any]) -> tuple[bool, str, str, str]:
    external_id = agent.get("external_id")
    return (external_id is None, external_id or "", agent.get("name", ""), json.dumps(agent, sort_keys=True))


def _wrong_format(written: Any) -> str:
    if isinstance(written, str) and written.startswith(FORMAT.rpartition("/")[0] + "/"):
        return f"This console reads the format {FORMAT}. A console of another release wrote this file."
    return f"Write format: {FORMAT} in the file. It says that this is a file of agents."
