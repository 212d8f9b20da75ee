"""A whole address that was pasted into one input of an agent's form: its parts go to their inputs.

Its password goes nowhere: the input for it says that it must be typed.
"""

from collections.abc import Mapping
from typing import Any

from werkzeug.datastructures import MultiDict

from agents_app.connections import TYPES, Connection
from agents_app.values.address_rules import advice_on_instance
from agents_app.values.addresses import Parts
from agents_app.values.choices import ConnectionType
from agents_app.values.fields import field_notes

LEFT_OUT = "What else the address said has no field here and was left out."

FormData = MultiDict[str, str]


def split_addresses(
    sent: FormData | None, stored: Mapping[str, Any] | None = None
) -> tuple[FormData | None, list[str]]:
    """What was sent, with whole addresses split into their inputs, and what to say of those of the chosen type.

    What an agent of that type has `stored` already is left as it is.
    """
    if sent is None:
        return None, []
    split_up: FormData = MultiDict(sent.items(multi=True))
    chosen = sent.get("connection_type", "")
    said: dict[str, list[str]] = {kind: _split_one(split_up, kind, stored or {}) for kind in TYPES}
    return split_up, said.get(chosen, [])


def remove_passwords(sent: FormData) -> FormData:
    """What was sent, without what may be a password in addresses that cannot be read."""
    shown: FormData = MultiDict(sent.items(multi=True))
    for kind, declaration in TYPES.items():
        for name, reader in declaration.addresses.items():
            texts = sent.getlist(f"{kind}-{name}")
            cut = [reader.shown(text) for text in texts]
            shown.setlist(f"{kind}-{name}", cut)
            if cut != texts:
                shown[f"{kind}-password-typed"] = "y"
    return shown


def _split_one(sent: FormData, kind: ConnectionType, stored: Mapping[str, Any]) -> list[str]:
    """Split the addresses of one type's panel; answers what to say."""
    declaration = TYPES[kind]
    before = {name: sent.get(f"{kind}-{name}", "") for name in declaration.model_fields}
    pasted = {name: before[name] for name in declaration.addresses if before[name] != stored.get(name)}
    found = {name: parts for name, text in pasted.items() if (parts := declaration.addresses[name].parts(text))}
    after = dict.fromkeys(found, "")
    for parts in found.values():
        after |= parts.values
    for name, text in after.items():
        sent[f"{kind}-{name}"] = text
    if any(parts.has_password for parts in found.values()):
        sent[f"{kind}-password"], sent[f"{kind}-password-act"] = "", "replace"
        sent[f"{kind}-password-typed"] = "y"
    replaced = before | {name: reader.shown(before[name]) for name, reader in declaration.addresses.items()}
    return _sentences(declaration, list(found.values()), replaced | dict.fromkeys(found, "")) if found else []


def _sentences(declaration: type[Connection], found: list[Parts], before: dict[str, str]) -> list[str]:
    values = {name: value for parts in found for name, value in parts.values.items()}
    named = "; ".join(_named(declaration, name, before[name], value) for name, value in values.items())
    said = [f"The address was split into its fields: {named}. Check them and save."]
    said += [sentence for parts in found if (sentence := advice_on_instance(parts).strip())]
    return said + ([LEFT_OUT] if any(parts.has_more for parts in found) else [])


def _named(declaration: type[Connection], name: str, before: str, value: str) -> str:
    labels: dict[str, str] = field_notes(declaration, name).get("labels", {})
    named = f"{declaration.model_fields[name].title} {labels.get(value, value)}"
    return f"{named} (it was {labels.get(before, before)})" if before not in ("", value) else named
