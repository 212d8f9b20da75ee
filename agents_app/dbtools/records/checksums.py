"""Whether the files of applied steps are still those that were applied."""

import hashlib
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import sqlalchemy as sa
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from agents_app.dbtools.position import Position
from agents_app.dbtools.records.tables import APPLIED_STEPS, has_records

LINE_END = re.compile(r"\r\n|\r|\n")
WITHOUT_EFFECT = {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER}
# Only their places count, not how far a block is indented.
LAYOUT = {tokenize.NEWLINE: "\n", tokenize.INDENT: "<indent>", tokenize.DEDENT: "<dedent>"}
# Without f: what an f-string calls has an effect.
PLAIN_TEXT = re.compile(r"[rbu]{0,2}['\"]", re.IGNORECASE)


@dataclass(frozen=True)
class ChangedStep:
    """An applied step whose file was changed afterwards, or removed: then `checksum` and `name` are None."""

    revision: str
    name: str | None
    checksum: str | None
    what: str


def file_checksum(path: Path) -> str:
    """The SHA-256 of the code of a file.

    Comments, docstrings, line ends and white space do not count. Each version of Python computes the same.
    """
    return _checksum(path.read_text("utf-8-sig"))


def changed_steps(connection: Connection, script: ScriptDirectory, position: Position) -> Iterator[ChangedStep]:
    """Each applied step whose file was changed or removed afterwards.

    Steps that were applied before checksums were kept are not compared.
    """
    if not has_records(connection):
        return
    kept = sa.select(APPLIED_STEPS.c.revision, APPLIED_STEPS.c.checksum).order_by(APPLIED_STEPS.c.applied_at)
    # The newest row of a revision counts.
    checksums = {row.revision: row.checksum for row in connection.execute(kept)}
    for step in position.steps[: position.applied_count]:
        path = Path(script.get_revision(step.revision).path)
        if checksums.get(step.revision, "") not in ("", found := file_checksum(path)):
            yield ChangedStep(step.revision, step.name, found, f"{path.name} was changed after it was applied")
    if not position.is_ahead:
        for revision in sorted(checksums.keys() - {step.revision for step in position.steps}):
            yield ChangedStep(revision, None, None, "its file is missing")


# A running console reads the same files again and again.
@lru_cache(maxsize=1_000)
def _checksum(text: str) -> str:
    lines = LINE_END.split(text)
    try:
        code = " ".join(_without_docstrings(_tokens("\n".join(lines) + "\n")))
    except (tokenize.TokenError, SyntaxError):
        code = "\n".join(line.rstrip() for line in lines).rstrip()
    return hashlib.sha256(code.encode()).hexdigest()


def _tokens(text: str) -> Iterator[str]:
    lines, depth, start = [f"{line}\n" for line in text.split("\n")], 0, (0, 0)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        # Since Python 3.12 an f-string is several tokens. They are joined again.
        kind = tokenize.tok_name[token.type]
        if kind in ("FSTRING_START", "TSTRING_START"):
            start = start if depth else token.start
            depth += 1
        elif kind in ("FSTRING_END", "TSTRING_END"):
            depth -= 1
            if not depth:
                yield _between(lines, start, token.end)
        elif not depth and token.type not in WITHOUT_EFFECT:
            yield LAYOUT.get(token.type, token.string)


def _between(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    if start[0] == end[0]:
        return lines[start[0] - 1][start[1] : end[1]]
    return "".join([lines[start[0] - 1][start[1] :], *lines[start[0] : end[0] - 1], lines[end[0] - 1][: end[1]]])


def _without_docstrings(tokens: Iterator[str]) -> Iterator[str]:
    # A statement that is only a text does nothing.
    statement: list[str] = []
    for token in tokens:
        if token in ("<indent>", "<dedent>"):
            yield token
            continue
        statement.append(token)
        if token == "\n":
            if not all(map(PLAIN_TEXT.match, statement[:-1])):
                yield from statement
            statement = []
    yield from statement
