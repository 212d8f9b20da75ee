"""Files of saved rows: a first line that says what they are, a line of JSON for each row, a last line that counts them.

On PostgreSQL every value is the database's own text, on SQLite it is what the file holds, so that no type is lost.
"""

import base64
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from alembic.util import CommandError

FORMAT = "agent-console rows 1"


@dataclass(frozen=True)
class Head:
    """What a file holds. `column` is None where the whole table was dropped; `key` is the table's primary key.

    `revision` is where the database was.
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


def write(path: Path, head: Head, rows: Iterable[Sequence[Any]]) -> int:
    """Write a file that only its owner may read, whole or not at all; answers how many rows it holds.

    Raises OSError where it cannot be written.
    """
    part = path.with_suffix(".part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            count = _write(file, head, rows)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return count


def _write(file: TextIO, head: Head, rows: Iterable[Sequence[Any]]) -> int:
    count = 0
    file.write(json.dumps(asdict(head)) + "\n")
    for row in rows:
        file.write(json.dumps([*row], default=_bytes) + "\n")
        count += 1
    file.write(json.dumps({"rows": count}) + "\n")
    return count


def _bytes(value: Any) -> dict[str, str]:
    return {"base64": base64.b64encode(value).decode()}


def read_head(path: Path) -> Head:
    """What the file holds. Raises CommandError where it is no such file."""
    try:
        with path.open(encoding="utf-8") as file:
            found = json.loads(file.readline())
        if found["format"] == FORMAT:
            return Head(**found)
    except OSError as error:
        raise CommandError(f"Cannot read {path}: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError):
        pass
    raise CommandError(f"{path} is no file of saved rows. A whole backup comes back with: flask db restore FILE")


def count_rows(path: Path) -> int:
    """How many rows a file seems to hold; whether it does, shows when they are read."""
    with path.open("rb") as file:
        return max(0, sum(1 for _ in file) - 2)


def read_rows(path: Path) -> Iterator[list[Any]]:
    """Every row. Raises CommandError, at the end, where the file was cut short or changed."""
    count = 0
    with path.open(encoding="utf-8") as file:
        file.readline()
        for line in file:
            found = _read(line)
            if isinstance(found, dict):
                if found == {"rows": count} and not file.readline():
                    return
                break
            count += 1
            yield [_value(value) for value in found]
    raise CommandError(f"{path} is damaged after {count} rows: it was cut short or changed. Nothing was changed.")


def _read(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return {}


def _value(value: Any) -> Any:
    return base64.b64decode(value["base64"]) if isinstance(value, dict) else value
