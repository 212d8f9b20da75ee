"""Operations add and remove labels of an enum on both databases, and autogenerate compares the labels."""

from argparse import Namespace
from io import StringIO
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from agents_app.dbtools.operations.enum_values import label_checks
from tests.dbtools.tools import Project, create_engine, fetch_rows, read_schema, run_sql

CREATE_TABLES = """
op.create_table('parents', sa.Column('id', sa.Integer(), primary_key=True))
op.create_table('agents',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('parent_id', sa.Integer(), sa.ForeignKey('parents.id', ondelete='CASCADE')),
    sa.Column('kind', sa.Enum('A', "it's", name='kind', create_constraint=True), nullable=False, server_default='A'),
    sa.PrimaryKeyConstraint('id'))
"""


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> Project:
    """Migrations for a database with an enum in use, on both databases."""
    return _project(tmp_path, database_url)


def _project(folder: Path, url: str) -> Project:
    project = Project(folder, url)
    project.revision("one", CREATE_TABLES, "op.drop_table('agents')\nop.drop_table('parents')\nop.drop_enum('kind')")
    command.upgrade(project.config(), "head")
    run_sql(url, "INSERT INTO parents VALUES (1)", "INSERT INTO agents VALUES (1, 1, 'A')")
    return project


def test_a_label_that_rows_hold_cannot_be_removed(project: Project) -> None:
    project.revision("two", "op.remove_enum_value('kind', 'A')")

    with pytest.raises(CommandError) as refusal:
        command.upgrade(project.config(), "head")

    assert "\n" not in str(refusal.value)
    assert fetch_rows(project.url, "SELECT kind FROM agents") == [("A",)]
    run_sql(project.url, "INSERT INTO agents VALUES (2, 1, 'A')")


def test_a_label_that_was_added_can_be_used_by_the_next_step(project: Project) -> None:
    project.revision("two", "op.add_enum_value('kind', 'MUCH LONGER')", "op.remove_enum_value('kind', 'MUCH LONGER')")
    project.revision("three", "op.execute(\"UPDATE agents SET kind = 'MUCH LONGER'\")")

    command.upgrade(project.config(), "head")

    assert fetch_rows(project.url, "SELECT id, parent_id, kind FROM agents") == [(1, 1, "MUCH LONGER")]
    with pytest.raises(DBAPIError):
        run_sql(project.url, "UPDATE agents SET kind = 'NOPE'")


def test_a_label_is_added_and_removed_and_rows_are_kept(project: Project) -> None:
    before = read_schema(project.url)
    project.revision("two", "op.add_enum_value('kind', 'B')", "op.remove_enum_value('kind', 'B')")

    for _ in range(2):
        command.upgrade(project.config(), "head")
        command.downgrade(project.config(), "-1")

    assert fetch_rows(project.url, "SELECT kind FROM agents") == [("A",)]
    after = read_schema(project.url)
    assert [enum["labels"] for enum in after["enums"]] == [enum["labels"] for enum in before["enums"]]
    run_sql(project.url, "INSERT INTO agents (id) VALUES (2)")
    assert fetch_rows(project.url, "SELECT kind FROM agents WHERE id = 2") == [("A",)]
    with pytest.raises(DBAPIError):
        run_sql(project.url, "UPDATE agents SET kind = 'B'")


def test_a_label_that_exists_is_accepted(project: Project) -> None:
    project.revision("two", "op.add_enum_value('kind', 'A')")

    command.upgrade(project.config(), "head")


def test_on_sqlite_a_label_cannot_be_added_by_a_script(tmp_path: Path, sqlite_url: str) -> None:
    project = _project(tmp_path, sqlite_url)
    project.revision("two", "op.add_enum_value('kind', 'B')")
    config = project.config()
    config.output_buffer = StringIO()

    with pytest.raises(CommandError, match="without --sql"):
        command.upgrade(config, "one:two", sql=True)


def test_a_script_adds_a_label_outside_a_transaction(tmp_path: Path, postgres_url: str) -> None:
    project = _project(tmp_path, postgres_url)
    project.revision("two", "op.add_enum_value('kind', 'B')")
    config = project.config()
    config.output_buffer = StringIO()
    command.upgrade(config, "one:two", sql=True)

    script = config.output_buffer.getvalue()
    assert "COMMIT;\n\nALTER TYPE kind ADD VALUE IF NOT EXISTS 'B';\n\nBEGIN;" in script


def test_the_same_working_step_is_written_on_both_databases(
    tmp_path: Path, sqlite_url: str, postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    written = []
    for url in (sqlite_url, postgres_url):
        project = _project(tmp_path, url)
        _declare_models(project, "A", "it's", "MUCH LONGER")
        with pytest.raises(CommandError):
            command.check(project.config())
        assert "enum kind: the label MUCH LONGER is missing." in capsys.readouterr().err

        config = project.config()
        config.cmd_opts = Namespace(autogenerate=True)
        command.revision(config, "more", autogenerate=True, rev_id="0123456789ab")
        written.append((project.versions / "0123456789ab_more.py").read_text().partition("revision = ")[2])
        command.upgrade(project.config(), "head")
        command.check(project.config())

    assert written[0] == written[1]
    assert "op.add_enum_value('kind', 'MUCH LONGER')" in written[0]
    assert "op.remove_enum_value('kind', 'MUCH LONGER')" in written[0]


def test_a_label_that_no_model_has_is_detected(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    _declare_models(project, "A")

    with pytest.raises(CommandError, match="1 difference"):
        command.check(project.config())

    assert "enum kind: no model has the label it's." in capsys.readouterr().err


def test_another_primary_key_is_detected_and_can_be_created(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    _declare_models(project, "A", "it's", key=("id", "kind"))

    with pytest.raises(CommandError, match="2 differences"):
        command.check(project.config())
    assert "agents: the models say that the primary key is (id, kind)." in capsys.readouterr().err

    config = project.config()
    config.cmd_opts = Namespace(autogenerate=True)
    command.revision(config, "key", autogenerate=True)
    command.upgrade(project.config(), "head")
    command.check(project.config())


def _declare_models(project: Project, *labels: str, key: tuple[str, ...] = ("id",)) -> None:
    sa.Table("parents", project.metadata, sa.Column("id", sa.Integer(), primary_key=True))
    sa.Table(
        "agents",
        project.metadata,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.ForeignKey("parents.id", ondelete="CASCADE")),
        sa.Column("kind", sa.Enum(*labels, name="kind", create_constraint=True), nullable=False, server_default="A"),
        sa.PrimaryKeyConstraint(*key),
    )


def test_a_new_column_of_an_enum_has_the_label_that_the_models_lost_until_the_last_file(project: Project) -> None:
    sa.Table("parents", project.metadata, sa.Column("id", sa.Integer(), primary_key=True))
    kind = sa.Enum("A", name="kind", create_constraint=True)
    agents = sa.Table(
        "agents",
        project.metadata,
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("parent_id", sa.ForeignKey("parents.id", ondelete="CASCADE")),
        sa.Column("kind", kind, nullable=False, server_default="A"),
        sa.Column("other", kind),
    )
    sa.Table(
        "more",
        project.metadata,
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("kind", sa.Enum("A", name="kind", create_constraint=True)),
    )
    config = project.config()
    config.cmd_opts = Namespace(autogenerate=True)
    command.revision(config, "change", autogenerate=True, rev_id="0123456789ab")
    first, last = sorted(project.versions.glob("0123456789*.py"))

    assert first.read_text().count(""", 'A', "it's", name='kind'""".lstrip(", ")) == 2
    assert "remove_enum_value" in last.read_text()
    assert agents.c.other.type.enums == ["A"]  # type: ignore[attr-defined]
    command.upgrade(project.config(), "head")
    command.check(project.config())
    for table in ("agents", "more"):
        assert fetch_rows(project.url, f"SELECT count(*) FROM {table} WHERE kind = 'A'") == [(int(table == "agents"),)]
    command.downgrade(project.config(), "one")


def test_a_type_in_use_with_other_labels_is_not_to_be_dropped(tmp_path: Path, postgres_url: str) -> None:
    project = _project(tmp_path, postgres_url)
    project.revision("two", "op.create_enum('kind', 'A')")

    with pytest.raises(CommandError) as refusal:
        command.upgrade(project.config(), "head")

    assert "Present: A, it's. It is used by agents.kind. Write the labels that are there" in str(refusal.value)
    assert "drop" not in str(refusal.value)


def test_a_removed_label_comes_again_at_its_place_and_a_new_one_comes_to_that_of_the_models(
    tmp_path: Path, database_url: str
) -> None:
    project = Project(tmp_path, database_url)
    tables = CREATE_TABLES.replace('"it\'s"', "'B', 'C', 'D'")
    project.revision("one", tables, "op.drop_table('agents')\nop.drop_table('parents')\nop.drop_enum('kind')")
    command.upgrade(project.config(), "head")
    _declare_models(project, "NEW", "A", "NEWER", "D")
    config = project.config()
    config.cmd_opts = Namespace(autogenerate=True)
    before = _labels(database_url)

    command.revision(config, "change", autogenerate=True, rev_id="0123456789ab")
    command.upgrade(project.config(), "head")
    assert _labels(database_url) == ["NEW", "A", "NEWER", "D"]

    command.downgrade(project.config(), "one")
    assert _labels(database_url) == before == ["A", "B", "C", "D"]


def _labels(url: str) -> list[str]:
    engine = create_engine(url)
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            return [*next(label_checks(connection, "kind")).labels]
        (found,) = sa.inspect(connection).get_enums()  # type: ignore[attr-defined]
        return list(found["labels"])
