"""Helpers that say what a test of an agent is about, which parts cannot be tested, and hide secrets in the results."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from agents_app.connections import TYPES
from agents_app.operations import agent_secrets
from agents_app.probes.facts import TEXTS_OF_SERVERS
from agents_app.probes.results import Finding, Result
from agents_app.schemas import completeness
from agents_app.schemas.agents import API_KEY, CONFIG
from agents_app.wording import label_in_sentence

HIDDEN = "[secret]"
# A shorter secret may be an ordinary word: to hide that word would show what the secret is.
HIDDEN_FROM = 8


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
    """The result of a part without the secrets that its server got and may have sent back.

    Only `TEXTS_OF_SERVERS` are searched. Other facts and the statements have names that other users of the server can
    choose: if a name were hidden because it is the secret, it would be a guess that is answered.
    """
    secrets = [text for text in subject.secrets_of(part).values() if len(text) >= HIDDEN_FROM]
    public = list(_texts([subject.fields, subject.config]))
    # A secret that is also a public value, such as the name of the model, would show by what is hidden of that value.
    unknown = [secret for secret in secrets if not any(secret in text for text in public)]
    # The longest first, because one secret can be a part of another.
    hidden = sorted(unknown, key=len, reverse=True)

    def shown(finding: Finding) -> Finding:
        return Finding(finding.code, _replaced(finding.facts, hidden))

    return replace(
        result,
        cause=result.cause and shown(result.cause),
        warnings=tuple(map(shown, result.warnings)),
        facts=_replaced(result.facts, hidden),
    )


def _part_of(pointer: str) -> str:
    return "connection" if pointer.startswith(f"/{CONFIG}/") else "model"


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for member in [*value, *value.values()] if isinstance(value, Mapping) else value:
            yield from _texts(member)


def _replaced(facts: Mapping[str, Any], hidden: list[str]) -> dict[str, Any]:
    return {name: _without(value, hidden) if name in TEXTS_OF_SERVERS else value for name, value in facts.items()}


def _without(text: str, hidden: list[str]) -> str:
    for secret in hidden:
        text = text.replace(secret, HIDDEN)
    return text
