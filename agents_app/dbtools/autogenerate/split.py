"""Divides one difference into the parts that are safe in files of their own, in the order in which they are applied."""

from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation, ops

from agents_app.dbtools.autogenerate import columns, rules
from agents_app.dbtools.autogenerate.columns import Difference
from agents_app.dbtools.autogenerate.enums import with_removed_labels
from agents_app.dbtools.autogenerate.parts import Part, Stage, batch
from agents_app.dbtools.autogenerate.renames import questions, require_same_keys, with_renames
from agents_app.dbtools.operations.constraints import ValidateConstraintOp
from agents_app.dbtools.operations.enum_values import AddEnumValueOp, RemoveEnumValueOp

INDEXES = (Stage.DROP_RULE, Stage.INDEX, Stage.UNIQUE, Stage.DROP_INDEX, Stage.NAME_RULE, Stage.NAME_INDEX)
UNIQUES = (ops.CreateIndexOp, ops.CreateUniqueConstraintOp)
CHECKS = (ops.DropConstraintOp, ops.CreateCheckConstraintOp)
RULES = (ops.CreateForeignKeyOp, ops.CreateCheckConstraintOp)


def split(operations: Iterable[MigrateOperation], difference: Difference) -> list[Part]:
    """The parts of a difference in their order. Those of `Stage.EXPAND` belong into one file.

    A table that the difference creates is empty, so everything about it is in that file too.
    """
    flat = _prepared(operations, difference)
    dropped = {_key(found): found for found in flat if isinstance(found, ops.DropConstraintOp)}
    created = {_key(found) for found in flat if isinstance(found, RULES)}
    tables = {found.table_name for found in flat if isinstance(found, ops.CreateTableOp)}
    gone = {found.table_name for found in flat if isinstance(found, ops.DropTableOp)}
    require_same_keys(flat, gone, difference)
    parts: list[Part] = list(_replacements(flat, tables | gone, difference))
    for operation in flat:
        table = _table_of(operation)
        if table in tables:
            parts.append(_plain(operation))
        elif table in gone and not isinstance(operation, ops.DropTableOp):
            continue
        elif isinstance(operation, RULES) and (old := dropped.get(_key(operation))) is not None:
            parts += rules.created_rule(operation, [old], [rules.created_before(old, difference)])
        elif isinstance(operation, ops.DropIndexOp):
            parts.append(rules.dropped_index(operation, difference))
        elif not (isinstance(operation, ops.DropConstraintOp) and _key(operation) in created):
            parts += _parts(operation, difference, _gone_columns(flat, table))
    parts += _keys(flat, tables | gone)
    parts += _questions(flat, difference)
    # The databases find indexes in another order.
    parts = with_renames(parts)
    return sorted(parts, key=lambda part: (part.stage, part.name if part.stage in INDEXES else ""))


def _replacements(operations: list[Any], without: set[str], difference: Difference) -> Iterator[Part]:
    """Let each new index that replaces one of its name have another name until that one is dropped."""
    drops = (ops.DropIndexOp, ops.DropConstraintOp)
    dropped = {_key(found): found for found in operations if isinstance(found, drops)}
    taken = set(_names(difference))
    for created in operations:
        old = dropped.get(_key(created)) if isinstance(created, UNIQUES) else None
        if old is None or _table_of(created) in without:
            continue
        name = rules.free_name(_key(created)[1], taken)
        taken.add(name)
        if isinstance(created, ops.CreateIndexOp):
            created.index_name = name
        else:
            created.constraint_name = name
        yield rules.renamed(old, name, difference)


def _names(difference: Difference) -> Iterator[str]:
    for table in difference.history.values():
        yield from (*table.indexes, *table.constraints)
    for wanted in difference.metadata.tables.values():
        yield from map(_name, (*wanted.indexes, *wanted.constraints))


def _name(item: Any) -> str:
    return str(item.name)


def _questions(operations: Iterable[Any], difference: Difference) -> Iterator[Part]:
    gone = [found for found in operations if isinstance(found, ops.DropColumnOp)]
    came = [found for found in operations if isinstance(found, ops.AddColumnOp)]
    return questions(gone, came, difference)


def _prepared(operations: Iterable[MigrateOperation], difference: Difference) -> list[Any]:
    flat = list(_flat(operations))
    flat += _new_enums(flat, difference)
    flat = list(with_removed_labels(flat))
    flat = _without_label_checks(flat, difference)
    return [*flat, *_keys_to_later_tables(flat)]


def _flat(operations: Iterable[MigrateOperation]) -> Iterator[Any]:
    for operation in operations:
        if isinstance(operation, ops.ModifyTableOps):
            yield from _flat(operation.ops)
        else:
            yield operation


def _new_enums(operations: list[Any], difference: Difference) -> Iterator[ops.AlterColumnOp]:
    # On SQLite a column is a text with or without an enum, whose name is only in its CHECK.
    altered = {(found.table_name, found.column_name) for found in operations if isinstance(found, ops.AlterColumnOp)}
    for table in difference.metadata.tables.values():
        for column in table.columns:
            old = difference.column(table.name, column.name)
            if old is not None and (table.name, column.name) not in altered and _enum(old) != _enum(column):
                yield ops.AlterColumnOp(table.name, column.name, existing_type=old.type, modify_type=column.type)


def _enum(column: sa.Column[Any]) -> str | None:
    kind = column.type.impl_instance if isinstance(column.type, sa.TypeDecorator) else column.type
    return kind.name if isinstance(kind, sa.Enum) and kind.native_enum else None


def _without_label_checks(operations: list[Any], difference: Difference) -> list[Any]:
    # On SQLite the labels of an enum are a CHECK, which is created, changed and dropped with its column.
    kinds: list[tuple[str, Any]] = [
        (name, column.type) for name, table in difference.history.items() for column in table.columns.values()
    ]
    for found in operations:
        if isinstance(found, ops.AddColumnOp):
            kinds.append((found.table_name, found.column.type))
        elif isinstance(found, ops.AlterColumnOp):
            kinds.append((found.table_name, found.modify_type))
    checks = {(table, f"ck_{table}_{kind.name}") for table, kind in kinds if getattr(kind, "create_constraint", False)}
    return [found for found in operations if not isinstance(found, CHECKS) or _key(found) not in checks]


def _keys_to_later_tables(operations: Iterable[Any]) -> list[ops.CreateForeignKeyOp]:
    """Take the foreign keys out of new tables that refer to a table which is created after them, and return them."""
    creations = [found for found in operations if isinstance(found, ops.CreateTableOp)]
    later = [found.table_name for found in creations]
    keys: list[ops.CreateForeignKeyOp] = []
    for creation in creations:
        later.remove(creation.table_name)
        for item in list(creation.columns):
            if isinstance(item, sa.ForeignKeyConstraint) and (item.use_alter or _referred(item) in later):
                creation.columns = [other for other in creation.columns if other is not item]
                keys.append(ops.CreateForeignKeyOp.from_constraint(item))
                keys[-1].kw.pop("use_alter", None)
    return keys


def _referred(key: sa.ForeignKeyConstraint) -> str:
    return key.elements[0].target_fullname.rpartition(".")[0]


def _table_of(operation: Any) -> str | None:
    table: str | None = operation.source_table if isinstance(operation, ops.CreateForeignKeyOp) else None
    return table or getattr(operation, "table_name", None)


def _key(operation: Any) -> tuple[str | None, str]:
    name = getattr(operation, "constraint_name", None) or getattr(operation, "index_name", None)
    return _table_of(operation), str(name)


def _is_key(operation: Any) -> bool:
    is_drop = isinstance(operation, ops.DropConstraintOp) and operation.constraint_type == "primary"
    return is_drop or isinstance(operation, ops.CreatePrimaryKeyOp)


def _plain(operation: MigrateOperation) -> Part:
    is_whole = isinstance(operation, ops.CreateTableOp | ops.DropTableOp | ops.CreateIndexOp | ops.DropIndexOp)
    table = _table_of(operation)
    if is_whole or table is None:
        return Part(Stage.EXPAND, "", [operation], [operation.reverse()])
    return Part(Stage.EXPAND, "", [batch(table, operation)], [batch(table, operation.reverse())])


def _gone_columns(operations: Iterable[Any], table: str | None) -> list[str]:
    found = [drop for drop in operations if isinstance(drop, ops.DropColumnOp)]
    return [drop.column_name for drop in found if drop.table_name == table]


def _parts(operation: Any, difference: Difference, gone: list[str]) -> Iterable[Part]:
    if _is_key(operation):
        return []
    if isinstance(operation, ops.AddColumnOp):
        return columns.added(operation, difference)
    if isinstance(operation, ops.AlterColumnOp):
        return columns.altered(operation, difference)
    if isinstance(operation, ops.DropColumnOp):
        return columns.dropped(operation, difference)
    if isinstance(operation, ops.CreateIndexOp):
        return [rules.created_index(operation)]
    if isinstance(operation, ops.CreateUniqueConstraintOp):
        return [rules.created_unique(operation)]
    if isinstance(operation, RULES):
        return rules.created_rule(operation, [], [])
    if isinstance(operation, ops.DropConstraintOp):
        return [rules.dropped_rule(operation, difference, gone)]
    if isinstance(operation, ops.DropTableOp):
        return [rules.dropped_table(operation, difference)]
    return [_label(operation)]


def _label(operation: Any) -> Part:
    if isinstance(operation, AddEnumValueOp):
        return Part(Stage.LABEL, f"label_{operation.name}_{operation.label}", [operation], [operation.reverse()])
    if isinstance(operation, RemoveEnumValueOp):
        name = f"drop_label_{operation.name}_{operation.label}"
        return Part(Stage.DROP_LABEL, name, [operation], [operation.reverse()])
    if isinstance(operation, ValidateConstraintOp):
        return rules.validated(operation.name, operation.table_name)
    return _plain(operation)


def _keys(operations: Iterable[Any], without: set[str]) -> Iterator[Part]:
    found = [operation for operation in operations if _is_key(operation) and operation.table_name not in without]
    for table in dict.fromkeys(operation.table_name for operation in found):
        changes = [operation for operation in found if operation.table_name == table]
        back = [operation.reverse() for operation in reversed(changes)]
        yield Part(Stage.KEY, f"key_{table}", [batch(table, *changes)], [batch(table, *back)])
