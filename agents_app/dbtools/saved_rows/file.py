"""Files of saved rows: a header line, one line of JSON per row, and a last line with the number of rows.

Values are saved without loss: on PostgreSQL as the server's own text, on SQLite as stored.
"""

import base64
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from alembic.util import CommandError

from agents_app.paths import COMMAND

FORMAT = "agent-console rows 1"


@dataclass(frozen=True)
class Header:
    """Describes the rows of a file.

    `column` is None if the whole table was dropped. `key` is the table's primary key. `revision` is the database's
    revision when the rows were saved.
    """

    database: str
    schema: str | None
    table: str
    column: str | None
    columns: list[str]
    key: list[str]
    saved_at: str
    revision: str
    format: str = FORMAT


def write(path: Path, header: Header, rows: Iterable[Sequence[Any]]) -> int:
    """Write a file that only its owner may read, and return the number of rows. On an error no file remains.

    Raises OSError if the file cannot be written.
    """
    part = path.with_suffix(".part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            count = _write_lines(file, header, rows)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return count


def _write_lines(file: TextIO, header: Header, rows: Iterable[Sequence[Any]]) -> int:
    count = 0
    file.write(json.dumps(asdict(header)) + "\n")
    for row in rows:
        file.write(json.dumps([*row], default=_encode_bytes) + "\n")
        count += 1
    file.write(json.dumps({"rows": count}) + "\n")
    return count


def _encode_bytes(value: Any) -> dict[str, str]:
    return {"base64": base64.b64encode(value).decode()}


def read_header(path: Path) -> Header:
    """Read the header. Raises CommandError if this is not a file of saved rows."""
    try:
        with path.open(encoding="utf-8") as file:
            fields = json.loads(file.readline())
        if fields["format"] == FORMAT:
            return Header(**fields)
    except OSError as error:
        raise CommandError(f"Cannot read {path}: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError):
        pass
    raise CommandError(f"{path} is not a file of saved rows. To restore a whole backup: {COMMAND} db restore FILE")


def count_rows(path: Path) -> int:
    """Count the lines of rows. The file is not checked."""
    with path.open("rb") as file:
        return max(0, sum(1 for _ in file) - 2)


def read_rows(path: Path) -> Iterator[list[Any]]:
    """Yield every row. Raises CommandError, at the end, if the file was truncated or changed."""
    count = 0
    with path.open(encoding="utf-8") as file:
        file.readline()
        for line in file:
            parsed = _parse_line(line)
            if isinstance(parsed, dict):
                if parsed == {"rows": count} and not file.readline():
                    return
                break
            count += 1
            yield [base64.b64decode(value["base64"]) if isinstance(value, dict) else value for value in parsed]
    raise CommandError(f"{path} is damaged after {count} rows: it was truncated or changed. Nothing was changed.")


def _parse_line(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return {}
