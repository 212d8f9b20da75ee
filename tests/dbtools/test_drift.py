"""Differences between models and database that only the server can tell: conditions, indexes, defaults, collations."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from sqlalchemy.dialects.postgresql import JSONB

from agents_app import models
from agents_app.database.url import parse_url, with_schema
from agents_app.db import NAMING_CONVENTION, db
from agents_app.dbtools.autogenerate.drift import find_drift
from agents_app.dbtools.backup.backups import create_backup, restore_backup
from agents_app.dbtools.database.connections import create_file_or_schema, read_only_connection
from agents_app.paths import ROOT
from tests.dbtools.tools import console_config, create_engine, mostly_long, run_sql

METADATA = sa.MetaData(naming_convention=NAMING_CONVENTION)
BOTH, POSTGRESQL, SQLITE = ("postgresql", "sqlite"), ("postgresql",), ("sqlite",)
ITEMS = sa.Table(
    "items",
    METADATA,
    sa.Column("id", sa.Integer(), primary_key=True),
    sa.Column("kind", sa.String(20), server_default="a'b"),
    sa.Column("size", sa.Integer(), server_default="0"),
    sa.Column("name", sa.Text(), comment="What it is called"),
    sa.Column("code", sa.Text().with_variant(sa.Text(collation="C"), "postgresql")),
    sa.Column("at", sa.DateTime(timezone=True), server_default=sa.func.now()),
    sa.Column("more", sa.JSON().with_variant(JSONB(), "postgresql"), server_default="{}"),
    sa.CheckConstraint("kind IN ('a''b', 'c:d', '100%') AND (size > 0 OR name LIKE 'x%')", name="kind"),
    sa.CheckConstraint(sa.column("size") <= 10, name="size"),
    sa.Index("ix_items_kind", "kind"),
    sa.Index("ix_items_order", sa.text("size DESC"), "name"),
    sa.Index("ix_items_lower", sa.text("lower(name)")),
    sa.Index("ix_items_name", "name", postgresql_ops={"name": "text_pattern_ops"}, postgresql_include=["size"]),
    sa.Index("ix_items_more", "more", postgresql_using="gin"),
    sa.Index("ix_items_part", "size", postgresql_where=sa.text("kind = 'c:d'"), sqlite_where=sa.text("kind = 'c:d'")),
    sa.Index("ix_items_unique", "code", unique=True),
)
ADD = "ALTER TABLE items ADD CONSTRAINT ck_items_size CHECK"
DROP = "ALTER TABLE items DROP CONSTRAINT ck_items_size"
CHANGES = {
    "the condition of a CHECK": (
        POSTGRESQL,
        [DROP, f"{ADD} (size < 10)"],
        "CHECK ck_items_size is ((size < 10)), the",
    ),
    "an index made partial": (BOTH, ["ix_items_kind ON items (kind) WHERE size > 1"], "its condition is "),
    "an index no longer partial": (
        BOTH,
        ["ix_items_part ON items (size)"],
        "the models say kind = ",
    ),
    "another condition": (BOTH, ["ix_items_part ON items (size) WHERE kind = 'other'"], "its condition is "),
    "another kind": (
        POSTGRESQL,
        ["ix_items_kind ON items USING hash (kind)"],
        "its kind is hash, the models say btree",
    ),
    "another order": (BOTH, ["ix_items_order ON items (size, name)"], "the index ix_items_order differs"),
    "other nulls": (POSTGRESQL, ["ix_items_kind ON items (kind NULLS FIRST)"], "the index ix_items_kind differs"),
    "another column": (BOTH, ["ix_items_kind ON items (name)"], "the index ix_items_kind differs"),
    "other expressions": (POSTGRESQL, ["ix_items_lower ON items (upper(name))"], "the index ix_items_lower differs"),
    "no operator class": (
        POSTGRESQL,
        ["ix_items_name ON items (name) INCLUDE (size)"],
        "operator class text_ops, the",
    ),
    "an operator class": (
        POSTGRESQL,
        ["ix_items_kind ON items (kind varchar_pattern_ops)"],
        "class varchar_pattern_ops,",
    ),
    "no INCLUDE": (
        POSTGRESQL,
        ["ix_items_name ON items (name text_pattern_ops)"],
        "it includes (), the models say (size)",
    ),
    "a collation of an index": (
        POSTGRESQL,
        ['ix_items_kind ON items (kind COLLATE "POSIX")'],
        "has the collation POSIX,",
    ),
    "a collation on SQLite": (
        SQLITE,
        ["ix_items_kind ON items (kind COLLATE NOCASE)"],
        "has the collation NOCASE, the",
    ),
    "not unique": (BOTH, ["ix_items_unique ON items (code)"], "the index ix_items_unique differs"),
    "unique": (
        BOTH,
        ["UNIQUE ix_items_kind ON items (kind)"],
        "it is a unique index on (kind), the models say an index",
    ),
    "a default": (
        POSTGRESQL,
        ["ALTER TABLE items ALTER size SET DEFAULT 1"],
        "items.size: the default is 1, the models",
    ),
    "a default of text": (
        POSTGRESQL,
        ["ALTER TABLE items ALTER kind SET DEFAULT 'a'"],
        "items.kind: the default is 'a'",
    ),
    "a default of JSON": (
        POSTGRESQL,
        ["ALTER TABLE items ALTER more SET DEFAULT '[]'"],
        "items.more: the default is '[]'",
    ),
    "no default": (POSTGRESQL, ["ALTER TABLE items ALTER at DROP DEFAULT"], "items.at: the default is"),
    "a collation": (
        POSTGRESQL,
        ['ALTER TABLE items ALTER name TYPE text COLLATE "C"'],
        "items.name: the type is TEXT",
    ),
    "no collation": (
        POSTGRESQL,
        ['ALTER TABLE items ALTER code TYPE text COLLATE "default"'],
        "items.code: the type is",
    ),
    "a comment": (POSTGRESQL, ["COMMENT ON COLUMN items.name IS 'other'"], "items.name: the comment is 'other'"),
}


def drift(url: str, metadata: sa.MetaData = METADATA, folder: Path = ROOT / "migrations") -> list[str]:
    """The differences, read as `flask db status` reads them. Other tables of the console are missing here."""
    with read_only_connection(parse_url(url)) as connection:
        return list(find_drift(connection, metadata, str(folder)))


def statements(changes: list[str]) -> list[str]:
    """The statements of a change. An index is dropped and created."""
    if " ON items (" not in changes[0] and " ON items USING" not in changes[0]:
        return changes
    text = changes[0]
    unique = "UNIQUE " if text.startswith("UNIQUE ") else ""
    definition = text.removeprefix("UNIQUE ")
    return [f"DROP INDEX {definition.split()[0]}", f"CREATE {unique}INDEX {definition}"]


@pytest.mark.parametrize("what", mostly_long(CHANGES, 5))
def test_a_change_is_shown_on_one_line(database_url: str, what: str) -> None:
    dialects, changes, line = CHANGES[what]
    if parse_url(database_url).get_backend_name() not in dialects:
        return
    METADATA.create_all(create_engine(database_url))
    run_sql(database_url, *(statement.replace("%", "%%") for statement in statements(changes)))

    (found,) = drift(database_url)

    assert line in found


@pytest.mark.parametrize("condition", ["size < 10", "(size) <=  10", "size <= 10 AND id IS NOT NULL"])
def test_a_check_on_sqlite_is_compared_as_the_server_reads_it(tmp_path: Path, condition: str) -> None:
    url = f"sqlite:///{tmp_path / 'items.db'}"
    METADATA.create_all(create_engine(url))
    with create_engine(url).begin() as connection:
        (sql,) = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = 'items'").one()
        assert "CHECK (size <= 10)" in sql
        connection.exec_driver_sql("DROP TABLE items")
        connection.exec_driver_sql(sql.replace("size <= 10", condition))
        for index in ITEMS.indexes:
            index.create(connection)

    found = drift(url)

    is_same = condition == "(size) <=  10"
    assert found == ([] if is_same else [f"items: CHECK ck_items_size is ({condition}), the models say (size <= 10)."])


def test_a_role_that_may_only_read_sees_a_changed_check(postgres_url: str) -> None:
    METADATA.create_all(create_engine(postgres_url))
    run_sql(postgres_url, DROP, f"{ADD} (size < 10)")
    name = sa.make_url(postgres_url).database
    run_sql(postgres_url, f"REVOKE TEMPORARY, CREATE ON DATABASE {name} FROM PUBLIC, console")

    assert len(drift(postgres_url)) == 1


@pytest.mark.parametrize("schema", mostly_long(["one Schema", ""], 2))
def test_at_head_nothing_differs_also_in_a_restored_copy(postgres_url: str, schema: str, tmp_path: Path) -> None:
    url = with_schema(parse_url(postgres_url), schema) if schema else parse_url(postgres_url)
    text = url.render_as_string(hide_password=False)
    create_file_or_schema(url)
    command.upgrade(console_config(text), "head")
    assert drift(text, db.metadata) == []

    backup = create_backup(parse_url(text), tmp_path)
    run_sql(postgres_url, f'DROP SCHEMA "{schema or "public"}" CASCADE', *([] if schema else ["CREATE SCHEMA public"]))
    restore_backup(parse_url(text), backup.file)

    assert drift(text, db.metadata) == []
    assert models


def test_what_was_created_from_the_models_differs_in_nothing(database_url: str) -> None:
    METADATA.create_all(create_engine(database_url))

    assert drift(database_url) == []
