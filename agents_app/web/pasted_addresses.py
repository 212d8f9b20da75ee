"""Splits a whole address that was pasted into one input of an agent's form into the inputs for its parts.

A password in it is dropped, and its input asks to type it.
"""

from collections.abc import Mapping
from typing import Any

from werkzeug.datastructures import MultiDict

from agents_app.connections import TYPES, Connection
from agents_app.values.address_rules import advice_on_instance
from agents_app.values.addresses import Parts
from agents_app.values.choices import ConnectionType
from agents_app.values.fields import field_notes
from agents_app.values.model_urls import NOT_SHOWN

LEFT_OUT = "Other parts of the address have no field here and were left out."

FormData = MultiDict[str, str]


def split_addresses(
    sent: FormData | None, stored: Mapping[str, Any] | None = None
) -> tuple[FormData | None, list[str]]:
    """The form data with whole addresses split into their inputs, and sentences about those of the chosen type.

    Values that the agent's connection has `stored` are not split.
    """
    if sent is None:
        return None, []
    result: FormData = MultiDict(sent.items(multi=True))
    sentences: dict[str, list[str]] = {kind: _split_panel(result, kind, stored or {}) for kind in TYPES}
    return result, sentences.get(sent.get("connection_type", ""), [])


def remove_passwords(sent: FormData) -> FormData:
    """The form data without what may be a password in addresses that cannot be read."""
    result: FormData = MultiDict(sent.items(multi=True))
    result.setlist("model_base_url", [NOT_SHOWN.shown(text) for text in sent.getlist("model_base_url")])
    for kind, declaration in TYPES.items():
        for name, reader in declaration.addresses.items():
            texts = sent.getlist(f"{kind}-{name}")
            shown = [reader.shown(text) for text in texts]
            result.setlist(f"{kind}-{name}", shown)
            if shown != texts:
                result[f"{kind}-password-typed"] = "y"
    return result


def _split_panel(sent: FormData, kind: ConnectionType, stored: Mapping[str, Any]) -> list[str]:
    """Split the addresses in the panel of one connection type, in `sent` itself. Returns sentences about them."""
    declaration = TYPES[kind]
    before = {name: sent.get(f"{kind}-{name}", "") for name in declaration.model_fields}
    pasted = {name: before[name] for name in declaration.addresses if before[name] != stored.get(name)}
    found = {name: parts for name, text in pasted.items() if (parts := declaration.addresses[name].parts(text))}
    if not found:
        return []
    after = dict.fromkeys(found, "")
    for parts in found.values():
        after |= parts.values
    for name, text in after.items():
        sent[f"{kind}-{name}"] = text
    if any(parts.has_password for parts in found.values()):
        sent[f"{kind}-password"], sent[f"{kind}-password-act"] = "", "replace"
        sent[f"{kind}-password-typed"] = "y"
    replaced = before | {name: reader.shown(before[name]) for name, reader in declaration.addresses.items()}
    return _sentences(declaration, list(found.values()), replaced | dict.fromkeys(found, ""))


def _sentences(declaration: type[Connection], found: list[Parts], before: dict[str, str]) -> list[str]:
    values = {name: value for parts in found for name, value in parts.values.items()}
    fields = "; ".join(_field_text(declaration, name, before[name], value) for name, value in values.items())
    sentences = [f"The address was split into its fields: {fields}. Check them and save."]
    sentences += [sentence for parts in found if (sentence := advice_on_instance(parts).strip())]
    return sentences + ([LEFT_OUT] if any(parts.has_more for parts in found) else [])


def _field_text(declaration: type[Connection], name: str, before: str, value: str) -> str:
    labels: dict[str, str] = field_notes(declaration, name).get("labels", {})
    text = f"{declaration.model_fields[name].title} {labels.get(value, value)}"
    return f"{text} (it was {labels.get(before, before)})" if before not in ("", value) else text
