"""How Alembic compares models with a database and writes migrations: the same file on SQLite and PostgreSQL."""

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

from agents_app.dbtools.autogenerate import comparators, details
from agents_app.dbtools.autogenerate.differences import ReadableOps
from agents_app.dbtools.database.leftovers import NOT_NULL_CHECK
from agents_app.dbtools.operations.enums import CreateEnumOp, native_enum_types
from agents_app.dbtools.operations.rows_and_tables import RequireTablesOp
from agents_app.dbtools.output import print_progress
from agents_app.dbtools.own_tables import tables_of_migrations

INDEX_OPS = (ops.CreateIndexOp, ops.DropIndexOp)
PLUGINS = ["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname", comparators.NAME, details.NAME]
Columns = Iterable[sa.Column[Any]]

Plugin.setup_plugin_from_module(comparators, comparators.NAME)
Plugin.setup_plugin_from_module(details, details.NAME)


def autogenerate_settings(models: ModuleType, metadata: sa.MetaData, folder: str, dialect: str) -> dict[str, Any]:
    """The arguments of `context.configure` that compare `metadata` and write a migration.

    `models` is the package that imports every model; `folder` holds the migrations.
    """

    def process(migration: MigrationContext, _revision: object, directives: list[MigrationScript]) -> None:
        _report_models_not_imported(models)
        _add_enums_and_requirements(directives)
        _drop_empty(migration, directives)

    return {
        **comparison_settings(metadata, folder, dialect),
        "target_metadata": metadata,
        "render_item": _render_item,
        "process_revision_directives": process,
        "render_as_batch": True,
    }


def comparison_settings(metadata: sa.MetaData, folder: str, dialect: str) -> dict[str, Any]:
    """The arguments that compare `metadata` with a database of this dialect."""
    own_tables = console_tables(metadata, folder)

    def include_name(name: str | None, kind: str, _parents: object) -> bool:
        # Tables of other programs in the same database are not compared.
        return kind != "table" or name in own_tables

    def include_object(item: Any, name: str | None, kind: str, reflected: bool, _compared: object) -> bool:
        if kind != "check_constraint":
            return True
        # On PostgreSQL an enum is a type, not a CHECK. The next migration removes the CHECK of op.set_not_null.
        return name != NOT_NULL_CHECK and not (not reflected and item._type_bound and dialect == "postgresql")

    return {
        "include_name": include_name,
        "include_object": include_object,
        "compare_type": _compare_type,
        "compare_server_default": _compare_default,
        "autogenerate_plugins": [
            "alembic.autogenerate.*",
            "alembic.ext.checkconstraint_byname",
            comparators.NAME,
            details.NAME,
        ],
    }


@contextmanager
def ignoring_reflection_warnings() -> Iterator[None]:
    """Ignore the warnings of SQLAlchemy about a CHECK that is NOT VALID, and about expressions in indexes on SQLite."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Can't validate argument '(dialect_options|not_valid)'", SAWarning)
        warnings.filterwarnings("ignore", "Skipped unsupported reflection of expression-based index", SAWarning)
        warnings.filterwarnings(
            "ignore", "autogenerate skipping metadata-specified expression-based index", UserWarning
        )
        yield


def console_tables(metadata: sa.MetaData, folder: str) -> frozenset[str]:
    """The tables of the models and of the migrations in `folder`. All other tables belong to other programs."""
    return frozenset(tables_of_migrations(folder).keys() | metadata.tables.keys())


def _compare_type(
    migration: MigrationContext, _present: object, _wanted: object, present: TypeEngine[Any], wanted: TypeEngine[Any]
) -> bool | None:
    # SQLite's column has the length of the longest label at its creation. A comparator compares the labels.
    if migration.dialect.name == "sqlite" and isinstance(wanted, sa.Enum) and isinstance(present, sa.String):
        return False
    return None


def _compare_default(
    migration: MigrationContext,
    _present: object,
    column: sa.Column[Any],
    present: str | None,
    default: Any,
    wanted: str | None,
) -> bool | None:
    argument = getattr(default, "arg", None)
    if migration.connection and present and argument is not None:
        other = details.has_other_default(migration.connection, column, present, argument)
        if other is not None:
            return other
    # On SQLite Alembic does not recognise '' as the empty string.
    if migration.dialect.name == "sqlite" and (present or "").strip("()") == "''" and wanted == "":
        return False
    return None


def _report_models_not_imported(models: ModuleType) -> None:
    for module in pkgutil.iter_modules(models.__path__, f"{models.__name__}."):
        if module.name not in sys.modules:
            print_progress(f"{module.name} is not imported in {models.__name__}, so its tables are not compared.")


def _add_enums_and_requirements(directives: list[MigrationScript]) -> None:
    for script in directives:
        for upgrade, downgrade in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
            created = list(_create_enum_ops(_added_columns(upgrade.ops)))
            dropped = list(_create_enum_ops(_dropped_columns(upgrade.ops)))
            upgrade.ops[:0] = [*_required_tables(upgrade.ops), *created]
            upgrade.ops += [enum.reverse() for enum in dropped]
            downgrade.ops[:0] = dropped
            downgrade.ops += [enum.reverse() for enum in reversed(created)]
            for script_ops in (upgrade, downgrade):
                script_ops.ops = list(_without_index_batches(script_ops.ops))
        script.upgrade_ops = [ReadableOps(part.ops, part.upgrade_token) for part in script.upgrade_ops_list]


def _without_index_batches(operations: Iterable[MigrateOperation]) -> Iterator[MigrateOperation]:
    # A batch that only creates or drops indexes is not needed on any database.
    for operation in operations:
        if isinstance(operation, ops.ModifyTableOps) and all(isinstance(part, INDEX_OPS) for part in operation.ops):
            yield from operation.ops
        else:
            yield operation


def _required_tables(operations: list[MigrateOperation]) -> Iterator[RequireTablesOp]:
    created = [operation.to_table() for operation in operations if isinstance(operation, ops.CreateTableOp)]
    needed = {key.target_fullname.rpartition(".")[0] for table in created for key in table.foreign_keys}
    missing = needed - {table.fullname for table in created}
    if missing:
        yield RequireTablesOp(sorted(missing))


def _added_columns(operations: Iterable[MigrateOperation]) -> Iterator[sa.Column[Any]]:
    for operation in operations:
        if isinstance(operation, ops.CreateTableOp):
            yield from operation.to_table().columns
        elif isinstance(operation, ops.AddColumnOp):
            yield operation.column
        elif isinstance(operation, ops.ModifyTableOps):
            yield from _added_columns(operation.ops)


def _dropped_columns(operations: Iterable[MigrateOperation]) -> Iterator[sa.Column[Any]]:
    for operation in operations:
        if isinstance(operation, ops.DropTableOp):
            yield from operation.to_table().columns
        elif isinstance(operation, ops.DropColumnOp):
            yield operation.to_column()
        elif isinstance(operation, ops.ModifyTableOps):
            yield from _dropped_columns(operation.ops)


def _create_enum_ops(columns: Columns) -> Iterator[CreateEnumOp]:
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
    if kind != "type":
        return False
    if isinstance(item, sa.TypeDecorator):
        item = item.impl_instance
    elif not item._variant_mapping:
        return False  # Alembic renders it correctly.
    variants = sorted(item._variant_mapping.items())
    parts = (f".with_variant({_without_variants(variant, autogen)}, {dialect!r})" for dialect, variant in variants)
    return _without_variants(item, autogen) + "".join(parts)


def _without_variants(item: TypeEngine[Any], autogen: AutogenContext) -> str:
    text = repr(item).partition(".with_variant(")[0].replace("astext_type=Text()", "astext_type=sa.Text()")
    module = type(item).__module__
    if not module.startswith("sqlalchemy.dialects."):
        return f"sa.{text}"
    dialect = module.split(".")[2]
    autogen.imports.add(f"from sqlalchemy.dialects import {dialect}")
    return f"{dialect}.{text}"
