"""Reads and changes the CREATE statements that SQLite keeps as text: the CHECKs of a table, the parts of an index."""

import re
from collections.abc import Iterator, Mapping

from agents_app.database.quoting import quote_for_setting

# A text, a quoted name, a comment, a word, or one other character.
TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/|\w+|.""", re.DOTALL)
QUOTES = {'"': '"', "`": "`", "[": "]"}


def named_checks(sql: str) -> Iterator[tuple[str, str]]:
    """The name and the condition of each named CHECK of a CREATE TABLE."""
    tokens = [token for token in TOKEN.finditer(sql) if not token[0].isspace() and not _is_comment(token[0])]
    for at in range(2, len(tokens) - 1):
        words = (tokens[at - 2][0].upper(), tokens[at][0].upper(), tokens[at + 1][0])
        if words == ("CONSTRAINT", "CHECK", "("):
            inside = _inside(tokens[at + 1 :])
            yield _name(tokens[at - 1][0]), sql[inside[0] : inside[1]].strip()


def index_parts(sql: str) -> tuple[list[str], str | None]:
    """The key expressions of a CREATE INDEX, each with its order, and its condition."""
    tokens = [token for token in TOKEN.finditer(sql) if not _is_comment(token[0])]
    start = next(number for number, token in enumerate(tokens) if token[0] == "(")
    begin, end = _inside(tokens[start:])
    rest = re.match(r"\)\s*where\b(.*)", sql[end:], re.IGNORECASE | re.DOTALL)
    return list(_split(sql[begin:end])), rest[1].strip() if rest else None


def column_names(sql: str) -> set[str]:
    """Every name in the keys and condition of a CREATE INDEX, in lower case: those of its columns are among them."""
    return {_name(token[0]).lower() for token in _names_in_index(sql)}


def rename_columns(sql: str, names: Mapping[str, str]) -> str:
    """A CREATE INDEX with other names of its columns. `names` has the new name of each old one, in lower case."""
    for token in reversed(list(_names_in_index(sql))):
        if (name := names.get(_name(token[0]).lower())) is not None:
            sql = f"{sql[: token.start()]}{quote_for_setting(name)}{sql[token.end() :]}"
    return sql


def _names_in_index(sql: str) -> Iterator[re.Match[str]]:
    tokens = [token for token in TOKEN.finditer(sql) if not token[0].isspace() and not _is_comment(token[0])]
    start = next(number for number, token in enumerate(tokens) if token[0] == "(")
    following = [*(token[0] for token in tokens[start + 1 :]), ""]
    for token, after in zip(tokens[start:], following, strict=True):
        is_name = token[0][0] in QUOTES or token[0][0] == "_" or token[0][0].isalpha()
        if is_name and after != "(":
            yield token


def _inside(tokens: list[re.Match[str]]) -> tuple[int, int]:
    # The positions after the first parenthesis and before the one that closes it.
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if not depth:
            return tokens[0].end(), token.start()
    return tokens[0].end(), tokens[-1].end()


def _split(text: str) -> Iterator[str]:
    depth, begin = 0, 0
    for token in TOKEN.finditer(text):
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if token[0] == "," and not depth:
            yield text[begin : token.start()].strip()
            begin = token.end()
    yield text[begin:].strip()


def _name(token: str) -> str:
    end = QUOTES.get(token[0])
    return token[1:-1].replace(end * 2, end) if end else token


def _is_comment(token: str) -> bool:
    return token.startswith(("--", "/*"))
