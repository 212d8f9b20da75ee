"""Helpers that say what a test of an agent is about, which parts cannot be tested, and hide secrets in the results."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from agents_app.connections import TYPES
from agents_app.operations import agent_secrets
from agents_app.probes.results import Finding, Result
from agents_app.schemas import completeness
from agents_app.schemas.agents import API_KEY, CONFIG
from agents_app.wording import label_in_sentence

# A result shows values of servers. One that a server made of a secret that it received is not shown. No other secret is
# hidden: the person who controls the server could guess it. A shorter secret may be an ordinary word: to hide that word
# would show what the secret is.
HIDDEN = "[secret]"
HIDDEN_FROM = 8
# What probes write between and around the names of an agent.
AROUND_NAMES = " .,\"'`[]\\"


@dataclass(frozen=True)
class Subject:
    """What is tested: the fields, the configuration without secrets, and the secrets in clear by JSON pointer."""

    fields: Mapping[str, Any]
    config: Mapping[str, Any]
    secrets: Mapping[str, str]
    unreadable: tuple[str, ...] = ()
    """The JSON pointers of the stored secrets that cannot be decrypted."""
    key_problem: str = ""
    """Which encryption key is wrong or missing, if one is. Then nothing can be saved, so no secret entered again."""

    def secrets_of(self, part: str) -> dict[str, str]:
        """The secrets with which this part is tested, by the names of their fields. No other part gets them."""
        declaration = TYPES[self.fields["connection_type"]]
        names = declaration.used_secret_names(self.config)
        pointers = {name: f"/{CONFIG}/{name}" for name in names} if part == "connection" else {"api_key": API_KEY}
        return {name: self.secrets[pointer] for name, pointer in pointers.items() if pointer in self.secrets}


def refused_parts(subject: Subject) -> dict[str, Result]:
    """The results of the parts that cannot be tested, because a value is missing or cannot be decrypted."""
    kind, agent = subject.fields["connection_type"], {**subject.fields, CONFIG: subject.config}
    labels, sentences = defaultdict(list), defaultdict(list)
    for pointer in subject.unreadable:
        # Without a model provider, no part needs the API key.
        if pointer != API_KEY or agent["model_provider"]:
            labels[_part_of(pointer)].append(label_in_sentence(agent_secrets.label(kind, pointer)))
    for pointer, sentence in completeness.missing(agent, {*subject.secrets, *subject.unreadable}):
        sentences[_part_of(pointer)].append(sentence)
    found: dict[str, list[Finding]] = defaultdict(list)
    for part, names in labels.items():
        code = "encryption_key_missing" if subject.key_problem else "secret_unreadable"
        facts = {"secret": " and the stored ".join(names), "problem": subject.key_problem}
        found[part].append(Finding(code, facts))
    for part, texts in sentences.items():
        found[part].append(Finding("incomplete", {"missing": " ".join(texts)}))
    return {part: Result((), cause, tuple(others)) for part, (cause, *others) in found.items()}


def without_secrets(part: str, result: Result, subject: Subject) -> Result:
    """The result of a part without the secrets that its server got and may have sent back."""
    secrets = [text for text in subject.secrets_of(part).values() if len(text) >= HIDDEN_FROM]
    public = list(_texts([subject.fields, subject.config]))
    # The longest first, because one secret can be a part of another.
    hidden = sorted((text for text in secrets if not _is_public(text, public)), key=len, reverse=True)

    def shown(finding: Finding) -> Finding:
        return Finding(finding.code, _replaced(finding.facts, hidden))

    # Codes, names of steps and outcomes are the console's own words, whatever a secret is.
    return replace(
        result,
        cause=result.cause and shown(result.cause),
        warnings=tuple(map(shown, result.warnings)),
        facts=_replaced(result.facts, hidden),
        statements=tuple(_replaced(result.statements, hidden)),
    )


def _part_of(pointer: str) -> str:
    return "connection" if pointer.startswith(f"/{CONFIG}/") else "model"


def _is_public(secret: str, public: list[str]) -> bool:
    """Whether a secret is also a public value, such as a password that equals the user name. It is hidden nowhere.

    Otherwise a name in an allow list would be a guess: it would be hidden if it is the password.
    """
    name = _as_name(secret)
    is_in_names = len(name) >= HIDDEN_FROM and name in _as_name("".join(public))
    return is_in_names or any(secret in text for text in public)


def _as_name(text: str) -> str:
    """A text without everything that differs between a name in an allow list and the same name in a result."""
    return "".join(char for char in text.casefold() if char.isprintable() and char not in AROUND_NAMES)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for member in [*value, *value.values()] if isinstance(value, Mapping) else value:
            yield from _texts(member)


def _replaced(value: Any, hidden: list[str]) -> Any:
    if isinstance(value, Mapping):
        return {name: _replaced(member, hidden) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(member, hidden) for member in value]
    for text in hidden if isinstance(value, str) else ():
        value = value.replace(text, HIDDEN)
    return value
