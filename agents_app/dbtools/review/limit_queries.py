"""The queries that find the rows beyond a limit, and what is said about them."""

# ruff: noqa: S608 - Names are quoted, and conditions are those of the migrations.

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from agents_app.database.quoting import quote_literal
from agents_app.dbtools.review import catalog
from agents_app.dbtools.review.catalog import quote, quote_table
from agents_app.dbtools.review.facts import DatabaseFacts
from agents_app.dbtools.review.sql_rows import tables_read
from agents_app.paths import COMMAND

NOT_NULL = re.compile(r'\(*\s*"?(\w+)"?\s+IS\s+NOT\s+NULL\s*\)*', re.IGNORECASE)
# The plan writes the revision of the step here.
THIS_STEP = "THIS_STEP"
STEP_BEFORE = f"put a step that does so before this one: {COMMAND} db revision -m NAME --before {THIS_STEP}"
CORRECT = f"Correct these rows, or {STEP_BEFORE}"


@dataclass(frozen=True)
class RowLimit:
    """A limit on rows that exist. `query` lists the rows beyond it, and `count_query` counts them.

    `tables` are those that the query reads, first the one whose rows it lists; if they are not known, it may read any
    table (`reads_any_table`). `columns` are names of the first table, and `condition` is SQL that may name others.
    `verb` and `rest` say what is wrong with the rows, as "have" and "no value in purpose"; if `verb` is "", `rest` is
    a sentence of its own. `not_counted` says why no query can count the rows. `added_as` is the name of a constraint
    that looks at the rows only when it is validated. `is_missing`: the rows have no value. `is_query`: `query` is one
    of the step, in which each row of its tables can matter. `is_loss`: the step refuses no such row, but
    changes its value.
    """

    tables: tuple[str, ...]
    columns: tuple[str, ...]
    condition: str
    verb: str
    rest: str
    why: str
    do: str
    query: str
    count_query: str
    added_as: str | None = None
    reads_any_table: bool = False
    not_counted: str | None = None
    is_missing: bool = False
    is_query: bool = False
    is_loss: bool = False

    def names(self, table: str, column: str) -> bool:
        """Whether the limit depends on a column of one of its tables."""
        if table in self.tables[:1] and column.casefold() in map(str.casefold, self.columns):
            return True
        # The condition of a foreign key is the columns to which it refers.
        is_about = self.is_query or len(self.tables) == 1 or table in self.tables[1:]
        return is_about and is_named(self.condition, column)


def missing_values(facts: DatabaseFacts, table: str, column: str) -> RowLimit:
    """Rows without a value in a column."""
    query = f"SELECT * FROM {quote_table(facts, table)} WHERE {quote(facts, column)} IS NULL"
    fill = STEP_BEFORE.replace("NAME", shlex.quote(f"fill_{table}_{column}"))
    do = f"Give each of these rows a value in {column}, or {fill}"
    rest, why = f"no value in {column}", "NOT NULL is refused"
    return RowLimit((table,), (column,), "", "have", rest, why, do, query, _count(query), is_missing=True)


def rows_for_new_column(facts: DatabaseFacts, table: str, column: str) -> RowLimit:
    """Rows of a table that gets a column which needs a value and has no default."""
    do = f"Add {column} with a server_default, or without NOT NULL: then fill it, and set NOT NULL in a later step."
    query = f"SELECT * FROM {quote_table(facts, table)}"
    return RowLimit(
        (table,),
        (),
        "",
        "have",
        f"no value for the new column {column}",
        "NOT NULL is refused",
        do,
        query,
        _count(query),
    )


def duplicates(
    table: str,
    names: Sequence[str],
    values: Sequence[str],
    rule: str,
    condition: str | None,
    *,
    nulls_are_equal: bool,
    facts: DatabaseFacts,
) -> RowLimit:
    """Rows that share their values. Those with a NULL among them do not, unless `nulls_are_equal`."""
    listed = ", ".join(values)
    limits = [] if nulls_are_equal else [f"{value} IS NOT NULL" for value in values]
    limits += [f"({condition})"] if condition else []
    where = f" WHERE {' AND '.join(limits)}" if limits else ""
    grouped = f"FROM {quote_table(facts, table)}{where} GROUP BY {listed} HAVING count(*) > 1"
    query = f"SELECT {listed}, count(*) AS row_count {grouped}"
    count = f"SELECT coalesce(sum(row_count), 0) FROM (SELECT count(*) AS row_count {grouped}) AS found"
    among = " ".join((*values, condition or ""))
    rest = f"their value of {listed} with another row"
    do = "Keep one row of each, or give the others another value."
    return RowLimit((table,), tuple(names), among, "share", rest, f"{rule} is refused", do, query, count)


def against_check(facts: DatabaseFacts, table: str, condition: str, name: str, *, is_later: bool = False) -> RowLimit:
    """Rows for which a condition is false. A condition that is NULL accepts the row."""
    query = f"SELECT * FROM {quote_table(facts, table)} WHERE NOT ({condition})"
    rest = f"the condition {condition}"
    why = f"the CHECK {name}".rstrip() + " is refused"
    added = name if is_later else None
    required = NOT_NULL.fullmatch(condition.strip())
    columns = (required[1],) if required else ()
    count, is_missing = _count(query), required is not None
    return RowLimit(
        (table,), columns, condition, "break", rest, why, CORRECT, query, count, added, is_missing=is_missing
    )


def orphans(
    facts: DatabaseFacts,
    table: str,
    referent: str,
    pairs: Sequence[tuple[str, str]],
    name: str,
    *,
    is_later: bool = False,
    is_full: bool = False,
) -> RowLimit:
    """Rows that refer to a row which is not there. `pairs` are a column and the one that it refers to.

    `is_full`: MATCH FULL, which also refuses rows of which only some of these columns are NULL.
    """
    columns = tuple(str(column) for column, _ in pairs)
    given = [f"referring.{quote(facts, column)} IS NOT NULL" for column in columns]
    equal = " AND ".join(f"referred.{quote(facts, there)} = referring.{quote(facts, here)}" for here, there in pairs)
    missing = f"NOT EXISTS (SELECT 1 FROM {quote_table(facts, referent)} AS referred WHERE {equal})"
    where = " AND ".join((*given, missing))
    if is_full:
        some = " OR ".join(given)
        where = f"({some}) AND NOT ({' AND '.join(given)} AND {missing.removeprefix('NOT ')})"
    query = f"SELECT * FROM {quote_table(facts, table)} AS referring WHERE {where}"
    rest = f"to a row of {referent} that is not there, in {', '.join(columns)}"
    why = f"the FOREIGN KEY {name}".rstrip() + " is refused"
    do = f"Delete these rows, or let them refer to a row of {referent}."
    added, among = name if is_later else None, " ".join(there for _, there in pairs)
    return RowLimit((table, referent), columns, among, "refer", rest, why, do, query, _count(query), added)


def rows_with_label(facts: DatabaseFacts, table: str, column: str, enum: str, label: str) -> RowLimit:
    """Rows that hold a label of an enum."""
    text = f"CAST({quote(facts, column)} AS text)"
    query = f"SELECT * FROM {quote_table(facts, table)} WHERE {text} = {quote_literal(label)}"
    rest = f"{label} in {column}"
    why = f"the label cannot be removed from {enum}"
    return RowLimit((table,), (column,), "", "hold", rest, why, CORRECT, query, _count(query))


def beyond_type(facts: DatabaseFacts, table: str, column: str, condition: str, kind: str) -> RowLimit:
    """Rows whose value a new type cannot hold: those that meet the condition."""
    query = f"SELECT * FROM {quote_table(facts, table)} WHERE {condition}"
    rest = f"a value in {column} that {kind} cannot hold"
    return RowLimit((table,), (column,), "", "have", rest, "the new type is refused", CORRECT, query, _count(query))


def losing_values(facts: DatabaseFacts, table: str, column: str, condition: str, kind: str) -> RowLimit:
    """Rows whose value a new type cuts off or rounds without a word: those that meet the condition."""
    query = f"SELECT * FROM {quote_table(facts, table)} WHERE {condition}"
    rest = f"a value in {column} that {kind} cuts off, rounds or changes"
    why = "the values that they have now are lost"
    return RowLimit((table,), (column,), "", "have", rest, why, CORRECT, query, _count(query), is_loss=True)


def uncounted(facts: DatabaseFacts, table: str, verb: str, rest: str, reason: str) -> RowLimit:
    """Rows that are not counted, for this reason."""
    query = f"SELECT * FROM {quote_table(facts, table)}"
    why = "the step fails on such a row"
    do = f"Try the step on a copy: {COMMAND} db rehearse"
    return RowLimit((table,), (), "", verb, rest, why, do, query, "", not_counted=reason)


def of_query(query: str, sentence: str, facts: DatabaseFacts) -> RowLimit:
    """The rows that `op.require` finds."""
    why = "op.require refuses the step"
    read = tables_read(query, facts.dialect)
    tables = tuple(dict.fromkeys(facts.qualified(name, schema) for name, schema in read or ()))
    # What a view reads is not known.
    any_table = read is None or any(catalog.is_view(facts, table) for table in tables)
    return RowLimit(
        tables, (), query, "", sentence, why, CORRECT, query, _count(query), reads_any_table=any_table, is_query=True
    )


def is_named(text: str, name: str) -> bool:
    """Whether a text of SQL contains a name."""
    return re.search(rf"(?<![\w]){re.escape(name)}(?![\w])", text, re.IGNORECASE) is not None


def _count(query: str) -> str:
    # The line break ends a comment at the end of the query.
    return f"SELECT count(*) FROM ({query}\n) AS found"
