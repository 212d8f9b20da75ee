"""How Alembic compares models with a database and writes migrations: the same file whichever database is compared."""

import pkgutil
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Literal

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, MigrationScript, ops
from alembic.runtime.migration import MigrationContext
from alembic.runtime.plugins import Plugin
from sqlalchemy.exc import SAWarning
from sqlalchemy.types import TypeEngine

from agents_app.dbtools.autogenerate import comparators
from agents_app.dbtools.autogenerate.differences import ReadableOps
from agents_app.dbtools.database.leftovers import NOT_NULL_CHECK
from agents_app.dbtools.operations.enums import CreateEnumOp, native_enum_types
from agents_app.dbtools.operations.rows_and_tables import RequireTablesOp
from agents_app.dbtools.output import print_progress
from agents_app.dbtools.own_tables import tables_of_migrations

INDEX_OPS = (ops.CreateIndexOp, ops.DropIndexOp)
Columns = Iterable[sa.Column[Any]]

Plugin.setup_plugin_from_module(comparators, comparators.NAME)


def settings(models: ModuleType, metadata: sa.MetaData, folder: str, dialect: str) -> dict[str, Any]:
    """What `context.configure` needs to compare `metadata` and to write a step.

    `models` is the package that imports every model, `folder` the one that holds the migrations.
    """

    def process(migration: MigrationContext, _revision: object, directives: list[MigrationScript]) -> None:
        _tell_unregistered(models)
        _complete(directives)
        _drop_empty(migration, directives)

    return {
        **comparison_settings(metadata, folder, dialect),
        "target_metadata": metadata,
        "render_item": _render_item,
        "process_revision_directives": process,
        "render_as_batch": True,
    }


def comparison_settings(metadata: sa.MetaData, folder: str, dialect: str) -> dict[str, Any]:
    """How `metadata` and a database of this kind are compared."""
    ours = console_tables(metadata, folder)

    def include_name(name: str | None, kind: str, _parents: object) -> bool:
        # Tables of other programs in the same database are none of our business.
        return kind != "table" or name in ours

    def include_object(item: Any, name: str | None, kind: str, reflected: bool, _compared: object) -> bool:
        if kind != "check_constraint":
            return True
        # PostgreSQL has a type for an enum, where SQLite has a CHECK; the helper is removed by the next run.
        return name != NOT_NULL_CHECK and not (not reflected and item._type_bound and dialect == "postgresql")

    return {
        "include_name": include_name,
        "include_object": include_object,
        "compare_type": _compare_type,
        "compare_server_default": _compare_default,
        "autogenerate_plugins": ["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname", comparators.NAME],
    }


@contextmanager
def ignoring_reflection_warnings() -> Iterator[None]:
    """Keep SQLAlchemy's reflection from warning about a CHECK that is NOT VALID, where it trips over itself."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Can't validate argument '(dialect_options|not_valid)'", SAWarning)
        yield


def console_tables(metadata: sa.MetaData, folder: str) -> frozenset[str]:
    """The tables of the models and of the migrations in `folder`: all others in a database are somebody else's."""
    return frozenset(tables_of_migrations(folder).keys() | metadata.tables.keys())


def _compare_type(
    migration: MigrationContext, _present: object, _wanted: object, present: TypeEngine[Any], wanted: TypeEngine[Any]
) -> bool | None:
    # SQLite's column is as wide as the longest label was; which labels there are is compared by themselves.
    if migration.dialect.name == "sqlite" and isinstance(wanted, sa.Enum) and isinstance(present, sa.String):
        return False
    return None


def _compare_default(
    migration: MigrationContext,
    _present: object,
    _wanted: object,
    present: str | None,
    _default: object,
    wanted: str | None,
) -> bool | None:
    # On SQLite Alembic takes '' for something else than the empty text.
    if migration.dialect.name == "sqlite" and (present or "").strip("()") == "''" and wanted == "":
        return False
    return None


def _tell_unregistered(models: ModuleType) -> None:
    for module in pkgutil.iter_modules(models.__path__, f"{models.__name__}."):
        if module.name not in sys.modules:
            print_progress(f"{module.name} is not imported in {models.__name__}, so its tables are not seen.")


def _complete(directives: list[MigrationScript]) -> None:
    for script in directives:
        for upgrade, downgrade in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
            made, dropped = list(_enums(_added(upgrade.ops))), list(_enums(_removed(upgrade.ops)))
            upgrade.ops[:0] = [*_requirements(upgrade.ops), *made]
            upgrade.ops += [enum.reverse() for enum in dropped]
            downgrade.ops[:0] = dropped
            downgrade.ops += [enum.reverse() for enum in reversed(made)]
            for script_ops in (upgrade, downgrade):
                script_ops.ops = list(_flattened(script_ops.ops))
        script.upgrade_ops = [ReadableOps(part.ops, part.upgrade_token) for part in script.upgrade_ops_list]


def _flattened(operations: Iterable[MigrateOperation]) -> Iterator[MigrateOperation]:
    # Indexes alone need no batch, on no database.
    for operation in operations:
        if isinstance(operation, ops.ModifyTableOps) and all(isinstance(part, INDEX_OPS) for part in operation.ops):
            yield from operation.ops
        else:
            yield operation


def _requirements(operations: list[MigrateOperation]) -> Iterator[RequireTablesOp]:
    made = [operation.to_table() for operation in operations if isinstance(operation, ops.CreateTableOp)]
    needed = {key.target_fullname.rpartition(".")[0] for table in made for key in table.foreign_keys}
    missing = needed - {table.fullname for table in made}
    if missing:
        yield RequireTablesOp(sorted(missing))


def _added(operations: Iterable[MigrateOperation]) -> Iterator[sa.Column[Any]]:
    for operation in operations:
        if isinstance(operation, ops.CreateTableOp):
            yield from operation.to_table().columns
        elif isinstance(operation, ops.AddColumnOp):
            yield operation.column
        elif isinstance(operation, ops.ModifyTableOps):
            yield from _added(operation.ops)


def _removed(operations: Iterable[MigrateOperation]) -> Iterator[sa.Column[Any]]:
    for operation in operations:
        if isinstance(operation, ops.DropTableOp):
            yield from operation.to_table().columns
        elif isinstance(operation, ops.DropColumnOp):
            yield operation.to_column()
        elif isinstance(operation, ops.ModifyTableOps):
            yield from _removed(operation.ops)


def _enums(columns: Columns) -> Iterator[CreateEnumOp]:
    labels = {enum.name or "": tuple(enum.enums) for enum in native_enum_types(columns)}
    for name in sorted(labels):
        yield CreateEnumOp(name, labels[name])


def _drop_empty(migration: MigrationContext, directives: list[MigrationScript]) -> None:
    config = migration.config
    is_autogenerate = getattr(config.cmd_opts, "autogenerate", False) if config else False
    if config and is_autogenerate and all(upgrade.is_empty() for upgrade in directives[0].upgrade_ops_list):
        directives.clear()
        config.print_stdout("No changes in schema detected.")


def _render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    return _render_type(item, autogen) if kind == "type" else False


def _render_type(item: TypeEngine[Any], autogen: AutogenContext) -> str | Literal[False]:
    if isinstance(item, sa.TypeDecorator):
        item = item.impl_instance
    elif not item._variant_mapping:
        return False  # Alembic renders it well.
    variants = sorted(item._variant_mapping.items())
    parts = (f".with_variant({_plain(variant, autogen)}, {dialect!r})" for dialect, variant in variants)
    return _plain(item, autogen) + "".join(parts)


def _plain(item: TypeEngine[Any], autogen: AutogenContext) -> str:
    text = repr(item).partition(".with_variant(")[0].replace("astext_type=Text()", "astext_type=sa.Text()")
    module = type(item).__module__
    if not module.startswith("sqlalchemy.dialects."):
        return f"sa.{text}"
    dialect = module.split(".")[2]
    autogen.imports.add(f"from sqlalchemy.dialects import {dialect}")
    return f"{dialect}.{text}"
