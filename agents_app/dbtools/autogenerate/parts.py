"""A part of a difference: what one file of several contains, and its place in their order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, auto
from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, ops

# In a remark: the template of files writes the revision of the file here.
THIS_REVISION = "THIS_REVISION"

Render = Callable[[AutogenContext], str]


class Stage(IntEnum):
    """The order of the files. Those from NOT_NULL on are applied when the new release runs.

    What is new comes before what is dropped, so that there is no time without a rule or an index that is replaced.
    """

    LABEL = auto()
    EXPAND = auto()
    OPTIONAL = auto()
    RENAME = auto()
    FILL = auto()
    INDEX = auto()
    UNIQUE = auto()
    RULE = auto()
    DROP_RULE = auto()
    NAME_RULE = auto()
    LAST_UNMARKED = NAME_RULE
    NOT_NULL = auto()
    TYPE = auto()
    KEY = auto()
    DROP_INDEX = auto()
    NAME_INDEX = auto()
    DROP_COLUMN = auto()
    DROP_TABLE = auto()
    DROP_LABEL = auto()


@dataclass(frozen=True)
class Part:
    """The operations of one file. `name` is the end of its name; parts of EXPAND are one file and have none.

    `question` is a comment above `is_rename = "?"`, and `remark` a comment about what the file needs. `target` is
    the column, with its table, that a rename or NOT NULL is about.
    """

    stage: Stage
    name: str
    upgrade: Sequence[MigrateOperation]
    downgrade: Sequence[MigrateOperation] = field(default=())
    question: str = ""
    remark: str = ""
    target: tuple[str, str] = ("", "")

    @property
    def is_marked(self) -> bool:
        """Whether the running release would not survive it."""
        return self.stage > Stage.LAST_UNMARKED


class WrittenOp(MigrateOperation):
    """An operation of this project as a file contains it: `render` returns its line."""

    def __init__(self, render: Render) -> None:
        self.render = render


@renderers.dispatch_for(WrittenOp)
def _render(autogen: AutogenContext, operation: WrittenOp) -> str:
    return operation.render(autogen)


_render_alter_column: Any = renderers.dispatch(ops.AlterColumnOp("", ""))


@renderers.dispatch_for(ops.AlterColumnOp, replace=True)
def _render_alter_column_with_options(autogen: AutogenContext, operation: ops.AlterColumnOp) -> str:
    # Alembic leaves out how PostgreSQL converts the values.
    text: str = _render_alter_column(autogen, operation)
    using = operation.kw.get("postgresql_using")
    return text if using is None else f"{text[:-1]},\n{' ' * 11}postgresql_using={using!r})"


def call(name: str, *arguments: object, **options: object) -> WrittenOp:
    """`op.name(...)` with these arguments."""
    parts = [*map(repr, arguments), *(f"{key}={value!r}" for key, value in options.items())]
    return WrittenOp(lambda _autogen: f"op.{name}({', '.join(parts)})")


def batch(table: str, *operations: MigrateOperation) -> ops.ModifyTableOps:
    """These operations on one table: SQLite rebuilds it once."""
    return ops.ModifyTableOps(table, list(operations))
