"""Everyday changes of models whose tables have rows, and what the files for each must look like."""

import enum
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from agents_app.db import Json, UtcDateTime

BASE = """
op.create_table(
    'accounts',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_accounts')),
)
op.create_table(
    'agents',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('name', sa.String(length=50), nullable=False),
    sa.Column('title', sa.String(length=200), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('note', sa.Text(), nullable=True),
    sa.Column('size', sa.Integer(), nullable=True),
    sa.Column('rank', sa.Integer(), server_default='0', nullable=False),
    sa.Column('kind', sa.Enum('A', 'B', name='kind', create_constraint=True), nullable=False),
    sa.Column('data', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=True),
    sa.Column('seen_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('account_id', sa.Uuid(), nullable=False),
    sa.CheckConstraint('size >= 0', name=op.f('ck_agents_size')),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_agents_account_id_accounts')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_agents')),
    sa.UniqueConstraint('title', name=op.f('uq_agents_title')),
)
op.create_index(op.f('ix_agents_note'), 'agents', ['note'], unique=False)
op.create_index(op.f('ix_agents_unique'), 'agents', ['account_id', 'name'], unique=True)
op.create_table(
    'parts',
    sa.Column('agent_id', sa.Uuid(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('owner_id', sa.Uuid(), nullable=True),
    sa.ForeignKeyConstraint(['agent_id'], ['agents.id'], name=op.f('fk_parts_agent_id_agents'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('agent_id', 'number', name=op.f('pk_parts')),
)
op.create_index(op.f('ix_parts_at'), 'parts', ['at'], unique=False)
"""
NO_BASE = "op.drop_table('parts')\nop.drop_table('agents')\nop.drop_table('accounts')\nop.drop_enum('kind', 'A', 'B')"

KIND = partial(sa.Enum, name="kind", create_constraint=True)
ONE, TWO, THREE = (f"{number:032}" for number in (1, 2, 3))
AGENT = "(id, name, title, text, note, size, kind, data, account_id)"
ROWS = (
    f"INSERT INTO accounts (id) VALUES ('{ONE}')",
    f"INSERT INTO agents {AGENT} VALUES ('{ONE}', 'one', 'First', 'long', 'x', 1, 'A', '{{}}', '{ONE}')",
    f"INSERT INTO agents {AGENT} VALUES ('{TWO}', 'two', 'Second', '', NULL, NULL, 'B', NULL, '{ONE}')",
    f"INSERT INTO parts (agent_id, number) VALUES ('{ONE}', 1), ('{ONE}', 2), ('{TWO}', 1)",
)


class Colour(enum.Enum):
    """The labels of a new enum."""

    RED = "red"
    BLUE = "blue"


Models = dict[str, dict[str, Any]]


def base_models() -> Models:
    """The models of BASE: the items of each table, by name."""
    return {
        "accounts": {"id": sa.Column(sa.Uuid(), primary_key=True)},
        "agents": {
            "id": sa.Column(sa.Uuid(), primary_key=True),
            "name": sa.Column(sa.String(50), nullable=False),
            "title": sa.Column(sa.String(200), nullable=False),
            "text": sa.Column(sa.Text(), nullable=False),
            "note": sa.Column(sa.Text()),
            "size": sa.Column(sa.Integer()),
            "rank": sa.Column(sa.Integer(), server_default="0", nullable=False),
            "kind": sa.Column(KIND("A", "B"), nullable=False),
            "data": sa.Column(Json),
            "seen_at": sa.Column(UtcDateTime),
            "account_id": sa.Column(sa.ForeignKey("accounts.id"), nullable=False),
            "ck": sa.CheckConstraint("size >= 0", name="size"),
            "uq": sa.UniqueConstraint("title"),
            "ix": sa.Index("ix_agents_note", "note"),
            "unique": sa.Index("ix_agents_unique", "account_id", "name", unique=True),
        },
        "parts": {
            "agent_id": sa.Column(sa.ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True),
            "number": sa.Column(sa.Integer(), primary_key=True),
            "at": sa.Column(UtcDateTime),
            "owner_id": sa.Column(sa.Uuid()),
            "ix": sa.Index("ix_parts_at", "at"),
        },
    }


def declare(metadata: sa.MetaData, models: Models) -> None:
    """Make the tables of these models."""
    for table, items in models.items():
        for name, item in items.items():
            if isinstance(item, sa.Column):
                item.name = item.key = name
        sa.Table(table, metadata, *items.values())


@dataclass(frozen=True)
class Change:
    """A change of the models, and the names of its files after that of the change itself; those in `marked` last.

    `items` take the place of those with their names; None removes one. None for a table removes the table. The plan
    warns about the files in `warned`, and about no others that are not marked.
    """

    items: Callable[[], dict[str, dict[str, Any] | None]]
    files: tuple[str, ...] = ("",)
    marked: tuple[str, ...] = ()
    answer: bool | None = None
    warned: tuple[str, ...] = ()

    def models(self) -> Models:
        """The changed models."""
        models = base_models()
        for table, items in self.items().items():
            if items is None:
                del models[table]
                continue
            changed = {**models.get(table, {}), **items}
            models[table] = {name: item for name, item in changed.items() if item is not None}
        return models


def _agents(**items: Any) -> Callable[[], dict[str, dict[str, Any] | None]]:
    return lambda: {"agents": {name: item() if callable(item) else item for name, item in items.items()}}


def _with(item: Callable[..., Any], *arguments: Any, **options: Any) -> Callable[[], Any]:
    return lambda: item(*arguments, **options)


COLUMN, INDEX, CHECK, UNIQUE = sa.Column, sa.Index, sa.CheckConstraint, sa.UniqueConstraint

CHANGES = {
    "a nullable column": Change(_agents(purpose=_with(COLUMN, sa.String(100)))),
    "a column with a default": Change(
        _agents(priority=_with(COLUMN, sa.Integer(), server_default="5", nullable=False))
    ),
    "a column with the time as its default": Change(
        _agents(made_at=_with(COLUMN, UtcDateTime, server_default=sa.func.now(), nullable=False))
    ),
    "a required column with a default in Python": Change(
        _agents(purpose=_with(COLUMN, sa.String(100), default="it's", nullable=False)),
        ("", "fill_agents_purpose"),
        ("not_null_agents_purpose",),
    ),
    "required columns of other types": Change(
        _agents(
            is_new=_with(COLUMN, sa.Boolean(), default=True, nullable=False),
            tags=_with(COLUMN, Json, default=["a", "b"], nullable=False),
        ),
        ("", "fill_agents_is_new", "fill_agents_tags"),
        ("not_null_agents_is_new", "not_null_agents_tags"),
    ),
    "required columns whose defaults are no constants of SQL": Change(
        _agents(
            code=_with(COLUMN, sa.Uuid(), default=uuid.uuid4, nullable=False),
            price=_with(COLUMN, sa.Numeric(9, 2), default=Decimal("1.50"), nullable=False),
            options=_with(COLUMN, Json, default=dict, nullable=False),
            since=_with(COLUMN, UtcDateTime, default=datetime(2026, 1, 2, tzinfo=UTC), nullable=False),
        ),
        ("", "fill_agents_code", "fill_agents_price", "fill_agents_options", "fill_agents_since"),
        ("not_null_agents_code", "not_null_agents_price", "not_null_agents_options", "not_null_agents_since"),
    ),
    "columns that each database writes in its own way": Change(
        _agents(
            is_new=_with(COLUMN, sa.Boolean(), server_default=sa.false(), nullable=False),
            tags=_with(COLUMN, sa.JSON().with_variant(ARRAY(sa.Text()), "postgresql")),
            colour=lambda: sa.Column(sa.Enum(Colour, name="colour", create_constraint=True)),
        )
    ),
    "a required column of an enum": Change(
        _agents(colour=_with(COLUMN, sa.Enum(Colour, name="colour"), default=Colour.BLUE, nullable=False)),
        ("", "fill_agents_colour"),
        ("not_null_agents_colour",),
    ),
    "a required column of a table with a key of two columns": Change(
        lambda: {"parts": {"size": sa.Column(sa.Integer(), default=7, nullable=False)}},
        ("", "fill_parts_size"),
        ("not_null_parts_size",),
    ),
    "NOT NULL": Change(
        _agents(size=_with(COLUMN, sa.Integer(), default=3, nullable=False)),
        ("fill_agents_size",),
        ("not_null_agents_size",),
    ),
    "NULL": Change(_agents(name=_with(COLUMN, sa.String(50)))),
    "an index": Change(_agents(new=_with(INDEX, "ix_agents_size", "size"))),
    "a column with an index": Change(
        _agents(purpose=_with(COLUMN, sa.String(100), index=True)), ("", "index_ix_agents_purpose")
    ),
    "a UNIQUE index": Change(_agents(new=_with(INDEX, "ix_agents_name", "name", unique=True))),
    "a partial index": Change(
        _agents(
            new=_with(
                INDEX,
                "ix_agents_large",
                "size",
                postgresql_where=sa.text("size > 5"),
                sqlite_where=sa.text("size > 5"),
            )
        )
    ),
    "an index on an expression": Change(_agents(new=_with(INDEX, "ix_agents_lower", sa.text("lower(name)")))),
    "a descending index": Change(_agents(new=_with(INDEX, "ix_agents_rank", sa.text("rank DESC"), "name"))),
    "an index of a kind of PostgreSQL": Change(
        _agents(
            new=_with(
                INDEX, "ix_agents_data", "data", postgresql_using="gin", postgresql_ops={"data": "jsonb_path_ops"}
            )
        )
    ),
    "a condition with a percent sign and a colon": Change(
        _agents(new=_with(CHECK, "name NOT LIKE '%\\:x'", name="odd")), ("add_ck_agents_odd", "validate_ck_agents_odd")
    ),
    "a UNIQUE index with the name of a UNIQUE constraint": Change(
        _agents(uq=_with(INDEX, "uq_agents_title", "title", unique=True)),
        ("index_uq_agents_title_new", "drop_uq_agents_title", "name_uq_agents_title"),
    ),
    "a new table with an index on an expression": Change(
        lambda: {
            "groups": {
                "id": sa.Column(sa.Uuid(), primary_key=True),
                "name": sa.Column(sa.String(9), index=True),
                "ix": sa.Index("ix_groups_lower", sa.text("lower(name)")),
            }
        }
    ),
    "a changed index": Change(
        _agents(ix=_with(INDEX, "ix_agents_note", "note", "size")),
        ("index_ix_agents_note_new",),
        ("drop_ix_agents_note", "name_ix_agents_note"),
    ),
    "an index that becomes partial": Change(
        _agents(
            ix=_with(
                INDEX,
                "ix_agents_note",
                "note",
                postgresql_where=sa.text("note <> ''"),
                sqlite_where=sa.text("note <> ''"),
            )
        ),
        ("index_ix_agents_note_new",),
        ("drop_ix_agents_note", "name_ix_agents_note"),
    ),
    "an index that becomes descending": Change(
        _agents(ix=_with(INDEX, "ix_agents_note", sa.text("note DESC"))),
        ("index_ix_agents_note_new",),
        ("drop_ix_agents_note", "name_ix_agents_note"),
    ),
    "an index that becomes UNIQUE": Change(
        _agents(ix=_with(INDEX, "ix_agents_note", "note", unique=True)),
        ("index_ix_agents_note_new",),
        ("drop_ix_agents_note", "name_ix_agents_note"),
    ),
    "a changed UNIQUE index": Change(
        _agents(unique=_with(INDEX, "ix_agents_unique", "name", unique=True)),
        ("index_ix_agents_unique_new", "drop_ix_agents_unique", "name_ix_agents_unique"),
    ),
    "a wider UNIQUE index": Change(
        _agents(unique=_with(INDEX, "ix_agents_unique", "account_id", "name", "size", unique=True)),
        ("index_ix_agents_unique_new", "drop_ix_agents_unique", "name_ix_agents_unique"),
        warned=("drop_ix_agents_unique",),
    ),
    "another name of a UNIQUE index": Change(
        _agents(unique=_with(INDEX, "ix_agents_other", "account_id", "name", unique=True)),
        ("index_ix_agents_other", "drop_ix_agents_unique"),
    ),
    "a changed UNIQUE constraint": Change(
        _agents(uq=_with(UNIQUE, "title", "name", name="uq_agents_title")),
        ("unique_uq_agents_title_new", "drop_uq_agents_title", "name_uq_agents_title"),
        warned=("drop_uq_agents_title",),
    ),
    "a UNIQUE constraint with the name of an index": Change(
        _agents(ix=_with(UNIQUE, "note", name="ix_agents_note")),
        ("unique_ix_agents_note_new",),
        ("drop_ix_agents_note", "name_ix_agents_note"),
    ),
    "no index": Change(_agents(ix=None), (), ("",)),
    "no UNIQUE index": Change(_agents(unique=None), warned=("",)),
    "a UNIQUE constraint": Change(_agents(new=_with(UNIQUE, "name", "title"))),
    "a UNIQUE column": Change(_agents(code=_with(COLUMN, sa.String(20), unique=True)), ("", "unique_uq_agents_code")),
    "no UNIQUE constraint": Change(_agents(uq=None), warned=("",)),
    "a CHECK": Change(
        _agents(new=_with(CHECK, "name <> ''", name="name")), ("add_ck_agents_name", "validate_ck_agents_name")
    ),
    "no CHECK": Change(_agents(ck=None)),
    "a foreign key": Change(
        lambda: {"parts": {"owner_id": sa.Column(sa.ForeignKey("accounts.id", ondelete="SET NULL"))}},
        ("add_fk_parts_owner_id_accounts", "validate_fk_parts_owner_id_accounts"),
    ),
    "a new table, and a column that refers to it": Change(
        lambda: {
            "groups": {"id": sa.Column(sa.Uuid(), primary_key=True), "name": sa.Column(sa.String(9), index=True)},
            "agents": {"group_id": sa.Column(sa.ForeignKey("groups.id"), index=True)},
        },
        (
            "",
            "index_ix_agents_group_id",
            "add_fk_agents_group_id_groups",
            "validate_fk_agents_group_id_groups",
        ),
    ),
    "new tables that refer to each other": Change(
        lambda: {
            "alphas": {"id": sa.Column(sa.Uuid(), primary_key=True), "beta_id": sa.Column(sa.ForeignKey("betas.id"))},
            "betas": {
                "id": sa.Column(sa.Uuid(), primary_key=True),
                "alpha_id": sa.Column(sa.ForeignKey("alphas.id")),
                "other_id": sa.Column(sa.ForeignKey("alphas.id", use_alter=True)),
            },
        }
    ),
    "no foreign key": Change(_agents(account_id=_with(COLUMN, sa.Uuid(), nullable=False))),
    "a label": Change(_agents(kind=lambda: sa.Column(KIND("A", "B", "C"), nullable=False))),
    "two labels": Change(
        _agents(kind=lambda: sa.Column(KIND("A", "B", "C", "D"), nullable=False)), ("label_kind_c", "label_kind_d")
    ),
    "a longer text": Change(_agents(name=_with(COLUMN, sa.String(90), nullable=False))),
    "a text without a length": Change(_agents(name=_with(COLUMN, sa.Text(), nullable=False))),
    "another type": Change(_agents(size=_with(COLUMN, sa.BigInteger())), (), ("",)),
    "a type that needs a conversion": Change(
        _agents(size=_with(COLUMN, sa.String(20)), ck=None), ("drop_ck_agents_size",), ("type_agents_size",)
    ),
    "another type of a column with a default": Change(
        _agents(rank=_with(COLUMN, sa.String(9), server_default="0", nullable=False)), (), ("",)
    ),
    "another default": Change(_agents(rank=_with(COLUMN, sa.Integer(), server_default="9", nullable=False))),
    "no default": Change(_agents(rank=_with(COLUMN, sa.Integer(), nullable=False)), (), ("",)),
    "no nullable column": Change(_agents(seen_at=None), (), ("",)),
    "no required column": Change(_agents(text=None), ("default_agents_text",), ("drop_agents_text",)),
    "no column of an enum": Change(_agents(kind=None), ("default_agents_kind",), ("drop_agents_kind",)),
    "no column with an index": Change(_agents(note=None, ix=None), (), ("drop_ix_agents_note", "drop_agents_note")),
    "no table": Change(lambda: {"parts": None}, (), ("",)),
    "two columns less": Change(
        lambda: {"agents": {"seen_at": None, "data": None, "note": None, "ix": None}},
        (),
        ("drop_ix_agents_note", "drop_agents_data", "drop_agents_note", "drop_agents_seen_at"),
    ),
    "two foreign keys": Change(
        lambda: {
            "parts": {
                "owner_id": sa.Column(sa.ForeignKey("accounts.id")),
                "next": sa.ForeignKeyConstraint(["owner_id"], ["agents.id"], name="fk_next"),
            }
        },
        (
            "add_fk_next",
            "validate_fk_next",
            "add_fk_parts_owner_id_accounts",
            "validate_fk_parts_owner_id_accounts",
        ),
    ),
    "another name of an enum": Change(
        _agents(kind=lambda: sa.Column(sa.Enum("A", "B", name="sort", create_constraint=True), nullable=False)),
        (),
        ("",),
    ),
    "a second column of an enum": Change(_agents(second=lambda: sa.Column(KIND("A", "B")))),
    "another column of an enum for one": Change(
        _agents(kind=None, second=lambda: sa.Column(KIND("A", "B"))),
        ("", "default_agents_kind", "rename_agents_kind_second"),
        ("drop_agents_kind",),
        answer=True,
    ),
    "another collation": Change(
        _agents(
            name=lambda: sa.Column(
                sa.String(50)
                .with_variant(sa.String(50, collation="C"), "postgresql")
                .with_variant(sa.String(50, collation="NOCASE"), "sqlite"),
                nullable=False,
            )
        ),
        (),
        ("",),
    ),
    "a renamed column": Change(
        _agents(name=None, heading=_with(COLUMN, sa.String(50), nullable=False), unique=None),
        ("", "optional_agents_name", "rename_agents_name_heading", "drop_ix_agents_unique"),
        ("not_null_agents_heading", "drop_agents_name"),
        answer=True,
        warned=("drop_ix_agents_unique",),
    ),
    "a column for another one": Change(
        _agents(size=None, ck=None, weight=_with(COLUMN, sa.Integer())),
        ("", "rename_agents_size_weight"),
        ("drop_ck_agents_size", "drop_agents_size"),
        answer=False,
        warned=("rename_agents_size_weight",),
    ),
}
