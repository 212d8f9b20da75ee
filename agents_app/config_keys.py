"""The settings with keys: what each must be, and that no two settings share a key."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agents_app.encryption import Keyring, parse_keys
from agents_app.errors import ConfigurationError
from agents_app.paths import COMMAND, FILES, HOME, display_path
from agents_app.weak_keys import check_secret

KEY_CHECKS: dict[str, Callable[[str], Any]] = {
    "SECRET_KEY": check_secret,
    "ENCRYPTION_KEYS": parse_keys,
    "TOKEN_PEPPERS": parse_keys,
}


@dataclass(frozen=True, repr=False)
class Keys:
    """The checked keys."""

    secret_key: str
    encryption: Keyring
    peppers: dict[str, bytes]


def load_keys(texts: Mapping[str, str | None]) -> Keys:
    """The keys. Raises ConfigurationError with a sentence that names the first invalid setting."""
    for sentence in key_errors(texts).values():
        raise ConfigurationError(sentence)
    given = {name: str(text) for name, text in texts.items()}
    encryption = Keyring(parse_keys(given["ENCRYPTION_KEYS"]))
    return Keys(given["SECRET_KEY"], encryption, parse_keys(given["TOKEN_PEPPERS"]))


def key_errors(texts: Mapping[str, str | None]) -> dict[str, str]:
    """A sentence for each key setting that is missing or invalid. It names the setting and never repeats the value."""
    errors: dict[str, str] = {}
    found: dict[str, Any] = {}
    for name, check in KEY_CHECKS.items():
        try:
            text = texts[name]
            if text is None:
                env_file, example = display_path(HOME / ".env"), display_path(FILES / ".env.example")
                raise ValueError(f"is not set. `{COMMAND} prepare` writes one into {env_file}; see {example}.")
            found[name] = check(text)
        except ValueError as error:
            errors[name] = f"{name} {error}"
    encryption, peppers = (found.get(name, {}).values() for name in ("ENCRYPTION_KEYS", "TOKEN_PEPPERS"))
    if set(encryption) & set(peppers):
        errors["TOKEN_PEPPERS"] = "TOKEN_PEPPERS has a key of ENCRYPTION_KEYS. Each setting needs keys of its own."
    if "SECRET_KEY" in found and str(texts["SECRET_KEY"]) in f"{texts['ENCRYPTION_KEYS']} {texts['TOKEN_PEPPERS']}":
        errors["SECRET_KEY"] = "SECRET_KEY is also a key of another setting. Each setting needs keys of its own."
    return errors
