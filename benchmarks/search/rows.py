"""The agents that are searched: one account, the same rows on both databases."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import md5
from io import StringIO
from itertools import islice
from typing import Any

import sqlalchemy as sa

from agents_app.database.url import parse_url
from tests.dbtools.tools import create_engine

COLUMNS = (
    *("id", "name", "status", "connection_type", "connection_config", "account_id", "created_at", "updated_at"),
    *("name_key", "search_text", "examined_version"),
)
PLACES = ", ".join(f":{name}" for name in COLUMNS)
INSERT = sa.text(f"INSERT INTO agents ({', '.join(COLUMNS)}) VALUES ({PLACES})")
COPY = f"COPY agents ({', '.join(COLUMNS)}) FROM STDIN"
SYLLABLES = ("ka", "ro", "mi", "ten", "sal", "ver", "bo", "lin", "dra", "pes", "or", "nu")
WORDS = [a + b + c for a in SYLLABLES for b in SYLLABLES for c in ("", "t", "ma")]
WORDS += ["продажи", "отчёт", "東京都", "売上高", "ελληνικα", "मुंबई", "تقرير"]
BATCH = 10_000
# One of so many agents has the word.
EVERY = {"zyxwvut": 200_000, "大阪支店": 200_000, "владивосток": 200_000, "middling": 500, "sales": 1}
START = datetime(2026, 1, 1, tzinfo=UTC)


def fill(url: str, account_id: uuid.UUID, rows: int) -> None:
    """Insert so many agents."""
    engine, found = create_engine(url), _rows(account_id, rows)
    with engine.begin() as connection:
        while batch := list(islice(found, BATCH)):
            if parse_url(url).get_backend_name() == "sqlite":
                connection.execute(INSERT, batch)
            else:
                _copy(connection, batch)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("VACUUM ANALYZE agents")


def _copy(connection: sa.Connection, batch: list[dict[str, str]]) -> None:
    lines = ("\t".join(row[name].replace("\n", "\\n") for name in COLUMNS) for row in batch)
    cursor: Any = connection.connection.cursor()
    cursor.copy_expert(COPY, StringIO("\n".join(lines) + "\n"))


def _rows(account_id: uuid.UUID, rows: int) -> Iterator[dict[str, str]]:
    for number in range(rows):
        chance = int.from_bytes(md5(b"%d" % number, usedforsecurity=False).digest())
        words = [WORDS[(chance >> 9 * place) % len(WORDS)] for place in range(12)]
        words += [word for word, every in EVERY.items() if number % every == every // 2]
        name, made_at = f"{words[0]} {words[1]} {number}", str((START - timedelta(minutes=number)).replace(tzinfo=None))
        yield {
            "id": f"{chance:032x}",
            "name": name,
            "status": "disabled" if number % 10 == 0 else "active",
            "connection_type": "DB",
            "connection_config": "{}",
            "account_id": account_id.hex,
            "created_at": made_at,
            "updated_at": made_at,
            "name_key": name,
            "search_text": f"\n{name}\n{' '.join(words[2:])}\next-{number}\nhost{number % 50}.example.com",
            # As the console has looked at each of them.
            "examined_version": "1",
        }
