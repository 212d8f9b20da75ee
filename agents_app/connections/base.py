"""The base class of a connection type. It holds data only."""

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any, ClassVar

from agents_app.values.address_rules import AddressReader
from agents_app.values.fields import Schema, field_notes, missing_sentence, names_noted


class Connection(Schema):
    """The configuration of a connection. Subclasses declare the fields, in the order of the form."""

    label: ClassVar[str]
    summary: ClassVar[str]
    icon: ClassVar[str]
    """The name of a Lucide icon (https://lucide.dev/icons)."""
    colour: ClassVar[str]
    """The colour of the icon: the name of a class `.tile-…` in `static/app.css`."""
    example: ClassVar[dict[str, Any]]
    """A valid configuration for the API reference and the demo. It must contain no real host and no real secret."""
    groups: ClassVar[dict[str, str]] = {}
    """The headings of the collapsed groups of fields, by the name of the group."""
    title_fields: ClassVar[tuple[str, ...]]
    """The fields that a list shows, the most important first."""
    needed: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """The optional fields that are needed to sign in, by the value of the field `auth_method`. A type without that
    field has them at the key ""."""
    not_tested: ClassVar[tuple[str, ...]] = ()
    """The fields that no test uses: their change leaves the last test valid."""
    new_fields: ClassVar[tuple[str, ...]] = ()
    """The fields that the release before does not know. It refuses to change an agent that is stored with one."""
    statements_language: ClassVar[str] = ""
    """The language of the statements that a test suggests. Empty if they are plain text."""
    addresses: ClassVar[Mapping[str, AddressReader]] = {}
    """The fields in which people paste a whole address, each with its reader."""

    @classmethod
    def secret_names(cls) -> list[str]:
        """The fields whose values are encrypted and never shown."""
        return list(names_noted(cls, "secret"))

    @classmethod
    def used_secret_names(cls, config: Mapping[str, Any]) -> list[str]:
        """The secrets with which this configuration signs in. One of another way to sign in stays stored."""
        choices = {name: field_notes(cls, name).get("only_for") for name in cls.secret_names()}
        return [name for name, choice in choices.items() if choice is None or config.get(choice[0]) == choice[1]]

    @classmethod
    def destination_names(cls) -> list[str]:
        """The fields that say where the secrets are sent."""
        return list(names_noted(cls, "destination"))

    @classmethod
    def missing(cls, config: Mapping[str, Any], set_secrets: Collection[str]) -> list[tuple[str, str]]:
        """What a stored configuration lacks to sign in, as (name of the field, sentence).

        `config` has no secrets, and `set_secrets` the names of those that are set.
        """
        needed = cls.needed.get(str(config.get("auth_method", "")), ())
        lacking = [name for name in needed if not config.get(name) and name not in set_secrets]
        return [(name, missing_sentence(cls, name)) for name in lacking]

    @classmethod
    def probe_name(cls, config: Mapping[str, Any]) -> str:  # noqa: ARG003 - types with several probes read it
        """The name of the probe that tests this configuration, which is the name of its folder in `probes/`."""
        return cls.__module__.rpartition(".")[2]

    @classmethod
    def dependent_defaults(cls, config: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG003 - subclasses read it
        """What an empty field gets where that depends on another field of this configuration."""
        return {}

    def expires_on(self) -> date | None:
        """The day on which the credential expires. None if the type has no such day."""
        return None
