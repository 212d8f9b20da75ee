"""The migrations that Alembic writes: the same on both databases, complete, and only about the console's tables."""

import re
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from agents_app.database.url import parse_url
from agents_app.db import Json, UtcDateTime
from agents_app.dbtools.database.connections import read_only_connection
from agents_app.dbtools.position import read_position
from agents_app.dbtools.status import read_status
from tests.dbtools.conftest import FlaskDb
from tests.dbtools.tools import Project, read_schema, run_sql

CREATE_DATE = re.compile(r"^Create Date: .*$", re.MULTILINE)
CREATE_PARENTS = """
op.create_table('accounts', sa.Column('id', sa.Uuid(), primary_key=True))
op.create_table('users', sa.Column('id', sa.Uuid(), primary_key=True))
"""


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> Project:
    """A folder of migrations with one step that created the parents of the guide's table, and models of these."""
    return _project(tmp_path, database_url)


def _project(folder: Path, url: str) -> Project:
    project = Project(folder, url)
    project.revision("parents", CREATE_PARENTS, "op.drop_table('users')\nop.drop_table('accounts')")
    project.add_guide_parents()
    command.upgrade(project.config(), "head")
    return project


def _declare_agents(project: Project) -> sa.Table:
    return sa.Table(
        "agents",
        project.metadata,
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("status", sa.String(50), nullable=False, server_default="active"),
        sa.Column("kind", sa.Enum("POWERBI", "DB", name="connectiontype", create_constraint=True), nullable=False),
        sa.Column("config", Json, nullable=False),
        sa.Column("account_id", sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("created_by", sa.ForeignKey("users.id", ondelete="SET NULL"), index=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.CheckConstraint("status IN ('active', 'disabled')", name="status"),
    )


def _generate(project: Project, name: str = "add_agents_table") -> list[Path]:
    before = set(project.versions.glob("*.py"))
    config = project.config()
    config.cmd_opts = Namespace(autogenerate=True)
    command.revision(config, name, autogenerate=True, rev_id="0123456789ab")
    return sorted(set(project.versions.glob("*.py")) - before)


def test_the_same_file_comes_from_both_databases(tmp_path: Path, sqlite_url: str, postgres_url: str) -> None:
    written = []
    for url in (sqlite_url, postgres_url):
        project = _project(tmp_path, url)
        _declare_agents(project)
        (file,) = _generate(project)
        written.append((file.name, CREATE_DATE.sub("", file.read_text())))

    assert written[0] == written[1]
    assert written[0][0] == "0123456789ab_add_agents_table.py"


def test_the_file_works_without_changes(project: Project) -> None:
    _declare_agents(project)
    _generate(project)

    command.upgrade(project.config(), "head")
    created = read_schema(project.url)
    command.check(project.config())
    command.downgrade(project.config(), "-1")
    assert read_schema(project.url)["tables"].keys() == {"accounts", "users"}
    assert read_schema(project.url)["enums"] == []
    command.upgrade(project.config(), "head")

    assert read_schema(project.url) == created


def test_the_file_has_all_operations(project: Project) -> None:
    _declare_agents(project)
    (file,) = _generate(project)
    text = file.read_text()

    assert "op.require_tables('accounts', 'users')" in text
    assert "op.create_enum('connectiontype', 'POWERBI', 'DB')" in text
    assert "op.create_index(op.f('ix_agents_account_id'), 'agents', ['account_id'], unique=False)" in text
    assert text.index("op.drop_table('agents')") < text.index("op.drop_enum('connectiontype', 'POWERBI', 'DB')")


def test_the_file_has_no_comment_of_alembic_and_ends_with_a_line_break(project: Project) -> None:
    _declare_agents(project)
    (file,) = _generate(project)

    assert "#" not in file.read_text()
    assert file.read_text().endswith(")\n")


def test_a_check_lists_what_differs_and_not_what_a_new_file_needs_first(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    _declare_agents(project)

    with pytest.raises(CommandError):
        command.check(project.config())

    lines = capsys.readouterr().err.splitlines()
    assert "agents: the table is missing. The steps agree with the database: the models were changed." in lines
    assert "require_tables" not in "".join(lines)


def test_without_changes_no_file_is_written(project: Project) -> None:
    assert _generate(project) == []
    assert "No changes in schema detected." in project.printed.getvalue()


def test_a_model_that_is_not_imported_is_named_and_nothing_is_compared(
    project: Project, tmp_path: Path, flask_db: FlaskDb
) -> None:
    (tmp_path / "forgotten.py").write_text("raise AssertionError('This must not be imported.')")
    project.models.__path__ = [str(tmp_path)]

    for words in (("check",), ("migrate", "-m", "change")):
        run = flask_db(project.url, *words, project=project)
        last = run.output.splitlines()[-1]
        assert run.exit_code == 1
        assert last.startswith("Error: models.forgotten is not imported in models"), run.output
        assert "No changes" not in run.output
    assert not list(project.versions.glob("*change*"))
    assert "models.forgotten" not in sys.modules


def test_tables_of_other_programs_are_left_alone(project: Project) -> None:
    run_sql(project.url, "CREATE TABLE theirs (id integer PRIMARY KEY, account_id integer)")

    command.check(project.config())

    assert _generate(project) == []


def test_a_table_of_the_console_without_a_model_is_dropped(project: Project) -> None:
    project.metadata.remove(project.metadata.tables["users"])

    (file,) = _generate(project)

    assert "op.drop_table('users')" in file.read_text()
    assert "accounts" not in file.read_text()


def test_a_new_enum_column_creates_its_type(project: Project) -> None:
    kind = sa.Enum("A", "B", name="kind")
    project.metadata.tables["users"].append_column(sa.Column("kind", kind))
    (file,) = _generate(project)

    assert "op.create_enum('kind', 'A', 'B')" in file.read_text()
    command.upgrade(project.config(), "head")
    command.downgrade(project.config(), "-1")
    command.upgrade(project.config(), "head")
    command.check(project.config())


def test_a_new_check_constraint_is_detected(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    agents = _declare_agents(project)
    _generate(project)
    command.upgrade(project.config(), "head")
    project.metadata.remove(agents)
    changed = _declare_agents(project)
    changed.append_constraint(sa.CheckConstraint("name <> ''", name="name"))

    with pytest.raises(CommandError, match="differ: 1 difference"):
        command.check(project.config())
    assert "agents: CHECK ck_agents_name (name <> '') is missing." in capsys.readouterr().err


def test_a_message_may_contain_any_characters(project: Project) -> None:
    _declare_agents(project)
    (file,) = _generate(project, 'C:\\users\\new, """says""" "he"')

    command.upgrade(project.config(), "head")

    assert file.read_text().startswith('"""C:\\\\users')


def test_a_name_that_postgresql_would_cut_is_refused_before_anything_is_compared(project: Project) -> None:
    table = _declare_agents(project)
    table.append_constraint(sa.CheckConstraint("name <> ''", name="x" * 60))
    sa.Index("i" * 64, table.c.name)

    for act in (lambda: command.check(project.config()), lambda: _generate(project)):
        with pytest.raises(CommandError) as refusal:
            act()
        long = f"ck_agents_{'x' * 60} of the table agents (70), {'i' * 64} of the table agents (64)"
        advice = "Give each a name of at most 63 bytes in the models."
        assert str(refusal.value) == f"PostgreSQL has no names of more than 63 bytes: {long}. {advice}"

    with read_only_connection(parse_url(project.url)) as connection:
        script = ScriptDirectory(str(project.folder))
        found = read_status(connection, script, project.metadata, read_position(connection, script), None)
    (what,) = [problem.what for problem in found.problems if problem.code == "models.names" and problem.stops_steps(())]
    assert what.startswith("PostgreSQL has no names of more than 63 bytes: ck_agents_xxx")
    assert [path.name for path in project.versions.glob("*.py")] == ["parents.py"]
