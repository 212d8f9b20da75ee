"""Replaces what belongs to the operator or to people in the texts of a bundle: names, addresses, paths and secrets."""

import getpass
import re
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from agents_app import config_sources
from agents_app.config import CHECKS
from agents_app.paths import FILES, HOME, ROOT
from agents_app.similar_names import find_similar_name

# The settings whose values are numbers, switches or one of a few words. All others are replaced wherever they appear.
PLAIN_SETTINGS = frozenset(
    (
        "WORKERS",
        "POOL_SIZE",
        "PROXY_HOPS",
        "SESSION_IDLE",
        "SESSION_MAX",
        "TOKEN_DAYS",
        "DELETED_SECRETS_DAYS",
        "EVENTS_DAYS",
        "API_DOCS_PUBLIC",
        "API_RATE_LIMIT",
        "LOG_LEVEL",
        "LOG_FORMAT",
        "CONNECTION_TESTS",
        "MIGRATION_STATEMENT_TIMEOUT",
        "MIGRATION_LOCK_TIMEOUT",
        "MIGRATION_TRIES",
        "MIGRATION_BATCH",
    )
)
# Words of settings that name nobody. They are also words of our own sentences.
COMMON = frozenset(
    """
    agent agent-console agents application_name backups console console.db connect_timeout database disable example
    false home host http https instance internal ipv4 ipv6 localhost local name none off options password port postgres
    postgresql prefer public require root schema search_path sqlite sslmode sslrootcert srv statement_timeout
    target_session_attrs read-write tmp true user var verify-ca verify-full lib etc run com org net test
    0.0.0.0 127.0.0.1 8000 5432
    """.split()
)
# Variables of the environment that libpq and HTTP clients read.
OTHER_VARIABLES = re.compile(r"PG[A-Z]+|(?i:(?:HTTPS?|ALL|NO)_PROXY)")
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
OUR_NAMES = frozenset((*CHECKS, *(f"{name}_FILE" for name in CHECKS), *PROXY_VARIABLES))
# The members of a check whose values are words of ours.
OF_CHECKS = frozenset(("code", "result"))
SHORTEST = 3
PIECES = re.compile(r"[^\w.+-]+")
PATTERNS = (
    (re.compile(r"-----BEGIN.*?(?:-----END[^-]*-----|\Z)", re.DOTALL), "<key>"),
    (re.compile(r"[^\s@<>\"'(]+@[^\s@<>\"')]+\.[^\s@<>\"')]+"), "<address>"),
    (re.compile(r"\b([a-z][a-z0-9+.-]*)://(?!/|127\.0\.0\.1|localhost)[^\s\"'<>;,]+"), r"\1://<address>"),
    (re.compile(r"(?<![\w.])(?!127\.0\.0\.1|0\.0\.0\.0)\d{1,3}(?:\.\d{1,3}){3}(?![\w.])"), "<ip>"),
    (re.compile(r"(?<![\w:])(?:[0-9a-fA-F]{1,4}:){3,}[0-9a-fA-F:]+"), "<ip>"),
    (re.compile(r"(?<![\w<>.])/(?:[^\s/:,;'\"<>]+/)+[^\s:,;'\"<>]*"), "<path>"),
)


class Mask:
    """Replaces known texts, and everything that looks like an address or a path."""

    def __init__(self, private: Mapping[str, str]) -> None:
        words = sorted((word for word in private if word), key=len, reverse=True)
        self._names = {word.lower(): f"<{private[word]}>" for word in reversed(words)}
        # Only whole words, because a short one is a part of many words. The names of settings are ours: they stay.
        alternatives = "|".join(map(re.escape, sorted((*words, *OUR_NAMES), key=len, reverse=True)))
        self._known = re.compile(rf"(?<![^\W_]){'(?:'}{alternatives})(?![^\W_])", re.IGNORECASE)

    def text(self, text: str) -> str:
        """The text with a label, such as `<DATABASE_URL>`, in place of each private part."""
        masked = self._known.sub(self._label, text)
        for pattern, label in PATTERNS:
            masked = pattern.sub(label, masked)
        return masked

    def data(self, value: Any) -> Any:
        """Lists and dictionaries with every text masked, but not the names of members, nor the code of a check."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            ours = OF_CHECKS if value.keys() >= OF_CHECKS else ()
            return {str(name): part if name in ours else self.data(part) for name, part in value.items()}
        return [self.data(part) for part in value] if isinstance(value, list | tuple) else value

    def _label(self, found: re.Match[str]) -> str:
        return found[0] if found[0] in OUR_NAMES else self._names.get(found[0].lower(), found[0])


def private_texts(environ: Mapping[str, str] | None, env_file: Path) -> dict[str, str]:
    """Every text of settings, of this machine and its user that must not be in a bundle, with a label for each.

    Files of settings are read line by line, so that an invalid line is known too.
    """
    found = _places()
    for name, text in _setting_texts(config_sources.environment() if environ is None else environ, env_file):
        for piece in _pieces(text):
            found.setdefault(piece, name)
    return found


def names_of_server(names: Mapping[str, str]) -> dict[str, str]:
    """The names of roles, databases and schemas of a server that are private, with their labels."""
    return {name: label for name, label in names.items() if _is_private(name) and not name.startswith("pg_")}


def _places() -> dict[str, str]:
    places = {str(HOME): "home", str(FILES): "program", str(ROOT): "program", sys.prefix: "python"}
    with suppress(RuntimeError):
        places[str(Path.home())] = "user's folder"
    with suppress(OSError, KeyError):
        places[getpass.getuser()] = "user"
    host = socket.gethostname()
    return {place: label for place, label in {**places, host: "machine"}.items() if _is_private(place)}


def _setting_texts(given: Mapping[str, str], env_file: Path) -> Iterator[tuple[str, str]]:
    files = [env_file, *([Path(given[config_sources.ENV_FILE])] if given.get(config_sources.ENV_FILE) else [])]
    lines = [line for file in files for line in _read(file).splitlines()]
    pairs = [(name.removeprefix("export ").strip() or ".env", value) for name, _, value in map(_split_line, lines)]
    for name, value in [*pairs, *given.items()]:
        setting = name.removesuffix("_FILE")
        if setting in PLAIN_SETTINGS and setting == name:
            continue
        if setting in CHECKS or find_similar_name(name, CHECKS) or (name, value) in pairs:
            yield setting, value
        elif OTHER_VARIABLES.fullmatch(name) or name == config_sources.ENV_FILE:
            yield name, value
        if name != setting and value.strip():
            yield setting, _read(Path(value.strip().strip("'\"")))


def _split_line(line: str) -> tuple[str, str, str]:
    # A line that is not NAME=value can be the value of a setting on the line before.
    return line.partition("=") if re.match(r"\s*(export\s+)?[\w.-]+\s*=", line) else ("", "", line)


def _read(file: Path) -> str:
    try:
        return (HOME / file).read_text("utf-8", errors="replace")
    except (OSError, ValueError):
        return ""


def _pieces(text: str) -> Iterator[str]:
    """A text, and the parts of the addresses and paths in it."""
    whole = text.strip().strip("'\"")
    pieces = {whole, *PIECES.split(whole)}
    parts = {part for piece in pieces for part in piece.split(".")}
    yield from (piece for piece in pieces | parts if _is_private(piece))


def _is_private(text: str) -> bool:
    return len(text) >= SHORTEST and text.lower() not in COMMON and not text.isdigit()
