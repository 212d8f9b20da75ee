"""What `flask db migrate` writes for everyday changes of tables with rows: safe, complete, and with a way back."""

import re
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from agents_app.database.url import parse_url
from agents_app.dbtools.autogenerate.settings import ignoring_reflection_warnings
from agents_app.dbtools.database.connections import connect
from agents_app.dbtools.position import read_position
from agents_app.dbtools.review.plan import PlannedStep, make_plan
from tests.dbtools.conftest import FlaskDb
from tests.dbtools.everyday_changes import AGENT, BASE, CHANGES, NO_BASE, ONE, ROWS, THREE, Change, declare
from tests.dbtools.tools import Project, fetch_rows, mostly_long, read_schema, run_sql

CREATE_DATE = re.compile(r"^Create Date: .*$", re.MULTILINE)
FIRST = "0123456789ab"
# One of each kind is tried with every change of the code.
SHORT = ("NOT NULL", "a foreign key", "a renamed column")
EVERY_CHANGE = [
    pytest.param(change, id=name, marks=() if name in SHORT else pytest.mark.long) for name, change in CHANGES.items()
]


def new_project(folder: Path, url: str) -> Project:
    """A database with the tables of BASE and rows in each of them."""
    project = Project(folder, url)
    project.revision("tables", BASE, NO_BASE)
    command.upgrade(project.config(), "head")
    run_sql(url, *ROWS)
    return project


def generate(project: Project, change: Change) -> list[Path]:
    project.metadata.clear()
    declare(project.metadata, change.models())
    config = project.config()
    config.cmd_opts = Namespace(autogenerate=True)
    command.revision(config, "change", autogenerate=True, rev_id=FIRST)
    steps = list(ScriptDirectory(str(project.folder)).walk_revisions())[-2::-1]
    return [Path(step.path) for step in steps]


def answer(files: list[Path], value: bool) -> None:
    for file in files:
        file.write_text(file.read_text().replace('\nis_rename = "?"\n', f"\nis_rename = {value}\n"))


def plan_of(project: Project) -> tuple[PlannedStep, ...]:
    script = ScriptDirectory(str(project.folder))
    with connect(parse_url(project.url)) as connection:
        return make_plan(connection, script, read_position(connection, script)).steps


def schema_of(url: str) -> dict[str, Any]:
    # A column that is added again is the last one.
    with ignoring_reflection_warnings():
        schema = read_schema(url)
    for table in schema["tables"].values():
        table["columns"].sort(key=lambda column: column["name"])
    return schema


def _names(files: list[Path]) -> list[str]:
    return [file.stem.partition("_change")[2].lstrip("_") for file in files]


@pytest.mark.parametrize("change", EVERY_CHANGE)
def test_a_change_of_tables_with_rows_needs_no_edit(tmp_path: Path, database_url: str, change: Change) -> None:
    project = new_project(tmp_path, database_url)
    before = schema_of(project.url)
    files = generate(project, change)
    if change.answer is not None:
        answer(files, change.answer)
    marked = [file for file in files if "\nafter_release = True\n" in file.read_text()]

    assert _names(files) == [*change.files, *change.marked]
    assert marked == files[len(change.files) :]
    for name, step in zip(change.files, plan_of(project), strict=False):
        assert bool(step.warnings) == (name in change.warned), step.name

    command.upgrade(project.config(), "head")
    after = schema_of(project.url)
    command.check(project.config())
    command.downgrade(project.config(), f"-{len(files)}")
    assert schema_of(project.url) == before
    command.upgrade(project.config(), "head")
    command.check(project.config())
    assert schema_of(project.url) == after
    assert fetch_rows(project.url, "SELECT count(*) FROM agents") == [(2,)]


@pytest.mark.parametrize("change", EVERY_CHANGE)
def test_the_same_files_come_from_both_databases(
    tmp_path: Path, sqlite_url: str, postgres_url: str, change: Change
) -> None:
    written = [
        [(file.name, CREATE_DATE.sub("", file.read_text())) for file in generate(new_project(tmp_path, url), change)]
        for url in (sqlite_url, postgres_url)
    ]

    assert written[0] == written[1]


RENAME = CHANGES["a renamed column"]


def test_an_open_question_stops_every_command_before_anything_is_changed(
    tmp_path: Path, database_url: str, flask_db: FlaskDb
) -> None:
    project = new_project(tmp_path, database_url)
    files = generate(project, RENAME)
    (asks,) = [file for file in files if file.name.endswith("_change_rename_agents_name_heading.py")]
    before = schema_of(project.url)

    plan = flask_db(project.url, "plan", project=project)
    refusals = [
        flask_db(project.url, *words, project=project)
        for words in (("upgrade",), ("deploy",), ("deploy", "--yes", "--no-backup"))
    ]

    assert plan.exit_code == 1
    assert "DANGER" in plan.output
    assert f"Set is_rename = True or is_rename = False in {asks}" in _on_one_line(plan.output)
    for refusal in refusals:
        assert refusal.exit_code == 1
        assert str(asks) in _on_one_line(refusal.output)
    assert "agents.name is gone and agents.heading is new" in asks.read_text()
    assert schema_of(project.url) == before


@pytest.mark.parametrize(
    ("is_rename", "copied"), mostly_long([(True, [(1,), (None,)]), (False, [(None,), (None,)])], 2)
)
def test_the_answer_decides_whether_values_are_copied(
    tmp_path: Path, database_url: str, is_rename: bool, copied: list[tuple[int | None]]
) -> None:
    project = new_project(tmp_path, database_url)
    change = CHANGES["a column for another one"]
    answer(generate(project, change), is_rename)

    command.upgrade(project.config(), f"+{len(change.files)}")
    assert fetch_rows(project.url, "SELECT weight FROM agents ORDER BY id") == copied
    command.upgrade(project.config(), "head")
    command.downgrade(project.config(), FIRST)

    assert fetch_rows(project.url, "SELECT size FROM agents ORDER BY id") == copied


def test_a_wrong_answer_is_said_by_the_plan_and_can_be_corrected(
    tmp_path: Path, database_url: str, flask_db: FlaskDb
) -> None:
    project = new_project(tmp_path, database_url)
    files = generate(project, CHANGES["a column for another one"])
    answer(files, False)
    plan = flask_db(project.url, "plan", project=project)
    assert "WARN copies no values of size" in plan.output
    command.upgrade(project.config(), "head")
    assert fetch_rows(project.url, "SELECT weight FROM agents ORDER BY id") == [(None,), (None,)]
    (saved,) = (tmp_path / "backups").glob("rows-*/*size*")

    command.downgrade(project.config(), FIRST)
    restored = flask_db(project.url, "restore-rows", str(saved), project=project)
    assert restored.exit_code == 0, restored.output
    asks = next(file for file in files if "is_rename = False" in file.read_text())
    asks.write_text(asks.read_text().replace("is_rename = False", "is_rename = True"))
    command.upgrade(project.config(), "head")

    assert fetch_rows(project.url, "SELECT weight FROM agents ORDER BY id") == [(1,), (None,)]


def test_the_files_of_a_rename_say_which_types_it_has_what_fills_it_and_what_nobody_can_know(
    tmp_path: Path, database_url: str
) -> None:
    project = new_project(tmp_path, database_url)
    longer = Change(
        lambda: {
            "agents": {
                "name": None,
                "unique": None,
                "heading": sa.Column(sa.String(80), nullable=False),
                "rank": None,
                "place": sa.Column(sa.Integer(), server_default="0", nullable=False),
            }
        }
    )
    texts = {file.stem.partition("_change_")[2]: file.read_text() for file in generate(project, longer)}
    heading, place = texts["rename_agents_name_heading"], texts["rename_agents_rank_place"]
    required = texts["not_null_agents_heading"]

    assert "agents.heading is new, with the types VARCHAR(50) and VARCHAR(80). Is heading the new" in heading
    assert "copies name again to rows in which heading is empty" in heading
    assert "agents.place is new, and both have the same type." in place
    assert "They are not copied again" in place
    assert "The step rename_agents_name_heading fills agents.heading, if its answer is True." in required
    assert "No step fills" not in required


def test_a_constant_default_does_not_fill_a_unique_column_or_a_reference(tmp_path: Path, sqlite_url: str) -> None:
    project = new_project(tmp_path, sqlite_url)
    items = {
        "slug": sa.Column(sa.String(9), default="", nullable=False, unique=True),
        "owner_id": sa.Column(sa.ForeignKey("accounts.id"), default=ONE, nullable=False),
        "code": sa.Column(sa.String(9), default="", nullable=False),
    }
    texts = {
        f.stem.partition("_change_")[2]: f.read_text() for f in generate(project, Change(lambda: {"parts": items}))
    }

    assert [name for name in texts if name.startswith("fill_")] == ["fill_parts_code"]
    assert "parts.slug: it is UNIQUE, and all rows would get the default" in texts["not_null_parts_slug"]
    assert "parts.owner_id: the default of its model may refer to a row" in texts["not_null_parts_owner_id"]


def test_a_check_on_a_column_that_is_dropped_goes_with_it_and_accepts_the_rows_of_the_new_release(
    tmp_path: Path, sqlite_url: str
) -> None:
    project = new_project(tmp_path, sqlite_url)
    batch = "with op.batch_alter_table('parts') as batch:\n    batch."
    lines = [
        f"op.add_column('parts', sa.Column('{name}', sa.Integer(), server_default='1', nullable=False))\n"
        + f"{batch}alter_column('{name}', server_default=None)"
        for name in ("free", "full")
    ]
    checks = {"free": "free >= 0", "full": "full > 0", "pair": "free < 9 OR full < 9"}
    lines += [f"{batch}create_check_constraint('{name}', '{condition}')" for name, condition in checks.items()]
    project.revision("rules", "\n".join(lines))
    command.upgrade(project.config(), "head")
    names = [file.stem.partition("_change_")[2] for file in generate(project, Change(dict))[1:]]

    # The value of a row of the new release is 0, where the CHECK accepts that, and else none.
    marked = ["drop_ck_parts_free", "drop_ck_parts_full", "drop_parts_free", "drop_parts_full"]
    assert names == ["default_parts_free", "optional_parts_full", "drop_ck_parts_pair", *marked]
    for file in project.versions.glob("0*.py"):
        assert ("\nafter_release = True\n" in file.read_text()) == (file.stem.partition("_change_")[2] in marked)


def test_a_column_of_a_primary_key_without_a_model_is_refused_before_a_file_is_written(
    tmp_path: Path, database_url: str
) -> None:
    project = new_project(tmp_path, database_url)
    number = {"number": None, "place": sa.Column(sa.Integer(), primary_key=True)}
    change = Change(lambda: {"parts": number})

    with pytest.raises(CommandError, match=r"parts\.number is in the primary key, and no model has it.*No file was"):
        generate(project, change)

    assert len(list(project.versions.glob("*.py"))) == 1


def test_a_value_that_the_new_release_wrote_is_not_replaced_by_the_old_one(tmp_path: Path, database_url: str) -> None:
    project = new_project(tmp_path, database_url)
    files = generate(project, RENAME)
    answer(files, True)
    command.upgrade(project.config(), FIRST)
    run_sql(project.url, "UPDATE agents SET heading = 'new' WHERE name = 'one'")

    command.upgrade(project.config(), "head")

    assert fetch_rows(project.url, "SELECT heading FROM agents ORDER BY id") == [("new",), ("two",)]


def test_a_text_that_a_shorter_column_cannot_hold_is_refused_in_both_directions(
    tmp_path: Path, postgres_url: str
) -> None:
    project = new_project(tmp_path, postgres_url)
    change = Change(
        lambda: {
            "agents": {
                "title": sa.Column(sa.String(2), nullable=False),
                "name": sa.Column(sa.Text(), nullable=False),
                "note": sa.Column(sa.Integer()),
            }
        }
    )
    files = generate(project, change)
    steps = {step.name: [check.what for check in step.checks if check.stops] for step in plan_of(project)}
    using = [line.strip() for file in files for line in file.read_text().splitlines() if "postgresql_using" in line]

    assert using == ["postgresql_using='CAST(note AS INTEGER)')"]
    assert steps["change_type_agents_title"] == ["2 rows of agents have a value in title that VARCHAR(2) cannot hold"]
    command.upgrade(project.config(), FIRST)
    run_sql(postgres_url, f"UPDATE agents SET name = '{'x' * 60}' WHERE name = 'one'")
    with connect(parse_url(postgres_url)) as connection:
        script = ScriptDirectory(str(project.folder))
        (back,) = make_plan(connection, script, read_position(connection, script), "-1").steps
    assert [check.what for check in back.checks if check.stops] == [
        "1 row of agents has a value in name that VARCHAR(50) cannot hold"
    ]


def test_rows_get_the_default_of_the_model(tmp_path: Path, database_url: str) -> None:
    project = new_project(tmp_path, database_url)
    change = CHANGES["a required column with a default in Python"]
    files = generate(project, change)

    command.upgrade(project.config(), "head")

    assert fetch_rows(project.url, "SELECT purpose FROM agents") == [("it's",), ("it's",)]
    assert "UPDATE agents SET purpose = 'it''s' WHERE purpose IS NULL" in files[1].read_text()


def test_a_required_column_without_a_default_is_refused_until_rows_have_values(
    tmp_path: Path, database_url: str
) -> None:
    project = new_project(tmp_path, database_url)
    change = Change(lambda: {"agents": {"purpose": sa.Column(sa.Text(), nullable=False)}})
    files = generate(project, change)
    (check,) = [check for step in plan_of(project) for check in step.checks]

    assert check.note.endswith("makes the column agents.purpose, and no step fills it")
    assert "# No step fills agents.purpose" in files[1].read_text()
    command.upgrade(project.config(), FIRST)
    with pytest.raises(CommandError, match="2 rows of agents without a value in purpose"):
        command.upgrade(project.config(), "head")
    run_sql(project.url, "UPDATE agents SET purpose = 'x'")
    command.upgrade(project.config(), "head")

    assert _names(files) == ["", "not_null_agents_purpose"]
    command.check(project.config())


@pytest.mark.parametrize(
    "name", mostly_long(["no required column", "a required column with a default in Python", "no table"], 3)
)
def test_the_previous_release_writes_rows_until_the_marked_steps(tmp_path: Path, database_url: str, name: str) -> None:
    project = new_project(tmp_path, database_url)
    generate(project, CHANGES[name])
    if CHANGES[name].files:
        command.upgrade(project.config(), f"+{len(CHANGES[name].files)}")

    run_sql(project.url, f"INSERT INTO agents {AGENT} VALUES ('{THREE}', 'c', 'C', 'c', '', 1, 'A', NULL, '{ONE}')")

    assert fetch_rows(project.url, "SELECT count(*) FROM agents") == [(3,)]


def test_values_of_a_dropped_column_can_be_restored(
    tmp_path: Path, database_url: str, backup_folder: Path, flask_db: FlaskDb
) -> None:
    project = new_project(tmp_path, database_url)
    generate(project, CHANGES["no required column"])
    command.upgrade(project.config(), "head")
    command.downgrade(project.config(), "-1")
    assert fetch_rows(project.url, "SELECT text FROM agents ORDER BY id") == [("",), ("",)]

    restored = flask_db(project.url, "restore-rows", *map(str, backup_folder.glob("rows-*")), project=project)

    assert restored.exit_code == 0, restored.output
    assert fetch_rows(project.url, "SELECT text FROM agents ORDER BY id") == [("long",), ("",)]


def test_each_file_is_printed_and_a_check_prints_each_difference_once(
    tmp_path: Path, database_url: str, flask_db: FlaskDb
) -> None:
    project = new_project(tmp_path, database_url)
    change = CHANGES["a required column with a default in Python"]
    project.metadata.clear()
    declare(project.metadata, change.models())

    check = flask_db(project.url, "check", project=project)
    written = flask_db(project.url, "migrate", "-m", "add_purpose", project=project)

    assert check.output.count("agents.purpose: the column is missing") == 1
    assert "1 difference." in check.output
    names = ["add_purpose.py", "add_purpose_fill_agents_purpose.py", "add_purpose_not_null_agents_purpose.py"]
    assert sorted(file.name.partition("_")[2] for file in project.versions.glob("*_add_*.py")) == sorted(names)
    assert all(f"_{name} ..." in _on_one_line(written.output) for name in names)


def test_a_check_without_a_name_is_refused_with_its_table(tmp_path: Path, database_url: str, flask_db: FlaskDb) -> None:
    project = new_project(tmp_path, database_url)
    checks = {"new": sa.CheckConstraint("size < 9"), "other": sa.CheckConstraint("rank < 9")}
    change = Change(lambda: {"agents": checks})
    declare(project.metadata, change.models())

    refused = flask_db(project.url, "migrate", "-m", "add_check", project=project)

    assert refused.exit_code == 1
    expected = "Give each CHECK in the models a name: CheckConstraint(..., name=...)."
    assert f"{expected} Without one: agents (rank < 9), agents (size < 9)." in _on_one_line(refused.output)
    assert len(list(project.versions.glob("*.py"))) == 1


def _on_one_line(output: str) -> str:
    return " ".join(output.split())
