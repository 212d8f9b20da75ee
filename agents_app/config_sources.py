"""Where the text of a setting is read: the environment, `.env`, and files that settings name. No setting is named here.

`.env` is read here for every command and every server, so that it has the same effect on all of them. Variables that
`flask` itself reads from files, before it loads the console, are removed from the environment again.
"""

import os
import re
import sys
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path

import click
from dotenv import dotenv_values, find_dotenv
from dotenv.parser import Binding, parse_stream
from flask.cli import FlaskGroup
from flask.helpers import get_load_dotenv

from agents_app.config_files import decode_file, reason_of
from agents_app.errors import ConfigurationError
from agents_app.file_errors import is_missing
from agents_app.paths import HOME, HOME_VARIABLE, display_path, home_problem
from agents_app.similar_names import find_name_with_typos, find_similar_name


@dataclass(frozen=True)
class SettingText:
    """The text of a setting, and where it was read: the environment, `.env`, or the file of FLASK_ENV_FILE."""

    value: str = field(repr=False)
    source: str


SettingTexts = dict[str, SettingText]
# Called with the name of an invalid setting, and a sentence.
OnError = Callable[[str, str], object]

# The path of a file whose settings replace those of `.env`, as with `flask -e`.
ENV_FILE = "FLASK_ENV_FILE"
FROM_ENVIRONMENT, FROM_DOTENV, FROM_ENV_FILE = "environment", ".env", f"file of {ENV_FILE}"
# The first variable that `flask` sets, before it reads files.
SET_BY_FLASK = "FLASK_RUN_FROM_CLI"
# The environment when the process was started.
INITIAL_ENVIRONMENT = Path("/proc/self/environ")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
VARIABLE = re.compile(r"\$\{[^}]*\}")
SET_HOME = "It says where .env is: set it in the environment of the command and of the service."
NOT_REPLACED = "${...}, and variables are not replaced. Write the value itself, or put the text in single quotes."


def environment() -> Mapping[str, str]:
    """The environment when the process was started, and the file of `flask -e` as FLASK_ENV_FILE.

    Removes what `flask` read from files, which can be in any parent folder and have their variables replaced.
    """
    context = click.get_current_context(silent=True)
    root = context.find_root() if context else None
    if root is None or not isinstance(root.command, FlaskGroup) or SET_BY_FLASK not in os.environ:
        return os.environ
    chosen = root.command.make_parser(root).parse_args(sys.argv[1:])[0].get("env_file")
    for name in (*_names_set_by_flask(chosen), SET_BY_FLASK):
        del os.environ[name]
    if chosen:
        # The workers of the server read it from the environment.
        os.environ[ENV_FILE] = str(Path(chosen).absolute())
    return os.environ


def _names_set_by_flask(chosen: str | None) -> list[str]:
    # The environment keeps the order in which names were set: `flask` sets SET_BY_FLASK first and then reads files. If
    # this process was started by a `flask` process, SET_BY_FLASK is inherited and the process's own names can follow.
    names = list(os.environ)
    later = names[names.index(SET_BY_FLASK) + 1 :]
    later = [name for name in later if not name.startswith("FLASK_") or name == ENV_FILE]
    try:
        initial = {os.fsdecode(one.partition(b"=")[0]) for one in INITIAL_ENVIRONMENT.read_bytes().split(b"\0")}
    except OSError:
        # Only Linux has this file. A value that differs from the one in the files was not read by `flask`.
        found = _values_of_flask(chosen)
        return [name for name in later if os.environ[name] == found.get(name)]
    return [name for name in later if name not in initial]


def _values_of_flask(chosen: str | None) -> dict[str, str | None]:
    defaults = [find_dotenv(name, usecwd=True) for name in (".flaskenv", ".env")] if get_load_dotenv() else []
    found: dict[str, str | None] = {}
    for path in filter(None, [*defaults, chosen]):
        found |= dotenv_values(path, encoding="utf-8")
    return found


def raise_error(_name: str, sentence: str) -> None:
    """Raise ConfigurationError at the first invalid setting."""
    raise ConfigurationError(sentence)


def read_env_files(
    env_file: Path | None, given: Mapping[str, str], settings: Collection[str], on_error: OnError
) -> SettingTexts:
    """The settings in `.env` and in the file of FLASK_ENV_FILE that the environment does not set.

    Reports names that are similar to a setting's, settings that are set twice, and variables. Raises ConfigurationError
    if a file cannot be read or has an invalid line.
    """
    chosen = given.get(ENV_FILE)
    texts: SettingTexts = {}
    if env_file and (problem := home_problem()):
        raise ConfigurationError(problem)
    if env_file and not is_missing(env_file):
        texts = _read_file(env_file, FROM_DOTENV, given, settings, on_error)
    return texts | _read_file(Path(chosen), FROM_ENV_FILE, given, settings, on_error) if chosen else texts


def report_misspelled_names(
    given: Mapping[str, str], texts: Mapping[str, SettingText], settings: Collection[str], on_error: OnError
) -> None:
    """Report a misspelled name in the environment if the setting with the right name is not set.

    Other programs use the environment too, so fewer names are reported than in `.env`.
    """
    names = _variable_names(settings)
    for name in given.keys() - names:
        meant = find_name_with_typos(name, names)
        if meant and not texts.keys() & {meant, f"{meant}_FILE", meant.removesuffix("_FILE")}:
            on_error(name, f"{name} in the environment is not a setting. Did you mean {meant}?")


def read_text(name: str, texts: Mapping[str, SettingText]) -> SettingText | None:
    """The text of a setting, or of the file that NAME_FILE names. None if neither is set.

    Raises ConfigurationError if both are set, the file cannot be read, or the text is not one line.
    """
    found = texts.get(name)
    path = read_path(f"{name}_FILE", texts)
    if path is None:
        return _clean_text(name, found)
    if found:
        raise ConfigurationError(f"{name} and {name}_FILE are both set. Keep one of them.")
    try:
        text = decode_file(path)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{name}_FILE cannot be read: {reason_of(error)}{_place_of(path)}.") from None
    if not text.strip():
        raise ConfigurationError(f"{name}_FILE names an empty file{_place_of(path)}.")
    return _clean_text(name, SettingText(text, f"{name}_FILE ({texts[f'{name}_FILE'].source})"))


def read_path(name: str, texts: Mapping[str, SettingText]) -> Path | None:
    """The path in a variable such as SECRET_KEY_FILE. None if it is not set. Raises ConfigurationError."""
    found = _clean_text(name, texts.get(name))
    try:
        return HOME / Path(found.value).expanduser() if found else None
    except RuntimeError as error:
        raise ConfigurationError(f"{name} cannot be read: {error}") from None


def _place_of(path: Path) -> str:
    # Empty if it may be no path: a key that was typed in place of the name of its file is not repeated. A name without
    # a folder is below HOME, and a key can begin with "/".
    folders = set(path.parents) - {HOME, *HOME.parents}
    is_path = os.path.lexists(path) or any(map(os.path.isdir, folders))
    return f" ({display_path(path)})" if is_path else ""


def _variable_names(settings: Collection[str]) -> list[str]:
    return [f"{name}{ending}" for name in settings for ending in ("", "_FILE")]


def _read_file(
    file: Path, source: str, given: Mapping[str, str], settings: Collection[str], on_error: OnError
) -> SettingTexts:
    names, texts, lines = _variable_names(settings), SettingTexts(), dict[str, int]()
    for one in _read_bindings(file):
        line, name, value = _line_number(one), one.key or "", one.value or ""
        if name == HOME_VARIABLE:
            on_error(name, f"{name} in {display_path(file)}, line {line}, has no effect. {SET_HOME}")
        if name not in names:
            if meant := find_similar_name(name, names):
                on_error(name, f"{name} in {display_path(file)}, line {line}, is not a setting. Did you mean {meant}?")
            continue
        if given.get(name, "").strip() or not value.strip():
            continue
        is_single_quoted = one.original.string.partition("=")[2].lstrip().startswith("'")
        if VARIABLE.search(value) and not is_single_quoted:
            on_error(name, f"{name} in {display_path(file)}, line {line}, contains {NOT_REPLACED}")
        if name in texts and texts[name].value != value:
            on_error(name, f"{name} is set twice in {display_path(file)}, lines {lines[name]} and {line}. Keep one.")
        texts[name], lines[name] = SettingText(value, source), line
    return texts


def _read_bindings(file: Path) -> Iterator[Binding]:
    try:
        found = list(parse_stream(StringIO(decode_file(file))))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{display_path(file)} cannot be read: {reason_of(error)}.") from None
    for one in found:
        # An invalid line is not skipped: it may be the one with DATABASE_URL.
        if one.error or (one.key and (one.value is None or not NAME.fullmatch(one.key))):
            raise ConfigurationError(
                f"{display_path(file)} has a line that is not NAME=value: line {_line_number(one)}."
            )
        if one.key:
            yield one


def _line_number(one: Binding) -> int:
    # A binding includes the empty lines before it.
    before = one.original.string[: len(one.original.string) - len(one.original.string.lstrip())]
    return one.original.line + len(re.findall(r"\r\n|\n|\r", before))


def _clean_text(name: str, found: SettingText | None) -> SettingText | None:
    value = _clean_value(name, found.value) if found else ""
    return replace(found, value=value) if found and value else None


def _clean_value(name: str, text: str) -> str:
    # Some programs pass the quotes of `.env` on.
    text = re.sub(r",\s*[\r\n]\s*", ",", text.strip())
    text = text[1:-1] if re.fullmatch(r"\"[^\"]*\"|'[^']*'", text) else text
    if re.match(rf"(export\s+)?{name}\s*=", text):
        raise ConfigurationError(f"{name} begins with its own name. Write only the text after {name}=.")
    for character in text:
        category = unicodedata.category(character)
        if category in ("Cc", "Cf", "Zl", "Zp") or (category == "Zs" and character != " "):
            what = "a line break" if character in "\r\n" else f"an invisible character (U+{ord(character):04X})"
            raise ConfigurationError(f"{name} contains {what}. Write it again, on one line.")
        if category == "Cs":
            raise ConfigurationError(f"{name} contains bytes that are not UTF-8.")
    return text
