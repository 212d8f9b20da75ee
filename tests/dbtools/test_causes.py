"""Which of the two was changed, where models and database differ."""

from argparse import Namespace
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.util import CommandError

from agents_app.database.url import parse_url
from agents_app.dbtools.autogenerate.causes import (
    EITHER,
    FOLLOW,
    OF_DATABASE,
    OF_MODELS,
    OF_STEPS,
    UNDO,
    WRITE_STEP,
    remedy,
)
from agents_app.dbtools.autogenerate.drift import find_drift
from agents_app.dbtools.database.connections import read_only_connection
from tests.dbtools.tools import Project, run_sql

CREATE = """
op.create_table('t', sa.Column('id', sa.Integer(), primary_key=True),
    sa.Column('a', sa.String(10), server_default='x', nullable=False), sa.Column('b', sa.Integer()),
    sa.Column('kind', sa.Enum('ONE', 'TWO', name='kinds')),
    sa.CheckConstraint('b > 0', name=op.f('ck_t_b')))
op.create_index('ix_t_b', 't', ['b'])
"""


INDEX = "op.create_index('ix_t_a', 't', ['a'])"


def table(metadata: sa.MetaData) -> sa.Table:
    """The table as the steps make it."""
    return sa.Table(
        "t",
        metadata,
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("a", sa.String(10), server_default="x", nullable=False),
        sa.Column("b", sa.Integer()),
        sa.Column("kind", sa.Enum("ONE", "TWO", name="kinds")),
        sa.CheckConstraint("b > 0", name="b"),
        sa.Index("ix_t_b", "b"),
    )


def change_models(found: sa.Table) -> None:
    """Each kind of difference."""
    found.append_column(sa.Column("new", sa.Integer()))
    found.c.a.nullable = True
    found.c.a.type = sa.String(20)
    found.c.a.server_default = sa.DefaultClause("y")
    found.append_constraint(sa.CheckConstraint("b < 9", name="most"))
    sa.Index("ix_t_a", found.c.a)
    sa.Table("more", found.metadata, sa.Column("id", sa.Integer(), primary_key=True))


CHANGES_OF_DATABASE = [
    "ALTER TABLE t ADD COLUMN extra integer",
    "DROP INDEX ix_t_b",
    "CREATE INDEX ix_t_extra ON t (a)",
]
ONLY_POSTGRESQL = [
    "ALTER TABLE t ALTER a DROP NOT NULL",
    "ALTER TABLE t ALTER a TYPE varchar(20)",
    "ALTER TABLE t ALTER a SET DEFAULT 'y'",
    "ALTER TABLE t DROP CONSTRAINT ck_t_b, ADD CONSTRAINT ck_t_b CHECK (b > 1)",
    "ALTER TYPE kinds ADD VALUE 'THREE'",
]


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> Project:
    """A table that one step has made, and its model."""
    project = Project(tmp_path, database_url)
    project.revision("one", CREATE)
    command.upgrade(project.config(), "head")
    table(project.metadata)
    return project


def drift(project: Project) -> tuple[str, ...]:
    """The differences."""
    with read_only_connection(parse_url(project.url)) as connection:
        return find_drift(connection, project.metadata, str(project.folder))


def test_a_changed_model_is_distinguished_from_a_changed_database(project: Project) -> None:
    is_postgresql = project.url.startswith("postgresql")
    assert drift(project) == ()

    run_sql(project.url, *CHANGES_OF_DATABASE, *(ONLY_POSTGRESQL if is_postgresql else []))
    lines = drift(project)
    assert len(lines) == (8 if is_postgresql else 3), lines
    assert [line for line in lines if not line.endswith(OF_DATABASE)] == []


def test_a_changed_database_is_distinguished_from_a_changed_model(project: Project) -> None:
    change_models(project.metadata.tables["t"])
    lines = drift(project)

    assert len(lines) >= 6, lines
    assert [line for line in lines if not line.endswith((OF_MODELS, OF_STEPS))] == []
    assert [line.partition(":")[0] for line in lines if line.endswith(OF_STEPS)] == ["t.a"] * 3


def test_a_step_whose_model_was_forgotten_is_not_a_changed_model(project: Project) -> None:
    project.revision("two", f"op.add_column('t', sa.Column('extra', sa.Integer()))\n{INDEX}")
    command.upgrade(project.config(), "head")

    lines = drift(project)

    assert len(lines) == 2, lines
    assert [line for line in lines if not line.endswith(OF_STEPS)] == []


def test_what_a_step_drops_with_its_column_is_not_a_change_of_the_database(project: Project) -> None:
    project.revision("two", "with op.batch_alter_table('t') as batch:\n    batch.drop_column('b')")
    run_sql(project.url, "DROP INDEX ix_t_b")
    if project.url.startswith("postgresql"):
        run_sql(project.url, "ALTER TABLE t DROP COLUMN b")

    lines = drift(project)

    assert any("ix_t_b" in line for line in lines), lines
    assert [line for line in lines if line.endswith(OF_DATABASE)] == []


def test_an_index_whose_column_plain_sql_names_has_no_cause(project: Project) -> None:
    project.revision("two", "op.execute('ALTER TABLE t DROP COLUMN b')")
    run_sql(project.url, "DROP INDEX ix_t_b")

    assert drift(project) == ("t: the index ix_t_b on (b) is missing.",)


def test_without_proof_no_cause_is_named(project: Project) -> None:
    project.revision("two", "op.execute('ALTER TABLE t ADD COLUMN extra integer')")
    project.revision("three", "op.get_bind().execute(sa.text('SELECT 1')).scalar()\nop.add_column('t', 'other')")
    run_sql(project.url, "ALTER TABLE t ADD COLUMN extra integer", "ALTER TABLE t ADD COLUMN other integer")

    assert drift(project) == ("t.extra: no model has this column.", "t.other: no model has this column.")


def test_the_remedy_is_that_of_the_cause() -> None:
    causes = (OF_MODELS, OF_STEPS, OF_DATABASE)
    assert [remedy(f"t. {cause}") for cause in causes] == [WRITE_STEP, FOLLOW, UNDO]
    assert remedy("t.") == EITHER


def test_a_changed_foreign_key_is_one_difference_with_its_options(tmp_path: Path, postgres_url: str) -> None:
    project = Project(tmp_path, postgres_url)
    key = "sa.ForeignKeyConstraint(['b'], ['t.id'], name=op.f('fk_t_b_t'), ondelete='CASCADE')"
    project.revision("one", CREATE.replace("sa.CheckConstraint(", f"{key},\n    sa.CheckConstraint("))
    command.upgrade(project.config(), "head")
    found = table(project.metadata)
    found.append_constraint(sa.ForeignKeyConstraint(["b"], ["t.id"], ondelete="CASCADE"))
    assert drift(project) == ()

    run_sql(
        postgres_url, "ALTER TABLE t DROP CONSTRAINT fk_t_b_t, ADD CONSTRAINT fk_t_b_t FOREIGN KEY (b) REFERENCES t"
    )
    line = "t: the foreign key fk_t_b_t is on (b) to t (id), the models say (b) to t (id) ON DELETE CASCADE."
    assert drift(project) == (f"{line} {OF_DATABASE}",)


def test_a_comment_of_a_table_is_shown_in_words(project: Project) -> None:
    if not project.url.startswith("postgresql"):
        return
    run_sql(project.url, "COMMENT ON TABLE t IS 'things'")
    assert drift(project) == ("t: the comment is 'things', the models say None.",)
    project.metadata.tables["t"].comment = "other"
    assert drift(project) == ("t: the comment is 'things', the models say 'other'.",)


def test_a_rule_that_is_not_valid_is_a_difference_and_migrate_validates_it(
    tmp_path: Path, postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    project = Project(tmp_path, postgres_url)
    project.revision("one", CREATE)
    command.upgrade(project.config(), "head")
    table(project.metadata)
    run_sql(postgres_url, "ALTER TABLE t DROP CONSTRAINT ck_t_b, ADD CONSTRAINT ck_t_b CHECK (b > 0) NOT VALID")

    with pytest.raises(CommandError, match="1 difference"):
        command.check(project.config())
    assert "t: ck_t_b is NOT VALID: it was never checked on the rows older than it." in capsys.readouterr().err

    config = project.config()
    config.cmd_opts = Namespace(autogenerate=True)
    command.revision(config, "change", autogenerate=True, rev_id="0123456789ab")
    assert "op.validate_constraint('ck_t_b', 't')" in next(project.versions.glob("0123*.py")).read_text()
    command.upgrade(project.config(), "head")
    command.check(project.config())
