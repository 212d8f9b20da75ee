"""What plain SQL does and no operation of `op` does. A migration never runs these: only the rules read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Flag, auto
from typing import Any

from alembic.operations import MigrateOperation
from sqlalchemy.types import UserDefinedType


class Mark(Flag):
    """How a step runs an operation."""

    NONE = 0
    # Outside the transaction of the step.
    IN_AUTOCOMMIT = auto()
    FROM_SQL = auto()
    # In a DO block, whose variables are not known.
    IN_BLOCK = auto()
    # Sent together with other statements.
    WITH_OTHERS = auto()
    # With CASCADE, or together with others that may be what depends on it.
    CASCADES = auto()
    # ALTER TABLE IF EXISTS and the like.
    IF_EXISTS = auto()
    # A constraint in the definition of a new column.
    OF_COLUMN = auto()
    # In a batch of Alembic that makes a new table on SQLite.
    REBUILDS = auto()


def add_mark(operation: MigrateOperation, mark: Mark) -> None:
    """Mark an operation."""
    vars(operation)["review_mark"] = marks_of(operation) | mark


def marks_of(operation: MigrateOperation) -> Mark:
    """The marks of an operation."""
    found: Mark = getattr(operation, "review_mark", Mark.NONE)
    return found


class ReviewOperation(MigrateOperation):
    """An operation that only the rules read."""

    def __init__(self, table_name: str | None = None, schema: str | None = None, **facts: Any) -> None:
        self.table_name, self.schema = table_name, schema
        vars(self).update(facts)


class TouchTableOp(ReviewOperation):
    """A harmless change of a table, or of rows that it did not have, or of the name of a constraint or index."""


class CreateViewOp(ReviewOperation):
    """CREATE VIEW. `replaces`: a view of this name is replaced, or kept."""

    replaces: bool


class CreateObjectOp(ReviewOperation):
    """CREATE of an object that is no table, view, index or type, such as a function."""


class CallFunctionOp(ReviewOperation):
    """A call of a function. `may_be_keyword`: the name may be a word of SQL, as that in `IN (...)`."""

    name: str
    may_be_keyword: bool = False


class ChangeRowsOp(ReviewOperation):
    """An UPDATE, DELETE or MERGE. `query` counts the rows that it meets; None if they cannot be counted.

    `columns` are those that it changes; None for all, or if they are not known.
    """

    verb: str
    has_condition: bool
    query: str | None
    # Why the rows are not counted, if the reason is a special one.
    not_counted: str | None = None
    columns: frozenset[str] | None = None


class TruncateOp(ReviewOperation):
    """TRUNCATE of one table."""


class LockTableOp(ReviewOperation):
    """LOCK TABLE in a `mode` that blocks writers."""

    mode: str


class RewriteTableOp(ReviewOperation):
    """A statement that rewrites a table, or its indexes, under a lock: VACUUM FULL, CLUSTER, REINDEX and others."""

    verb: str
    instead: str


class RefreshViewOp(ReviewOperation):
    """REFRESH MATERIALIZED VIEW without CONCURRENTLY."""


class AttachPartitionOp(ReviewOperation):
    """ALTER TABLE ... ATTACH PARTITION."""

    partition: str


class AddPartitionOp(ReviewOperation):
    """CREATE TABLE ... PARTITION OF, or ATTACH PARTITION: the table is the one that gets a partition."""

    partition: str


class DetachPartitionOp(ReviewOperation):
    """ALTER TABLE ... DETACH PARTITION, or NO INHERIT: the table no longer has the rows of `partition`."""

    partition: str


class ChangeDomainOp(ReviewOperation):
    """A new rule of a domain. `is_refusing`: the running release may write values that it refuses."""

    name: str
    rule: str
    is_refusing: bool


class WriteHookOp(ReviewOperation):
    """CREATE TRIGGER or CREATE RULE. `replaces`: it does something else instead of the statement."""

    kind: str
    name: str
    replaces: bool


class RowSecurityOp(ReviewOperation):
    """ENABLE ROW LEVEL SECURITY, DISABLE TRIGGER and the like: `verb` is the action."""

    verb: str


class SettingOp(ReviewOperation):
    """SET or RESET of a setting of the session; `name` is "all" for each of them."""

    name: str
    statement: str


class RenameObjectOp(ReviewOperation):
    """A new name for a type, schema or another object that is not a table."""

    kind: str
    name: str
    new_name: str


class RenameLabelOp(ReviewOperation):
    """ALTER TYPE ... RENAME VALUE."""

    name: str
    label: str
    new_label: str


class EditCatalogOp(ReviewOperation):
    """A statement that changes PostgreSQL's own tables."""

    statement: str


class DropObjectOp(ReviewOperation):
    """DROP of a view, sequence or function."""

    kind: str
    name: str


class RiskyStatementOp(ReviewOperation):
    """A statement that needs a word. `is_danger`: it loses data or fails. `table_name`: only if the table has rows."""

    statement: str
    why: str
    instead: str
    is_danger: bool = False


class DropTypeOp(ReviewOperation):
    """DROP TYPE and DROP DOMAIN."""

    name: str


class WideStatementOp(ReviewOperation):
    """A statement that drops more than it names."""

    statement: str


class TransactionOp(ReviewOperation):
    """BEGIN, COMMIT or ROLLBACK."""

    statement: str


class NotInTransactionOp(ReviewOperation):
    """A statement that PostgreSQL refuses inside a transaction."""

    statement: str


class NotUnderstoodOp(ReviewOperation):
    """A statement, or a part of one, that could not be read."""

    statement: str


@dataclass(frozen=True)
class Constraint:
    """A constraint in an ALTER TABLE: `kind` is UNIQUE, PRIMARY KEY, FOREIGN KEY, CHECK or EXCLUDE."""

    kind: str
    name: str | None
    columns: Sequence[str] = ()
    referent: str = ""
    is_validated: bool = True
    uses_index: bool = False
    condition: str = "true"
    referent_schema: str | None = None
    referent_columns: Sequence[str] = ()
    nulls_are_equal: bool = False
    is_full: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


class SqlType(UserDefinedType[Any]):
    """A type as plain SQL writes it."""

    cache_ok = True

    def __init__(self, text: str) -> None:
        self.text = text

    def get_col_spec(self, **_options: Any) -> str:
        return self.text
