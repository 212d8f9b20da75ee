"""A file that the user of a command may not use is refused with that user, who may not be the one who typed it."""

import os
import pwd
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import pytest
from alembic.util import CommandError
from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import OperationalError

from agents_app import db  # noqa: F401  # Its listeners see every connection.
from agents_app.cli.files import InputFile, write_file
from agents_app.dbtools.runner.error_messages import readable_errors
from agents_app.errors import Unavailable
from agents_app.paths import HOME
from tests import isolation
from tests.another_user import NOBODY, another_user, let_others_pass
from tests.cli.conftest import free_port
from tests.make import KEYS
from tests.project import shared_copy

# The Python of the tests can belong to a user whose modules others may not read: what is needed is imported first.
AS_ANOTHER_USER = """
import codecs, importlib, os, pkgutil
import agents_app
for module in pkgutil.walk_packages(agents_app.__path__, "agents_app."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
from agents_app.__main__ import main
codecs.lookup("utf-8-sig")
if os.geteuid() == 0:
    os.setresuid(65534, 65534, 65534)
main()
"""


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A folder that only its owner may enter."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    (folder / "file").touch(mode=0o600)
    return folder


def user_of_the_command() -> str:
    """The name of the user within `another_user`."""
    return pwd.getpwuid(os.geteuid() or NOBODY).pw_name


def test_a_result_that_cannot_be_written_names_the_user_of_the_command(closed: Path) -> None:
    with another_user(closed), pytest.raises(Unavailable) as refusal:
        write_file(str(closed / "file"), [b"text"])

    expected = f"{closed / 'file'} cannot be written: Permission denied. This command runs as the user "
    assert refusal.value.detail.startswith(expected + user_of_the_command())


def test_an_input_that_cannot_be_read_names_the_user_of_the_command(closed: Path) -> None:
    with another_user(closed), pytest.raises(click.BadParameter) as refusal:
        InputFile("rb").convert(str(closed / "file"), None, None)

    assert f"Permission denied. This command runs as the user {user_of_the_command()}" in refusal.value.message


def test_a_backup_that_cannot_be_read_names_the_user_of_the_command(closed: Path) -> None:
    with another_user(closed), pytest.raises(CommandError) as refusal, readable_errors(make_url("sqlite://")):
        (closed / "file").read_bytes()

    assert f"Permission denied. This command runs as the user {user_of_the_command()}" in str(refusal.value)


def test_a_database_that_cannot_be_opened_has_its_cause(closed: Path) -> None:
    engine = create_engine(f"sqlite:///{closed / 'file'}")

    with another_user(closed), pytest.raises(OperationalError, match="Permission denied"):
        engine.connect()


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        ("prepare", "Error: Cannot open sqlite:///{}: Permission denied. Check DATABASE_URL.\n"),
        ("serve", "Error: Cannot open sqlite:///{}: Permission denied. Check DATABASE_URL.\n"),
        ("users list", "Error: The database cannot be reached. Try again in a moment.\n  Permission denied\n"),
    ],
)
def test_a_command_of_a_user_who_may_not_open_the_database_prints_no_traceback(command: str, refusal: str) -> None:
    # Not below the folder of pytest: another run that begins closes that one for others.
    home = Path(tempfile.mkdtemp(dir=isolation.HOME))
    database = home / "instance" / "console.db"
    database.parent.mkdir()
    database.touch()
    for folder in (home, shared_copy()):
        let_others_pass(folder)
    database.parent.chmod(0)
    words = [sys.executable, "-c", AS_ANOTHER_USER, *command.split()]
    # Not the usual port: a console may be running.
    environment = {
        "AGENT_CONSOLE_HOME": str(home),
        "PYTHONPATH": str(shared_copy()),
        "BIND": f"127.0.0.1:{free_port()}",
        **KEYS,
    }

    refused = subprocess.run(words, cwd=home, env=environment, check=False, capture_output=True, text=True)

    database.parent.chmod(0o700)
    assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", refusal.format(database))


def test_a_folder_is_advised_only_if_that_user_can_write_to_it(closed: Path) -> None:
    with another_user(closed), pytest.raises(Unavailable) as refusal:
        write_file(str(closed / "file"), [b"text"])
    with another_user(closed):
        can_write = os.access(HOME, os.W_OK)

    assert (f"who can write to {HOME}" in refusal.value.detail) is can_write
