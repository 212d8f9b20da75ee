"""How Alembic compares models with a database and writes migrations: the same file on SQLite and PostgreSQL."""

import pkgutil
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Literal

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import _repr_type
from alembic.operations import MigrationScript
from alembic.runtime.migration import MigrationContext
from alembic.runtime.plugins import Plugin
from alembic.util import CommandError
from sqlalchemy.exc import SAWarning
from sqlalchemy.sql.functions import now
from sqlalchemy.types import TypeEngine

from agents_app.db import UNNAMED
from agents_app.dbtools.autogenerate import comparators, details, generated
from agents_app.dbtools.autogenerate.causes import Causes
from agents_app.dbtools.autogenerate.columns import Difference
from agents_app.dbtools.autogenerate.expressions import expression_sql
from agents_app.dbtools.autogenerate.history import read_history
from agents_app.dbtools.autogenerate.order import in_sure_order
from agents_app.dbtools.autogenerate.scripts import divide
from agents_app.dbtools.database import trigrams
from agents_app.dbtools.database.leftovers import NOT_NULL_CHECK
from agents_app.dbtools.own_tables import tables_of_migrations

# A default that is one value, or has parentheses.
PLAIN_DEFAULT = re.compile(r"(?is)\s*(-?[\d.]+|'.*'|\(.*\)|null|true|false|current_\w+)\s*$")

Plugin.setup_plugin_from_module(comparators, comparators.NAME)
Plugin.setup_plugin_from_module(details, details.NAME)
Plugin.setup_plugin_from_module(generated, generated.NAME)


def autogenerate_settings(models: ModuleType, metadata: sa.MetaData, folder: str, dialect: str) -> dict[str, Any]:
    """The arguments of `context.configure` that compare `metadata` and write a migration.

    `models` is the package that imports every model; `folder` holds the migrations.
    """

    def process(migration: MigrationContext, _revision: object, directives: list[MigrationScript]) -> None:
        _require_imports(models)
        _refuse_unnamed_checks(metadata)
        _drop_empty(migration, directives)
        if directives and not directives[0].upgrade_ops_list[0].is_empty():
            _divide(migration, metadata, directives)

    return {
        **comparison_settings(metadata, folder, dialect),
        "target_metadata": metadata,
        "render_item": _render_item,
        "process_revision_directives": process,
        "render_as_batch": True,
    }


def _divide(migration: MigrationContext, metadata: sa.MetaData, directives: list[MigrationScript]) -> None:
    environment: Any = migration.environment_context
    upgrade = directives[0].upgrade_ops_list[0]
    if _is_migrate(migration):
        generated.refuse_changed(upgrade.ops)
    upgrade.ops[:] = in_sure_order(upgrade.ops)
    history = read_history(environment.script, metadata)
    causes = Causes(environment.script, metadata, migration.dialect)
    divided = divide(directives[0], Difference(metadata, history), causes)
    if not divided:
        # What differs goes with a column.
        directives[0].upgrade_ops_list[0].ops.clear()
        _drop_empty(migration, directives)
    directives[:] = divided or directives


def comparison_settings(metadata: sa.MetaData, folder: str, dialect: str) -> dict[str, Any]:
    """The arguments that compare `metadata` with a database of this dialect."""
    own_tables = console_tables(metadata, folder)

    def include_name(name: str | None, kind: str, _parents: object) -> bool:
        # Tables of other programs in the same database are not compared.
        return kind != "table" or name in own_tables

    def include_object(item: Any, name: str | None, kind: str, reflected: bool, _compared: object) -> bool:
        if kind == "index":
            return not trigrams.is_search_index(name)
        if kind != "check_constraint":
            return True
        # On PostgreSQL an enum is a type, not a CHECK. The next migration removes the CHECK of op.set_not_null.
        return name != NOT_NULL_CHECK and not (not reflected and item._type_bound and dialect == "postgresql")

    return {
        "include_name": include_name,
        "include_object": include_object,
        "compare_type": _compare_type,
        "compare_server_default": True,
        "autogenerate_plugins": [
            "alembic.autogenerate.*",
            "alembic.ext.checkconstraint_byname",
            comparators.NAME,
            details.NAME,
            generated.NAME,
        ],
    }


@contextmanager
def ignoring_reflection_warnings() -> Iterator[None]:
    """Ignore warnings of SQLAlchemy: about NOT VALID, indexes on expressions, and tables that refer to each other."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Can't validate argument '(dialect_options|not_valid)'", SAWarning)
        warnings.filterwarnings("ignore", "Cannot correctly sort tables", SAWarning)
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


def _require_imports(models: ModuleType) -> None:
    # What it declares looks like tables that no model has any more, or like no change at all.
    for module in pkgutil.iter_modules(models.__path__, f"{models.__name__}."):
        if module.name not in sys.modules:
            what = f"{module.name} is not imported in {models.__name__}, so its tables cannot be compared."
            raise CommandError(f"{what} Import it there.")


def _refuse_unnamed_checks(metadata: sa.MetaData) -> None:
    found = sorted(
        f"{table.name} ({check.sqltext})"
        for table in metadata.tables.values()
        for check in table.constraints
        if isinstance(check, sa.CheckConstraint) and check.info.get(UNNAMED)
    )
    if found:
        advice = "Give each CHECK in the models a name: CheckConstraint(..., name=...)."
        raise CommandError(f"{advice} Without one: {', '.join(found)}.")


def _drop_empty(migration: MigrationContext, directives: list[MigrationScript]) -> None:
    config = migration.config
    if config and _is_migrate(migration) and all(upgrade.is_empty() for upgrade in directives[0].upgrade_ops_list):
        directives.clear()
        config.print_stdout("No changes in schema detected.")


def _is_migrate(migration: MigrationContext) -> bool:
    # `check` compares too, and writes no file.
    config = migration.config
    return bool(config and getattr(config.cmd_opts, "autogenerate", False))


def _render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    if kind == "server_default":
        return _render_default(getattr(item, "arg", None))
    if kind != "type":
        return False
    if isinstance(item, sa.TypeDecorator):
        item = item.impl_instance
    elif not item._variant_mapping:
        return False  # Alembic renders it correctly.
    variants = sorted(item._variant_mapping.items())
    parts = (f".with_variant({_without_variants(variant, autogen)}, {dialect!r})" for dialect, variant in variants)
    return _without_variants(item, autogen) + "".join(parts)


def _render_default(default: Any) -> str | Literal[False]:
    if isinstance(default, now):
        return "sa.func.now()"
    if not isinstance(default, sa.ClauseElement):
        return False  # Alembic renders it in the same way for every database.
    # SQLite knows true and false too.
    text = default.text if isinstance(default, sa.TextClause) else expression_sql(default, "postgresql")
    # SQLite needs parentheses around an expression, and PostgreSQL allows them.
    return f"sa.text({text if PLAIN_DEFAULT.match(text) else f'({text})'!r})"


def _without_variants(item: TypeEngine[Any], autogen: AutogenContext) -> str:
    plain = item.copy()
    plain._variant_mapping = plain._variant_mapping.__class__()
    return _repr_type(plain, autogen)
