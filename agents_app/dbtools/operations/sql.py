"""How the operations of this project send SQL to a database, write it to a script, and write it into a file."""

import re
from typing import Any

import sqlalchemy as sa
from alembic.ddl.impl import DefaultImpl
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.operations import Operations
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.util import md5_hex

# Without the driver, whose dialect doubles each %.
DIALECT: Any = PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]
POSTGRESQL: Any = object.__new__(PostgresqlImpl)
PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w)")


def execute(operations: Operations, statement: str) -> None:
    """Send a statement unchanged: a colon in it does not start a parameter."""
    operations.execute(sa.text(statement.strip().replace(":", "\\:")))


def final_name(operations: Operations, name: str) -> str:
    """The name of an index or a constraint in the database: SQLAlchemy cuts one that is too long."""
    longest = operations.migration_context.dialect.max_identifier_length
    return name if len(name) <= longest else f"{name[: longest - 8]}_{md5_hex(name)[-4:]}"


def written_sql(expression: Any, *, is_text: bool = True) -> str:
    """The SQL of an expression of a model, as files contain it: the same on both databases.

    `is_text`: for `sa.text`, in which a colon begins a parameter.
    """
    if not isinstance(expression, sa.ColumnClause | sa.TextClause):
        expression = expression.self_group()
    compiler = DIALECT.statement_compiler(DIALECT, None)
    found: str = compiler.process(expression, literal_binds=True, include_table=False)
    return PARAMETER.sub(r"\:", found) if is_text else found


class SameTextImpl(DefaultImpl):
    """Lets Alembic write expressions in the same way on both databases."""

    __dialect__ = "same_text"

    def render_ddl_sql_expr(self, expr: Any, is_server_default: bool = False, **options: Any) -> str:
        """Alembic calls this for conditions and for keys of indexes, which it writes as `sa.literal_column`."""
        if is_server_default:
            return super().render_ddl_sql_expr(expr, is_server_default, **options)
        return written_sql(expr, is_text=not options.get("is_index"))

    def render_type(self, type_: Any, autogen_context: Any) -> Any:
        """Alembic calls this for each type. It knows those of PostgreSQL only on PostgreSQL."""
        return PostgresqlImpl.render_type(POSTGRESQL, type_, autogen_context)


class SameTextPostgresqlImpl(SameTextImpl, PostgresqlImpl):  # type: ignore[misc]
    """Alembic uses this on PostgreSQL."""

    __dialect__ = "postgresql"
