"""The operation with which a step says what must be true of the rows before it."""

from alembic.operations import MigrateOperation, Operations
from alembic.util import CommandError

from agents_app.database.quoting import quote_for_setting, quote_literal
from agents_app.dbtools.operations.sql import execute

INCOMPLETE = "op.require needs a query that finds the rows in the way, and a sentence: op.require('SELECT ...', '...')."
BLOCK = """
DO {quote}
BEGIN
    IF EXISTS ({query}) THEN
        RAISE EXCEPTION USING MESSAGE = {sentence};
    END IF;
END
{quote}
"""
# SQLite has no statement that fails with a given message. A constraint that fails is named in the message.
SQLITE = (
    "CREATE TEMP TABLE required_rows (there integer CONSTRAINT {sentence} CHECK (there = 0))",
    "INSERT INTO required_rows SELECT EXISTS ({query})",
    "DROP TABLE required_rows",
)


class IncompleteRequirement(CommandError):
    """`op.require` was called without a query or without a sentence."""


@Operations.register_operation("require")
class RequireOp(MigrateOperation):
    """Stop the migration if a query finds a row."""

    def __init__(self, query: str, sentence: str) -> None:
        self.query, self.sentence = query, sentence

    @classmethod
    def require(cls, operations: Operations, query: str = "", sentence: str = "") -> None:
        """Stop with `sentence` if `query` finds a row. It changes nothing.

        The query is a SELECT that finds the rows in the way. `flask db plan` and `flask db deploy` run it before
        anything is changed, and the step runs it again.

        Raises IncompleteRequirement if the query or the sentence is empty.
        """
        if not isinstance(query, str) or not isinstance(sentence, str):
            raise IncompleteRequirement(INCOMPLETE)
        letters = [letter if letter.isprintable() else " " for letter in sentence]
        found, text = query.strip().rstrip("; \n\t"), " ".join("".join(letters).split())
        if not found or not text:
            raise IncompleteRequirement(INCOMPLETE)
        operations.invoke(cls(found, text))


@Operations.implementation_for(RequireOp)
def _require(operations: Operations, operation: RequireOp) -> None:
    context = operations.migration_context
    if not context.as_sql:
        # The line break ends a comment at the end of the query.
        query = f"SELECT 1 FROM ({operation.query}\n) AS found_rows LIMIT 1"  # noqa: S608
        found = operations.get_bind().exec_driver_sql(query, execution_options={"no_parameters": True})
        if found.first() is not None:
            raise CommandError(operation.sentence)
    elif context.dialect.name == "postgresql":
        sentence = quote_literal(operation.sentence)
        execute(
            operations, BLOCK.format(quote=_dollar_quote(operation), query=f"{operation.query}\n", sentence=sentence)
        )
    else:
        for statement in SQLITE:
            sentence = quote_for_setting(operation.sentence)
            execute(operations, statement.format(sentence=sentence, query=f"{operation.query}\n"))


def _dollar_quote(operation: RequireOp) -> str:
    number = 0
    while f"$require{number}$" in operation.query + operation.sentence:
        number += 1
    return f"$require{number}$"
