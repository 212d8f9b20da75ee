"""`isolation.py` prevents tests from accessing the data of the person who runs them; tested in a copy of the project.

Each made-up test goes for the data in one way, and its own `pytest` must be red.
"""

import hashlib
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests import isolation
from tests.dbtools.tools import run_sql
from tests.project import copy_project

# What the person who types the command may have set; the last two are read by PostgreSQL's clients and by Python.
OF_A_PERSON = {
    "DATABASE_URL": "sqlite:///instance/console.db",
    "SECRET_KEY": "of-the-person",
    "FLASK_APP": "of_the_person",
    "BACKUP_FOLDER": "backups",
    "PGSERVICE": "of-the-person",
    "PYTHONWARNINGS": "error",
}
CONSOLE = ("CREATE TABLE agents (name text)", "INSERT INTO agents VALUES ('of the person')")
# ROOT is the checkout of the made-up tests. In each the statement must be refused, or else the test passes.
WAYS = {
    "open": "(ROOT / '.env').read_text()",
    "create": "(ROOT / 'instance' / 'new').touch()",
    "create_folder": "(ROOT / 'backups' / 'new').mkdir()",
    "list": "list((ROOT / 'backups').iterdir())",
    "list_by_name": "os.listdir(ROOT / 'instance')",
    "remove": "(ROOT / '.env').unlink()",
    "remove_all": "shutil.rmtree(ROOT / 'backups')",
    "remove_checkout": "shutil.rmtree(ROOT)",
    "rename_checkout": "ROOT.rename(ROOT.parent / 'renamed')",
    "rename": "(ROOT / 'instance').rename(ROOT / 'renamed')",
    "put_in_place": "Path('new').touch(); Path('new').replace(ROOT / '.env')",
    "copy": "shutil.copy(ROOT / 'instance' / 'console.db', 'copy')",
    "copy_all": "shutil.copytree(ROOT, 'copy')",
    "sqlite": "sqlite3.connect(ROOT / 'instance' / 'console.db')",
    "sqlite_url": "sqlite3.connect(f'file:{ROOT}/instance/console.db?mode=ro', uri=True)",
    "link": "Path('link').symlink_to(ROOT); Path('link/.env').read_text()",
    "settings": "config.load({})",
    "default_database": "dbtools.upgrade_to_head(config.load({}, None).database_url)",
    "caught": "suppressed((ROOT / '.env').read_text)",
    "forked": "in_a_fork((ROOT / '.env').read_text)",
    "program_there": "subprocess.run(['cat', '.env'], cwd=ROOT)",
    "program_below": "subprocess.run(['cat', '../.env'], cwd=ROOT / 'tests')",
    "program_where_the_test_went": "os.chdir(ROOT); subprocess.run(['cat', '.env'])",
    "program_with_a_path": "subprocess.run(['cat', ROOT / '.env'])",
    "program_with_a_script": "subprocess.run(['sh', '-c', f'cat \"{ROOT}/.env\"'])",
    "program_with_a_setting": "subprocess.run(['true'], env={'DATABASE_URL': f'sqlite:///{ROOT}/instance/console.db'})",
    "program_with_an_inherited_setting": "os.environ['BACKUP_FOLDER'] = str(ROOT); subprocess.run(['true'])",
    "shell": "os.system(f'cat {ROOT}/.env')",
}
HAS_TABLES = "The database of TEST_DATABASE_URL has tables. Name an empty one: tests never run next to data."
MADE_UP = """
import contextlib, os, shutil, sqlite3, subprocess, sys
from pathlib import Path
from agents_app import config, dbtools
from agents_app.paths import ROOT

def suppressed(act):
    with contextlib.suppress(Exception):
        act()

def in_a_fork(act):
    child = os.fork()
    if child == 0:
        try:
            act()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
"""
HARMLESS = """
def test_environment():
    given = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    assert given.keys() <= {"PATH", "HOME", "REQUIRE_ALL", "TEST_DATABASE_URL", "VNU_JAR"}
    assert given["HOME"] != "/home/of-the-person"

def test_programs():
    assert subprocess.run([sys.executable, "-c", "import os; print(os.getcwd())"], capture_output=True).stdout
    assert (ROOT / "wsgi.py").read_text()
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the data of a person, and with made-up tests."""
    folder = copy_project(tmp_path_factory.mktemp("person") / "agent-console")
    (folder / ".env").write_text(f"DATABASE_URL=sqlite:///{folder}/instance/console.db\n")
    for name in ("instance", "backups"):
        (folder / name).mkdir()
    (folder / "backups" / "old").write_text("of the person")
    run_sql(f"sqlite:///{folder}/instance/console.db", *CONSOLE)
    tests = [f"def test_{name}():\n    {statement}\n" for name, statement in WAYS.items()]
    (folder / "tests" / "test_made_up.py").write_text("\n".join([MADE_UP, *tests]))
    (folder / "tests" / "test_harmless.py").write_text(MADE_UP + HARMLESS)
    return folder


def run_pytest(folder: Path, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """What `pytest`, typed in a checkout by a person with settings of their own, prints."""
    environment = {"PATH": os.environ["PATH"], **OF_A_PERSON, **settings}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        check=False,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )


def data_of(folder: Path) -> dict[str, str]:
    """The data of the person, by path."""
    files = [folder / ".env", *(folder / "instance").rglob("*"), *(folder / "backups").rglob("*")]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture(scope="module")
def red(checkout: Path) -> set[str]:
    """The ways to the data that made a test fail; nothing was lost by any of them."""
    before, report = data_of(checkout), checkout.parent / "report.xml"

    run_pytest(checkout, "tests/test_made_up.py", f"--junitxml={report}")

    assert data_of(checkout) == before
    cases = list(ET.parse(report).iter("testcase"))
    assert len(cases) == len(WAYS)
    return {
        str(case.get("name")).removeprefix("test_")
        for case in cases
        if any("must not touch" in (failure.text or "") for failure in case.iter("failure"))
    }


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
def test_a_test_that_accesses_the_checkouts_data_fails(way: str, red: set[str]) -> None:
    assert way in red


@pytest.mark.long
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_test_has_an_empty_environment_and_harmless_actions_are_allowed(
    checkout: Path, postgres_url: str, workers: str
) -> None:
    settings = {"HOME": "/home/of-the-person", "REQUIRE_ALL": "1", "TEST_DATABASE_URL": postgres_url}

    run = run_pytest(checkout, "-n", workers, "tests/test_harmless.py", **settings)

    assert run.returncode == 0, run.stdout
    assert "2 passed" in run.stdout


def test_a_server_whose_database_has_tables_is_refused_before_any_test(checkout: Path, postgres_url: str) -> None:
    run_sql(postgres_url, "CREATE TABLE agents (id integer)")

    refused = run_pytest(checkout, "tests/test_harmless.py", TEST_DATABASE_URL=postgres_url)

    assert (refused.returncode, refused.stdout) == (4, "")
    assert refused.stderr.strip() == f"ERROR: {HAS_TABLES}"


def test_tables_of_another_schema_count_as_tables(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run_sql(postgres_url, "CREATE SCHEMA of_others", "CREATE TABLE of_others.agents (id integer)")
    monkeypatch.setenv("TEST_DATABASE_URL", postgres_url)

    with pytest.raises(pytest.UsageError, match=f"^{HAS_TABLES}$"):
        isolation.check_server()


@pytest.mark.parametrize("url", ["postgresql://u:geheim@127.0.0.1:1/x", "sqlite:///instance/console.db", "geheim"])
def test_a_server_that_cannot_be_used_is_refused_in_one_sentence(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_DATABASE_URL", url)

    with pytest.raises(
        pytest.UsageError, match=r"^TEST_DATABASE_URL does not lead to a PostgreSQL server that answers\.$"
    ):
        isolation.check_server()


@pytest.mark.long
def test_the_guide_does_not_change_existing_agents(checkout: Path) -> None:
    # In 0.1.0 its `downgrade` dropped them: commands ran in the checkout, on the database of its `.env`.
    before = data_of(checkout)

    run = run_pytest(checkout, "tests/test_guide.py", "-k", "every_command and alembic and sqlite")

    assert "1 passed" in run.stdout
    assert data_of(checkout) == before
    engine = sa.create_engine(f"sqlite:///{checkout}/instance/console.db", poolclass=sa.NullPool)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM agents").scalar() == 1
