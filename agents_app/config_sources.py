"""Where the texts of settings stand: the environment, `.env`, and files that settings name. No setting is here.

`.env` is read here for every command and every server, so that it means the same to all of them. What `flask` reads
from files by itself, before it loads the console, is taken out of the environment again.
"""

import os
import re
import stat
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

from agents_app.errors import ConfigurationError
from agents_app.paths import ROOT
from agents_app.similar_names import is_one_slip_from, looks_like


@dataclass(frozen=True)
class Text:
    """The text of a setting, and where it was read: the environment, `.env`, or the file of FLASK_ENV_FILE."""

    value: str = field(repr=False)
    source: str


Texts = dict[str, Text]
# Called with a name that is wrong, and a sentence.
Refuse = Callable[[str, str], object]

# Names a file whose settings replace those of `.env`; `flask -e` does the same.
ENV_FILE = "FLASK_ENV_FILE"
FROM_ENVIRONMENT, FROM_DOTENV, FROM_ENV_FILE = "environment", ".env", f"file of {ENV_FILE}"
# The first variable that `flask` sets, before it reads files.
SET_BY_FLASK = "FLASK_RUN_FROM_CLI"
# The environment with which the process was started.
STARTED_WITH = Path("/proc/self/environ")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
VARIABLE = re.compile(r"\$\{[^}]*\}")
NOT_REPLACED = "${...}, which is not replaced. Write the value itself, or single quotes around it if it is meant so."
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def environment() -> Mapping[str, str]:
    """The environment as the process was started, and what `flask -e` names. What `flask` read from files is removed.

    It looks for `.env` in the current folder and all above, and replaces variables in what it finds.
    """
    context = click.get_current_context(silent=True)
    root = context.find_root() if context else None
    if root is None or not isinstance(root.command, FlaskGroup) or SET_BY_FLASK not in os.environ:
        return os.environ
    chosen = root.command.make_parser(root).parse_args(sys.argv[1:])[0].get("env_file")
    for name in (*_read_by_flask(chosen), SET_BY_FLASK):
        del os.environ[name]
    if chosen:
        # Workers read it there.
        os.environ[ENV_FILE] = str(Path(chosen).absolute())
    return os.environ


def _read_by_flask(chosen: str | None) -> list[str]:
    # The environment keeps the order in which names were set. What `flask` read stands behind its first variable, but
    # that one may be inherited, from a process of `flask` that started this one: then the process's own names may, too.
    names = list(os.environ)
    behind = names[names.index(SET_BY_FLASK) + 1 :]
    behind = [name for name in behind if not name.startswith("FLASK_") or name == ENV_FILE]
    try:
        own = {os.fsdecode(one.partition(b"=")[0]) for one in STARTED_WITH.read_bytes().split(b"\0")}
    except OSError:
        # Only Linux has it. A value that is not the file's is the process's own.
        found = _files_of_flask(chosen)
        return [name for name in behind if os.environ[name] == found.get(name)]
    return [name for name in behind if name not in own]


def _files_of_flask(chosen: str | None) -> dict[str, str | None]:
    defaults = [find_dotenv(name, usecwd=True) for name in (".flaskenv", ".env")] if get_load_dotenv() else []
    found: dict[str, str | None] = {}
    for path in filter(None, [*defaults, chosen]):
        found |= dotenv_values(path, encoding="utf-8")
    return found


def stop(_name: str, sentence: str) -> None:
    """Refuse at once. Raises ConfigurationError."""
    raise ConfigurationError(sentence)


def stored(env_file: Path | None, given: Mapping[str, str], settings: Collection[str], refuse: Refuse = stop) -> Texts:
    """What `.env` and the file of FLASK_ENV_FILE say, for the settings that the environment does not give.

    Refuses a name that looks like a setting's, one that is set twice, and variables. Raises ConfigurationError where a
    file cannot be read or has an unclear line.
    """
    chosen = given.get(ENV_FILE)
    texts: Texts = {}
    if env_file and not _is_missing(env_file):
        texts = _read(env_file, FROM_DOTENV, given, settings, refuse)
    return texts | _read(Path(chosen), FROM_ENV_FILE, given, settings, refuse) if chosen else texts


def refuse_slips(
    given: Mapping[str, str], texts: Mapping[str, Text], settings: Collection[str], refuse: Refuse = stop
) -> None:
    """Refuse where the environment has a slip of the pen in place of a setting that is not set.

    The environment belongs to other programs too, so this is narrower than what is refused in `.env`.
    """
    names = _names(settings)
    for name in given.keys() - names:
        meant = is_one_slip_from(name, names)
        if meant and not texts.keys() & {meant, f"{meant}_FILE", meant.removesuffix("_FILE")}:
            refuse(name, f"{name} in the environment is no setting. {meant} was probably meant.")


def text_of(name: str, texts: Mapping[str, Text]) -> Text | None:
    """The text of a setting, read from the file that NAME_FILE names where that is set. None where it is not set.

    Raises ConfigurationError where both are set, the file cannot be read, or the text is not one line.
    """
    found = texts.get(name)
    path = path_of(f"{name}_FILE", texts)
    if path is None:
        return _cleaned(name, found)
    if found:
        raise ConfigurationError(f"{name} and {name}_FILE are both set. Keep one of them.")
    try:
        text = _text_of_file(path)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{name}_FILE cannot be read: {_why(error)}.") from None
    if not text.strip():
        raise ConfigurationError(f"{name}_FILE names an empty file.")
    return _cleaned(name, Text(text, f"{name}_FILE ({texts[f'{name}_FILE'].source})"))


def path_of(name: str, texts: Mapping[str, Text]) -> Path | None:
    """The file that a name such as SECRET_KEY_FILE names, if it is set. Raises ConfigurationError."""
    found = _cleaned(name, texts.get(name))
    try:
        return ROOT / Path(found.value).expanduser() if found else None
    except RuntimeError as error:
        raise ConfigurationError(f"{name} cannot be read: {error}") from None


def _names(settings: Collection[str]) -> list[str]:
    return [f"{name}{ending}" for name in settings for ending in ("", "_FILE")]


def _read(file: Path, source: str, given: Mapping[str, str], settings: Collection[str], refuse: Refuse) -> Texts:
    names, texts, lines = _names(settings), Texts(), dict[str, int]()
    for one in _bindings(file):
        line, name, value = _line(one), one.key or "", one.value or ""
        if name not in names:
            if meant := looks_like(name, names):
                refuse(name, f"{name} in {file.name}, line {line}, is no setting. {meant} was probably meant.")
            continue
        if given.get(name, "").strip() or not value.strip():
            continue
        if VARIABLE.search(value) and not _is_literal(one):
            refuse(name, f"{name} in {file.name}, line {line}, holds {NOT_REPLACED}")
        if name in texts and texts[name].value != value:
            refuse(name, f"{name} is set twice in {file.name}, lines {lines[name]} and {line}. Keep one.")
        texts[name], lines[name] = Text(value, source), line
    return texts


def _is_missing(file: Path) -> bool:
    try:
        file.lstat()
    except OSError as error:
        # What else may be wrong is found when it is read.
        return isinstance(error, FileNotFoundError)
    return False


def _bindings(file: Path) -> Iterator[Binding]:
    try:
        found = list(parse_stream(StringIO(_text_of_file(file))))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{file.name} cannot be read: {_why(error)}.") from None
    for one in found:
        # A line that is passed over may be the one that names the database.
        if one.error or (one.key and (one.value is None or not NAME.fullmatch(one.key))):
            raise ConfigurationError(f"{file.name} has a line that is not NAME=value: line {_line(one)}.")
        if one.key:
            yield one


def _line(one: Binding) -> int:
    # It begins with the empty lines before it.
    before = one.original.string[: len(one.original.string) - len(one.original.string.lstrip())]
    return one.original.line + len(re.findall(r"\r\n|\n|\r", before))


def _is_literal(one: Binding) -> bool:
    return one.original.string.partition("=")[2].lstrip().startswith("'")


def _text_of_file(file: Path) -> str:
    mode = file.stat().st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        # Each process reads it again.
        raise ValueError("it is a pipe, which can be read only once")
    # A device such as /dev/null holds nothing.
    data = b"" if stat.S_ISCHR(mode) else file.read_bytes()
    if data.startswith(UTF_16) or b"\0" in data:
        raise ValueError("it is UTF-16. Save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not UTF-8. Save it as UTF-8") from None


def _why(error: Exception) -> str:
    if isinstance(error, FileNotFoundError) and Path(error.filename).is_symlink():
        return "it is a link to a file that does not exist"
    return getattr(error, "strerror", None) or str(error)


def _cleaned(name: str, found: Text | None) -> Text | None:
    value = _clean(name, found.value) if found else ""
    return replace(found, value=value) if found and value else None


def _clean(name: str, text: str) -> str:
    # As in `.env`; some programs hand quotes on.
    text = re.sub(r",\s*[\r\n]\s*", ",", text.strip())
    text = text[1:-1] if re.fullmatch(r"\"[^\"]*\"|'[^']*'", text) else text
    if re.match(rf"(export\s+)?{name}\s*=", text):
        raise ConfigurationError(f"{name} begins with its own name. Write only what stands behind {name}=.")
    for sign in text:
        kind = unicodedata.category(sign)
        if kind in ("Cc", "Cf", "Zl", "Zp") or (kind == "Zs" and sign != " "):
            called = "a line break" if sign in "\r\n" else f"a character that cannot be seen (U+{ord(sign):04X})"
            raise ConfigurationError(f"{name} holds {called}. Write it again, on one line.")
        if kind == "Cs":
            raise ConfigurationError(f"{name} holds bytes that are not UTF-8.")
    return text
