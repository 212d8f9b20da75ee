"""Which of the two was changed, where models and database differ: the files of the steps say what both should be."""

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation, ops
from alembic.script import ScriptDirectory

from agents_app.dbtools.autogenerate.history import History, read_whole_history
from agents_app.dbtools.autogenerate.table_history import TableHistory
from agents_app.dbtools.operations.enum_values import AddEnumValueOp, RemoveEnumValueOp
from agents_app.dbtools.operations.enums import CreateEnumOp, DropEnumOp
from agents_app.paths import COMMAND

OF_MODELS = "The steps agree with the database: the models were changed."
# A step was written by hand and a model was forgotten, or a model was changed and a step is missing.
OF_STEPS = "The steps agree with the database, the models do not."
OF_DATABASE = "The steps agree with the models: the database was changed."
WRITE_STEP = f"Write a step: {COMMAND} db migrate -m what_changes"
FOLLOW = (
    f"If the steps are right, change the models; if the models are, write a step: {COMMAND} db migrate -m what_changes"
)
UNDO = "Undo that change of the database; or make it in the models too, and write a step."
EITHER = f"If a model was changed, write its step: {COMMAND} db migrate -m ...; if the database was, undo that change."
REMEDIES = {OF_MODELS: WRITE_STEP, OF_STEPS: FOLLOW, OF_DATABASE: UNDO}
CAST = re.compile(r"::[a-z_]+( [a-z_]+)*(\(\d+\))?(\[\])?")

# Whether the steps agree with the models (True), with the database (False), or with neither as far as is known.
Agreement = bool | None


class Causes:
    """Finds the cause of a difference. The files of the steps are read at the first one."""

    def __init__(self, script: ScriptDirectory, metadata: sa.MetaData, dialect: sa.Dialect) -> None:
        self._script, self._metadata, self._dialect = script, metadata, dialect

    def of(self, operation: MigrateOperation) -> Iterator[str | None]:
        """The sentence for each line of this operation, in the order of the lines; None if it is not known."""
        rule: Callable[[Causes, Any], Iterator[Agreement]] = RULES.get(type(operation), _unknown)
        try:
            found = list(rule(self, operation))
        except KeyError:
            # The steps do not know its table.
            found = []
        # A model that has more than the steps was changed. One that has less, or another value, may be forgotten.
        is_more = isinstance(operation, ADDITIONS)
        yield from (_sentence(agreement, is_more=is_more) for agreement in found)

    def of_changed(self, old: Any, new: Any) -> str | None:
        """The sentence for an index or a constraint that differs under its name."""
        table = self._history.tables.get(table_of(new))
        made = table and (table.indexes.get(str(new.index_name)) if _is_index(new) else _constraint(table, new))
        if not made:
            return None
        return _sentence(_agreement(_text(made), _text(new), _text(old.reverse())), is_more=False)

    @cached_property
    def _history(self) -> History:
        return read_whole_history(self._script, self._metadata)

    def _made(self, is_there: bool, name: str, *, in_models: bool) -> Agreement:
        # A step that could not be read whole may have made, or dropped, what it names.
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", self._history.unread):
            return None
        return is_there == in_models


def remedy(line: str) -> str:
    """What to do about a difference with its cause at the end."""
    return next((do for cause, do in REMEDIES.items() if line.endswith(cause)), EITHER)


def _sentence(agreement: Agreement, *, is_more: bool) -> str | None:
    if agreement is None:
        return None
    return OF_DATABASE if agreement else OF_MODELS if is_more else OF_STEPS


def _unknown(_causes: Causes, _operation: Any) -> Iterator[Agreement]:
    yield None


def _table(causes: Causes, operation: Any) -> Iterator[Agreement]:
    is_there = operation.table_name in causes._history.tables
    yield causes._made(is_there, operation.table_name, in_models=isinstance(operation, ops.CreateTableOp))


def _column(causes: Causes, operation: Any) -> Iterator[Agreement]:
    is_added = isinstance(operation, ops.AddColumnOp)
    name = operation.column.name if is_added else operation.column_name
    is_there = name in causes._history.tables[operation.table_name].columns
    yield causes._made(is_there, name, in_models=is_added)


def _index(causes: Causes, operation: Any) -> Iterator[Agreement]:
    table, name = causes._history.tables[operation.table_name], str(operation.index_name)
    is_there = name in table.indexes or name in table.constraints
    made = table.indexes.get(name)
    # A statement that drops its column drops the index too.
    columns = [str(getattr(column, "name", column)) for column in made.columns] if made else []
    is_lost = _is_index(operation) and any(causes._made(True, column, in_models=True) is None for column in columns)
    yield None if is_lost else causes._made(is_there, name, in_models=_is_index(operation))


def _rule(causes: Causes, operation: Any) -> Iterator[Agreement]:
    source = operation.source_table if isinstance(operation, ops.CreateForeignKeyOp) else operation.table_name
    table, name = causes._history.tables[source], str(operation.constraint_name)
    is_there = name in table.constraints
    # The CHECK of an enum belongs to the type of its column.
    types = [str(getattr(column.type, "name", None) or "") for column in table.columns.values()]
    of_type = any(found and name.endswith(found) for found in types)
    yield causes._made(is_there, name, in_models=not _is_drop(operation)) if is_there or not of_type else None


def _alter_column(causes: Causes, operation: ops.AlterColumnOp) -> Iterator[Agreement]:
    column = causes._history.tables[operation.table_name].columns[operation.column_name]
    is_known = causes._made(True, operation.column_name, in_models=True) is not None
    for agreement in _agreements(causes._dialect, column, operation):
        yield agreement if is_known else None


def _agreements(dialect: sa.Dialect, column: sa.Column[Any], operation: ops.AlterColumnOp) -> Iterator[Agreement]:
    # In the order of the lines.
    if operation.modify_type is not None:
        types = (column.type, operation.modify_type, operation.existing_type)
        yield _agreement(*(str(found and found.compile(dialect)).lower() for found in types))
    if operation.modify_nullable is not None:
        yield bool(column.nullable) == operation.modify_nullable
    if operation.modify_server_default is not False:
        defaults = (column.server_default, operation.modify_server_default, operation.existing_server_default)
        yield _agreement(*map(_default_text, defaults))
    if operation.modify_comment is not False:
        yield _agreement(column.comment, operation.modify_comment, operation.existing_comment)


def _agreement(of_steps: Any, of_models: Any, of_database: Any) -> Agreement:
    # Steps and models are written alike. The server adds quotes, parentheses and casts.
    is_model, is_database = of_steps == of_models, _loose(of_steps) == _loose(of_database)
    return None if is_model == is_database else is_model


def _label(causes: Causes, operation: AddEnumValueOp | RemoveEnumValueOp) -> Iterator[Agreement]:
    labels = causes._history.labels(operation.name)
    if labels is None:
        yield None
        return
    yield causes._made(operation.label in labels, operation.label, in_models=isinstance(operation, AddEnumValueOp))


def _enum(causes: Causes, operation: CreateEnumOp | DropEnumOp) -> Iterator[Agreement]:
    is_there = causes._history.labels(operation.name) is not None
    yield causes._made(is_there, operation.name, in_models=isinstance(operation, CreateEnumOp))


def _constraint(table: TableHistory, operation: Any) -> Any:
    return table.constraints.get(str(operation.constraint_name))


def _is_index(operation: Any) -> bool:
    return isinstance(operation, ops.CreateIndexOp)


def _is_drop(operation: Any) -> bool:
    return isinstance(operation, ops.DropConstraintOp)


def table_of(operation: Any) -> str:
    """The table of an index or a constraint."""
    return str(operation.source_table if isinstance(operation, ops.CreateForeignKeyOp) else operation.table_name)


def foreign_key_text(key: ops.CreateForeignKeyOp) -> str:
    """The columns of a foreign key, what they refer to, and its options, as the SQL has them."""
    target = f"{key.referent_table} ({', '.join(key.remote_cols)})"
    options = {"MATCH": "match", "ON UPDATE": "onupdate", "ON DELETE": "ondelete", "INITIALLY": "initially"}
    found = [f"{words} {value}" for words, name in options.items() if (value := key.kw.get(name))]
    found += ["DEFERRABLE"] if key.kw.get("deferrable") else []
    return " ".join([f"({', '.join(key.local_cols)}) to {target}", *found])


def _text(operation: Any) -> str:
    if isinstance(operation, ops.CreateForeignKeyOp):
        return foreign_key_text(operation)
    if isinstance(operation, ops.CreateCheckConstraintOp):
        return _sql_text(operation.condition)
    columns = [_sql_text(getattr(column, "name", column)) for column in operation.columns]
    condition = operation.kw.get("postgresql_where", operation.kw.get("sqlite_where"))
    return f"{bool(operation.unique)} {columns} {_sql_text(condition)}"


def _default_text(default: Any) -> str:
    argument = getattr(default, "arg", default)
    return _sql_text(None if argument is False else argument)


def _sql_text(value: Any) -> str:
    text = str(value.compile(compile_kwargs={"literal_binds": True})) if isinstance(value, sa.ClauseElement) else value
    return " ".join(str(text).split())


def _loose(text: Any) -> str:
    return re.sub(r"[\s()'\"]+", " ", CAST.sub("", str(text))).strip().lower()


ADDITIONS = (
    ops.CreateTableOp,
    ops.AddColumnOp,
    ops.CreateIndexOp,
    ops.CreateUniqueConstraintOp,
    ops.CreateForeignKeyOp,
    ops.CreateCheckConstraintOp,
    AddEnumValueOp,
    CreateEnumOp,
)
RULES: dict[type[MigrateOperation], Callable[[Causes, Any], Iterator[Agreement]]] = {
    ops.CreateTableOp: _table,
    ops.DropTableOp: _table,
    ops.AddColumnOp: _column,
    ops.DropColumnOp: _column,
    ops.AlterColumnOp: _alter_column,
    ops.CreateIndexOp: _index,
    ops.DropIndexOp: _index,
    ops.CreateUniqueConstraintOp: _rule,
    ops.CreateForeignKeyOp: _rule,
    ops.CreateCheckConstraintOp: _rule,
    ops.DropConstraintOp: _rule,
    AddEnumValueOp: _label,
    RemoveEnumValueOp: _label,
    CreateEnumOp: _enum,
    DropEnumOp: _enum,
}
