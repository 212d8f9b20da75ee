"""The parts of differences in indexes, constraints, enums and whole tables."""

import itertools
from collections.abc import Container, Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import _render_potential_expr
from alembic.operations import MigrateOperation, ops
from sqlalchemy.sql.elements import conv

from agents_app.dbtools.autogenerate.columns import Difference, copy_column
from agents_app.dbtools.autogenerate.names import LONGEST_NAME
from agents_app.dbtools.autogenerate.parts import Part, Stage, WrittenOp, batch, call
from agents_app.dbtools.autogenerate.table_history import TableHistory
from agents_app.dbtools.operations.enums import CreateEnumOp, native_enum_types
from agents_app.dbtools.operations.sql import written_sql

NOT_VALID = {"postgresql_not_valid": True}


def created_index(operation: ops.CreateIndexOp) -> Part:
    """A new index: created while others write."""
    table, name = operation.table_name, str(operation.index_name)
    drop = call("drop_index_concurrently", name, table)
    return Part(Stage.INDEX, f"index_{name}", [_write_index(operation)], [drop])


def dropped_index(operation: ops.DropIndexOp, difference: Difference) -> Part:
    """An index without a model. The running release may need it to be fast, but not to be correct."""
    table, name = str(operation.table_name), str(operation.index_name)
    created = _index_before(operation, difference)
    # A rule that the new release does not keep must go before that release runs.
    stage = Stage.DROP_RULE if created.unique else Stage.DROP_INDEX
    return Part(stage, f"drop_{name}", [call("drop_index_concurrently", name, table)], [_write_index(created)])


def _index_before(operation: ops.DropIndexOp, difference: Difference) -> ops.CreateIndexOp:
    history = difference.history.get(str(operation.table_name), TableHistory())
    return history.indexes.get(str(operation.index_name)) or operation.reverse()


def free_name(name: str, taken: Container[str]) -> str:
    """A free name for what takes the place of `name` later."""
    names = (f"{name.encode()[: LONGEST_NAME - len(end)].decode(errors='ignore')}{end}" for end in _endings())
    return next(found for found in names if found not in taken)


def _endings() -> Iterator[str]:
    yield "_new"
    yield from (f"_new{number}" for number in itertools.count(2))


def renamed(dropped: Any, name: str, difference: Difference) -> Part:
    """The new index, or UNIQUE constraint, `name` gets the name of the one that it replaces."""
    table, wanted = str(dropped.table_name), str(getattr(dropped, "index_name", None) or dropped.constraint_name)
    is_index = isinstance(dropped, ops.DropIndexOp) and not _index_before(dropped, difference).unique
    stage = Stage.NAME_INDEX if is_index else Stage.NAME_RULE
    upgrade, back = call("rename_index", name, wanted, table), call("rename_index", wanted, name, table)
    return Part(stage, f"name_{wanted}", [upgrade], [back])


def _write_index(operation: ops.CreateIndexOp) -> WrittenOp:
    index = operation.to_index()
    columns = [_column(expression) for expression in index.expressions]
    options = {key: value for key, value in index.dialect_kwargs.items() if value is not None and value is not False}
    conditions = {_sql(options[key]) for key in ("postgresql_where", "sqlite_where") if key in options}
    is_same = len(conditions) == 1 and {"postgresql_where", "sqlite_where"} <= options.keys()

    def render(autogen: AutogenContext) -> str:
        parts = [repr(str(operation.index_name)), repr(str(operation.table_name)), f"[{', '.join(columns)}]"]
        parts += ["unique=True"] if index.unique else []
        parts += [f"where={next(iter(conditions))!r}"] if is_same else []
        for key, value in options.items():
            if not (is_same and key.endswith("_where")):
                shown = (
                    f"sa.text({_sql(value)!r})" if key.endswith("_where") else _render_potential_expr(value, autogen)
                )
                parts.append(f"{key}={shown}")
        return f"op.create_index_concurrently({', '.join(parts)})"

    return WrittenOp(render)


def _column(expression: Any) -> str:
    return repr(str(expression.name)) if isinstance(expression, sa.Column) else f"sa.text({_sql(expression)!r})"


def _sql(expression: Any) -> str:
    return expression if isinstance(expression, str) else written_sql(expression)


def created_unique(operation: ops.CreateUniqueConstraintOp) -> Part:
    """A new UNIQUE constraint, from an index that is created while others write."""
    table, name = operation.table_name, str(operation.constraint_name)
    drop = batch(table, ops.DropConstraintOp(conv(name), table, "unique"))
    return Part(Stage.UNIQUE, f"unique_{name}", [_write_unique(operation)], [drop])


def _write_unique(operation: ops.CreateUniqueConstraintOp) -> WrittenOp:
    constraint: Any = operation.to_constraint()
    options = {key: getattr(constraint, key) for key in ("deferrable", "initially") if getattr(constraint, key)}
    options |= {key: value for key, value in constraint.dialect_kwargs.items() if value}
    columns = [str(column.name) for column in constraint.columns]
    return call("add_unique_constraint", str(operation.constraint_name), operation.table_name, columns, **options)


def created_rule(operation: Any, before: Iterable[MigrateOperation], after: Iterable[MigrateOperation]) -> list[Part]:
    """A new CHECK or foreign key: for new rows at once, then for the rows that exist.

    `before` is done in the same step first, and undone by `after`: a rule of the same name.
    """
    is_key = isinstance(operation, ops.CreateForeignKeyOp)
    table = operation.source_table if is_key else operation.table_name
    name = str(operation.constraint_name)
    operation.kw = {**operation.kw, **NOT_VALID}
    drop = ops.DropConstraintOp(conv(name), table, "foreignkey" if is_key else "check")
    return [
        Part(Stage.RULE, f"add_{name}", [batch(table, *before, operation)], [batch(table, drop, *after)]),
        validated(name, table),
    ]


def validated(name: str, table: str) -> Part:
    """The check of the rows that are older than a CHECK or a foreign key."""
    return Part(Stage.RULE, f"validate_{name}", [call("validate_constraint", name, table)])


def dropped_rule(operation: ops.DropConstraintOp, difference: Difference, gone: Iterable[str]) -> Part:
    """A constraint without a model: no release needs a rule. `gone` are the columns of its table without a model.

    A CHECK on one of those is for the running release, whose values a rename copies once more. It goes with its column.
    """
    table, name = operation.table_name, str(operation.constraint_name)
    created = created_before(operation, difference)
    back: MigrateOperation = batch(table, created)
    if isinstance(created, ops.CreateUniqueConstraintOp):
        back = _write_unique(created)
    stays = any(created is check for column in gone for check in difference.own_checks(table, column))
    return Part(Stage.DROP_INDEX if stays else Stage.DROP_RULE, f"drop_{name}", [batch(table, operation)], [back])


def created_before(operation: ops.DropConstraintOp, difference: Difference) -> Any:
    """The operation that adds the constraint again."""
    history = difference.history.get(operation.table_name, TableHistory())
    known = history.constraints.get(str(operation.constraint_name))
    return known if known is not None else operation.reverse()


def dropped_table(operation: ops.DropTableOp, difference: Difference) -> Part:
    """A table without a model, with its indexes and the enums that only it uses."""
    name = operation.table_name
    known = difference.history.get(name)
    table = operation.to_table() if known is None else _table(name, known)
    indexes = [] if known is None else list(known.indexes.values())
    enums = [CreateEnumOp(enum.name or "", enum.enums) for enum in native_enum_types(table.columns)]
    enums = list({enum.name: enum for enum in enums}.values())
    again = [*enums, ops.CreateTableOp.from_table(table), *indexes]
    return Part(Stage.DROP_TABLE, f"drop_{name}", [operation, *(enum.reverse() for enum in enums)], again)


def _table(name: str, known: TableHistory) -> sa.Table:
    rules = [_constraint(rule) for rule in known.constraints.values()]
    columns = [copy_column(column) for column in known.columns.values()]
    return sa.Table(name, sa.MetaData(), *columns, *(rule for rule in rules if rule is not None))


def _constraint(operation: Any) -> Any:
    name = conv(str(operation.constraint_name))
    if isinstance(operation, ops.CreateForeignKeyOp):
        targets = [f"{operation.referent_table}.{column}" for column in operation.remote_cols]
        options: dict[str, Any] = {
            key: operation.kw.get(key) for key in ("ondelete", "onupdate", "deferrable", "initially", "match")
        }
        return sa.ForeignKeyConstraint(operation.local_cols, targets, name=name, **options)
    if isinstance(operation, ops.CreateUniqueConstraintOp):
        return sa.UniqueConstraint(*map(str, operation.columns), name=name)
    if isinstance(operation, ops.CreateCheckConstraintOp):
        return sa.CheckConstraint(operation.condition, name=name)
    return None
