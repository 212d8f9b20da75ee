"""Searches: whether they use an index, and for which words."""

from collections.abc import Iterator
from functools import partial

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app.database.quoting import quote_if_needed
from agents_app.dbtools.database import trigrams
from agents_app.dbtools.database.schema import current_schema, grant_sql, quote_with_schema
from agents_app.doctor.check import Check, ok, warning
from agents_app.operations.agent_search import HAS_INDEX, INDEX
from agents_app.paths import COMMAND

CODE = "database.search"
SLOW = "Searches read every text, because {why}. In an account with many agents they take long."
IS_VALID = sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
CREATE = f"CREATE INDEX CONCURRENTLY {INDEX} ON {{table}} USING gin (search_text {{operator_class}})"
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
ASCII_UNKNOWN = (
    "Searches use an index. Whether it has words with other letters than those of ASCII is not known, because"
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
    else:
        yield _check_on_postgresql(connection)


def _check_on_postgresql(connection: Connection) -> Check:
    operator_class, unusable = trigrams.operator_class(connection), trigrams.unusable_schema(connection)
    is_valid = connection.scalar(IS_VALID, {"name": INDEX})
    create = partial(CREATE.format, table=quote_with_schema(connection, "agents"), operator_class=operator_class)
    if operator_class is None:
        schema = quote_if_needed(current_schema(connection))
        extension = f"CREATE EXTENSION {quote_if_needed(trigrams.EXTENSION)} SCHEMA {schema}"
        do = f"Let an administrator run: {extension}. Then run: {create(operator_class=f'{schema}.gin_trgm_ops')}"
        return warning(CODE, SLOW.format(why=f"the database lacks the extension {trigrams.EXTENSION}"), do)
    if unusable is not None:
        why = trigrams.UNUSABLE.format(schema=unusable)
        grant = f"Let an administrator run: {grant_sql(connection, 'USAGE', unusable)}"
        if is_valid:
            return warning(CODE, f"{ASCII_UNKNOWN} {why}.", grant)
        return warning(CODE, SLOW.format(why=why), f"{grant} Then run: {create()}")
    if not is_valid:
        drop = f"DROP INDEX CONCURRENTLY IF EXISTS {quote_with_schema(connection, INDEX)}"
        return warning(CODE, SLOW.format(why="their index is not complete"), f"Run: {drop}. Then run: {create()}")
    if not _has_other_letters(connection, operator_class):
        return warning(CODE, ONLY_ASCII, MOVE)
    return ok(CODE, "Searches use an index for words of three letters and more.")


def _has_other_letters(connection: Connection, operator_class: str) -> bool:
    function = operator_class.replace("gin_trgm_ops", "show_trgm")
    return bool(connection.scalar(sa.text(f"SELECT cardinality({function}(:text))"), {"text": OTHER_LETTERS}))
