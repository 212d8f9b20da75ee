"""Searches: whether they use an index, and for which words."""

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app.database.quoting import quote_if_needed
from agents_app.dbtools.database import trigrams
from agents_app.doctor.check import Check, ok, warning
from agents_app.operations.agent_search import HAS_INDEX, INDEX
from agents_app.paths import COMMAND

CODE = "database.search"
SLOW = "Searches read every text, because {why}. In an account with many agents they take long."
IS_VALID = sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
CREATE = f"CREATE INDEX CONCURRENTLY {INDEX} ON agents USING gin (search_text {{operator_class}})"
ON_SQLITE = (
    f"Use a Python whose SQLite has FTS5. Then make the index again, while the console is stopped: {COMMAND} db "
    + f"downgrade {{before}}, then {COMMAND} db upgrade"
)
# The step before the one that makes the index.
BEFORE = "d4a92b7c1e05"
# In a database with the character type C, a letter that is not of ASCII is no letter to PostgreSQL.
OTHER_LETTERS = "продажи"
ONLY_ASCII = (
    "Searches for words with other letters than those of ASCII read every text, because the database has the character "
    + "type C."
)
MOVE = (
    "To have the index for all letters, move to a database with another character type: CREATE DATABASE console "
    + f"TEMPLATE template0 LOCALE 'C.UTF-8'; then {COMMAND} db copy"
)


def checks(connection: Connection) -> Iterator[Check]:
    """Check that searches use the index. The steps of this release are applied."""
    if connection.dialect.name != "postgresql":
        if connection.scalar(HAS_INDEX):
            yield ok(CODE, "Searches use an index for words of three letters and more.")
        else:
            yield warning(CODE, SLOW.format(why="their index is not complete"), ON_SQLITE.format(before=BEFORE))
        return
    operator_class = trigrams.operator_class(connection)
    if operator_class is None:
        schema = quote_if_needed(_schema(connection))
        extension = f"CREATE EXTENSION {quote_if_needed(trigrams.EXTENSION)} SCHEMA {schema}"
        own = f"{schema}.gin_trgm_ops"
        do = f"Let an administrator run: {extension}. Then run: {CREATE.format(operator_class=own)}"
        yield warning(CODE, SLOW.format(why=f"the database lacks the extension {trigrams.EXTENSION}"), do)
    elif not connection.scalar(IS_VALID, {"name": INDEX}):
        do = f"Run: DROP INDEX CONCURRENTLY IF EXISTS {INDEX}. Then run: {CREATE.format(operator_class=operator_class)}"
        yield warning(CODE, SLOW.format(why="their index is not complete"), do)
    elif not _has_other_letters(connection, operator_class):
        yield warning(CODE, ONLY_ASCII, MOVE)
    else:
        yield ok(CODE, "Searches use an index for words of three letters and more.")


def _schema(connection: Connection) -> str:
    return str(connection.scalar(sa.text("SELECT current_schema()")))


def _has_other_letters(connection: Connection, operator_class: str) -> bool:
    function = operator_class.replace("gin_trgm_ops", "show_trgm")
    return bool(connection.scalar(sa.text(f"SELECT cardinality({function}(:text))"), {"text": OTHER_LETTERS}))
