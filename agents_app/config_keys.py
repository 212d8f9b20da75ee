"""The three kinds of key: each is checked by itself and against the others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agents_app.encryption import Keyring, parse_keys
from agents_app.errors import ConfigurationError
from agents_app.weak_keys import check_secret

KEY_CHECKS: dict[str, Callable[[str], Any]] = {
    "SECRET_KEY": check_secret,
    "ENCRYPTION_KEYS": parse_keys,
    "TOKEN_PEPPERS": parse_keys,
}


@dataclass(frozen=True, repr=False)
class Keys:
    """The three kinds of key, checked."""

    secret_key: str
    encryption: Keyring
    peppers: dict[str, bytes]


def keys_of(texts: Mapping[str, str | None]) -> Keys:
    """The keys, or ConfigurationError with one sentence that names the first setting that is wrong."""
    for sentence in wrong_keys(texts).values():
        raise ConfigurationError(sentence)
    given = {name: str(text) for name, text in texts.items()}
    encryption = Keyring(parse_keys(given["ENCRYPTION_KEYS"]))
    return Keys(given["SECRET_KEY"], encryption, parse_keys(given["TOKEN_PEPPERS"]))


def wrong_keys(texts: Mapping[str, str | None]) -> dict[str, str]:
    """Every key setting that is missing or wrong, with a sentence that names it and never repeats its value."""
    wrong: dict[str, str] = {}
    found: dict[str, Any] = {}
    for name, check in KEY_CHECKS.items():
        try:
            text = texts[name]
            if text is None:
                raise ValueError("is not set. `make run` writes one into .env; see .env.example.")
            found[name] = check(text)
        except ValueError as error:
            wrong[name] = f"{name} {error}"
    encryption, peppers = (found.get(name, {}).values() for name in ("ENCRYPTION_KEYS", "TOKEN_PEPPERS"))
    if set(encryption) & set(peppers):
        wrong["TOKEN_PEPPERS"] = "TOKEN_PEPPERS repeats a key of ENCRYPTION_KEYS; each needs its own."
    if "SECRET_KEY" in found and str(texts["SECRET_KEY"]) in f"{texts['ENCRYPTION_KEYS']} {texts['TOKEN_PEPPERS']}":
        wrong["SECRET_KEY"] = "SECRET_KEY repeats a key of another setting; each needs its own."
    return wrong
