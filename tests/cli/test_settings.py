"""Every door reads the same settings in every current folder: real commands in a copy of the project."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Checkout, Server, free_port, wait_for
from tests.fork_server import programs
from tests.make import KEYS
from tests.project import copy_project

BIN = Path(sys.executable).parent
# Commands for the project's root that name the database that they cannot find.
DOORS = {
    "flask": ["flask", "db", "current"],
    "alembic": ["alembic", "current"],
}
# The same from any other folder.
FROM_ANYWHERE = {
    "flask --app": ["flask", "--app", "{root}/wsgi.py", "db", "current"],
    "FLASK_APP": ["env", "FLASK_APP={root}/wsgi.py", "flask", "db", "current"],
    "alembic -c": ["alembic", "-c", "{root}/pyproject.toml", "current"],
    "ALEMBIC_CONFIG": ["env", "ALEMBIC_CONFIG={root}/pyproject.toml", "alembic", "current"],
}
REFUSE = {**DOORS, "make run": ["flask", "prepare"], "another server": ["python", "-c", "import wsgi"]}
BAD = {
    "a slip in a name": (
        b"\nDATABSE_URL=canary\n",
        "DATABSE_URL in .env, line 2, is not a setting. Did you mean",
    ),
    "two slashes": (b"DATABASE_URL=sqlite://canary/x.db\n", "DATABASE_URL must have three slashes and then the path"),
    "a variable": (b"BIND=${canary}:8000\n", "BIND in .env, line 1, contains ${...}, and variables are not replaced."),
}


def types(checkout: Checkout, folder: Path, words: list[str], **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in a folder."""
    return subprocess.run(
        [word.format(root=checkout.folder) for word in words],
        check=False,
        cwd=folder,
        env={"PATH": f"{programs()}:{BIN}:/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8", **settings},
        capture_output=True,
        text=True,
    )


def database_of(run: "subprocess.CompletedProcess[str]") -> str:
    """The file of the database that a command looked for."""
    assert run.returncode != 0
    (line,) = (run.stdout + run.stderr).splitlines()
    return line.partition("sqlite:///")[2].partition(": ")[0]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A copy of the project for commands that are refused."""
    return Checkout(copy_project(tmp_path_factory.mktemp("shared") / "agent console"), {})


@pytest.fixture
def foreign(checkout: Checkout) -> Path:
    """The folder above the project, which holds another program's settings."""
    folder = checkout.folder.parent
    (folder / ".env").write_text("DATABASE_URL=sqlite:////srv/foreign.db\nBIND=nonsense\nDATABSE_URL=x\n")
    (folder / ".flaskenv").write_text("DATABASE_URL=sqlite:////srv/foreign.db\nWORKERS=none\n")
    return folder


@pytest.mark.parametrize("door", DOORS)
def test_settings_of_a_parent_folder_are_not_read(checkout: Checkout, foreign: Path, door: str) -> None:
    assert database_of(types(checkout, checkout.folder, DOORS[door])) == f"{checkout.folder}/instance/console.db"


@pytest.mark.parametrize("door", FROM_ANYWHERE)
def test_commands_work_from_any_folder_and_read_the_projects_settings(
    checkout: Checkout, foreign: Path, door: str
) -> None:
    checkout.env_file.write_text("DATABASE_URL='sqlite:///data/${HOME}.db'\n")

    assert database_of(types(checkout, foreign, FROM_ANYWHERE[door])) == f"{checkout.folder}/data/${{HOME}}.db"


def test_the_environment_of_the_process_overrides_files_even_with_the_same_value_in_a_foreign_file(
    checkout: Checkout, foreign: Path
) -> None:
    checkout.env_file.write_text("DATABASE_URL=sqlite:////srv/own.db\n")

    run = types(checkout, checkout.folder, DOORS["flask"], DATABASE_URL="sqlite:////srv/foreign.db")

    assert database_of(run) == "/srv/foreign.db"


@pytest.mark.parametrize("skip", [{}, {"FLASK_SKIP_DOTENV": "1"}])
def test_a_child_process_of_flask_keeps_its_environment_and_reads_no_foreign_file(
    checkout: Checkout, foreign: Path, skip: dict[str, str]
) -> None:
    inherited = {"FLASK_RUN_FROM_CLI": "true", **skip}

    given = types(checkout, checkout.folder, DOORS["flask"], **inherited, DATABASE_URL="sqlite:////srv/given.db")
    same = types(checkout, checkout.folder, DOORS["flask"], **inherited, DATABASE_URL="sqlite:////srv/foreign.db")
    none = types(checkout, checkout.folder, DOORS["flask"], **inherited, WORKERS="2")

    assert [database_of(run) for run in (given, same)] == ["/srv/given.db", "/srv/foreign.db"]
    assert database_of(none) == f"{checkout.folder}/instance/console.db"


def test_other_variables_of_a_file_are_not_passed_to_libraries(checkout: Checkout, foreign: Path) -> None:
    checkout.env_file.write_text("DATABASE_URL=postgresql://127.0.0.1:1/console\nPGAPPNAME=x\nPGSSLMODE=nonsense\n")

    for door in ("flask", "alembic"):
        refused = types(checkout, checkout.folder, DOORS[door])

        assert "Cannot use postgresql://127.0.0.1:1/console: Connection refused" in refused.stdout + refused.stderr


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("door", REFUSE)
def test_bad_settings_are_one_line_at_every_door(shared: Checkout, door: str, bad: str) -> None:
    shared.env_file.write_bytes(BAD[bad][0])

    refused = types(shared, shared.folder, REFUSE[door])

    assert refused.returncode != 0
    (line,) = (refused.stdout + refused.stderr).splitlines()
    assert BAD[bad][1] in line
    assert "canary" not in line


def test_utf_16_is_one_line_where_flask_itself_does_not_read_the_file(checkout: Checkout) -> None:
    checkout.env_file.write_bytes("DATABASE_URL=sqlite:////srv/canary.db\n".encode("utf-16"))

    alembic = types(checkout, checkout.folder, DOORS["alembic"])
    flask = types(checkout, checkout.folder, DOORS["flask"], FLASK_SKIP_DOTENV="1")

    for refused in (alembic, flask):
        assert refused.returncode != 0
        (line,) = (refused.stdout + refused.stderr).splitlines()
        assert line.endswith(".env cannot be read: it is UTF-16. Save it as UTF-8.")


def test_the_next_command_is_named_as_it_can_be_typed_in_another_folder(
    checkout: Checkout, postgres_url: str, tmp_path: Path
) -> None:
    words = ["flask", "--app", "{root}/wsgi.py", "serve"]

    behind = types(
        checkout, tmp_path, words, **{**KEYS, "DATABASE_URL": postgres_url, "BIND": f"127.0.0.1:{free_port()}"}
    )

    typed = f"flask --app '{checkout.folder}/wsgi.py' db deploy"
    assert behind.stderr == f"Error: The database schema is behind the program. Run: {typed}\n"


def test_workers_read_the_file_that_was_chosen(ready: Checkout, foreign: Path) -> None:
    ready.settings["API_DOCS_PATH"] = "/reference"
    (foreign / "chosen").write_text("".join(f"{name}={text}\n" for name, text in ready.settings.items()))
    url = f"http://{ready.settings['BIND']}"
    ready.settings.clear()

    server = Server(ready.start("-e", "../chosen", "serve"), url)

    try:
        wait_for(lambda: server.answers("/healthz"))
        assert (server.get("/reference/")[0], server.get("/readyz")[0]) == (404, 200)
        assert server.get("/reference")[0] == 200
    finally:
        server.kill()
