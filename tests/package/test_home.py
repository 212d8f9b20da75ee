"""AGENT_CONSOLE_HOME: where an installed console keeps `.env`, its database and backups. What is wrong is one line."""

import stat
import subprocess

import pytest

from tests.wheel import Installed

pytestmark = pytest.mark.long

DATA = {".env", "instance"}


def refusal(installed: Installed, *words: str, **settings: str) -> str:
    """The one line with which a command is refused."""
    refused = installed(*words, **settings)
    assert (refused.returncode, refused.stdout) == (1, ""), refused.stderr
    assert refused.stderr.count("\n") == 1, refused.stderr
    return refused.stderr.rstrip("\n")


@pytest.mark.parametrize("words", [("serve",), ("prepare",), ("db", "status"), ("agents", "list")])
def test_a_folder_that_does_not_exist_is_refused_and_not_created(installed: Installed, words: tuple[str, ...]) -> None:
    missing = installed.folder / "missing"

    sentence = refusal(installed, *words, AGENT_CONSOLE_HOME=str(missing))

    assert sentence == f"AGENT_CONSOLE_HOME names {missing}, which does not exist."
    assert list(installed.folder.iterdir()) == []


def test_a_file_and_a_user_who_does_not_exist_are_refused(installed: Installed) -> None:
    file = installed.folder / "file"
    file.touch()

    assert refusal(installed, "prepare", AGENT_CONSOLE_HOME=str(file)) == (
        f"AGENT_CONSOLE_HOME names {file}, which is not a folder."
    )
    unknown = installed.folder / "~nobody-of-that-name"
    assert refusal(installed, "prepare", AGENT_CONSOLE_HOME="~nobody-of-that-name") == (
        f"AGENT_CONSOLE_HOME names {unknown}, which does not exist."
    )


def test_a_folder_that_cannot_be_written_is_refused(installed: Installed) -> None:
    # No file can be created in /proc, by root neither.
    set_to = refusal(installed, "prepare", AGENT_CONSOLE_HOME="/proc")

    assert set_to == (
        "Error: This user cannot write to /proc, where .env belongs. Change to another folder, or set "
        + "AGENT_CONSOLE_HOME to one."
    )


def test_doctor_reports_a_folder_that_does_not_exist(installed: Installed) -> None:
    found = installed("doctor", AGENT_CONSOLE_HOME="/nonexistent")

    assert found.returncode == 1
    assert "AGENT_CONSOLE_HOME names /nonexistent, which does not exist." in found.stdout
    assert "Traceback" not in found.stderr


def test_the_current_folder_is_used_if_it_is_not_set(installed: Installed) -> None:
    assert installed("prepare", AGENT_CONSOLE_HOME=" ").returncode == 0

    assert {path.name for path in installed.folder.iterdir()} == DATA


@pytest.mark.parametrize("given", ["{folder}/data", "data", "~/data", "./other/../data"])
def test_an_absolute_a_relative_and_a_home_path_name_the_same_folder(installed: Installed, given: str) -> None:
    home = installed.folder / "data"
    for folder in (home, installed.folder / "other"):
        folder.mkdir()
    set_to = given.format(folder=installed.folder)

    prepared = installed("prepare", AGENT_CONSOLE_HOME=set_to, BACKUP_FOLDER="saved")
    saved = installed("db", "backup", AGENT_CONSOLE_HOME=set_to, BACKUP_FOLDER="saved")

    assert (prepared.returncode, saved.returncode) == (0, 0), prepared.stderr + saved.stderr
    assert {path.name for path in home.iterdir()} == {*DATA, "saved"}
    assert stat.S_IMODE((home / ".env").stat().st_mode) == 0o600


def test_an_env_file_of_another_folder_or_in_another_encoding_is_no_traceback(installed: Installed) -> None:
    (installed.folder.parent / ".env").write_bytes(b"WORKERS=\xff\n")
    assert installed("prepare").returncode == 0
    (installed.folder / ".env").write_bytes(b"WORKERS=\xff\n")

    assert refusal(installed, "db", "status") == ".env cannot be read: line 1 is not UTF-8. Save it as UTF-8."


@pytest.mark.parametrize(
    ("content", "cause"),
    [(None, "No such file or directory"), (b"\xff\xfeW\0", "it is UTF-16. Save it as UTF-8")],
    ids=["missing", "UTF-16"],
)
def test_a_file_of_settings_that_cannot_be_read_is_one_line_with_the_cause(
    installed: Installed, content: bytes | None, cause: str
) -> None:
    file = installed.folder / "settings"
    if content is not None:
        file.write_bytes(content)

    assert refusal(installed, "db", "status", FLASK_ENV_FILE=str(file)) == f"settings cannot be read: {cause}."


def test_a_folder_that_was_removed_is_one_line(installed: Installed) -> None:
    words = 'mkdir gone && cd gone && rmdir ../gone && "$0" prepare'
    run = subprocess.run(
        ["sh", "-c", words, str(installed.programs / "agent-console")],
        check=False,
        cwd=installed.folder,
        env=installed.environment({}),
        capture_output=True,
        text=True,
    )

    assert run.returncode == 1
    assert run.stderr.splitlines()[-1] == (
        "The current folder does not exist any more. Change to another one, or set AGENT_CONSOLE_HOME."
    )
    assert "Traceback" not in run.stderr


def test_a_line_that_is_wrong_is_named_with_the_path_of_its_file(installed: Installed) -> None:
    home = installed.folder / "data"
    home.mkdir()
    (home / ".env").write_text("WORKERS 2\n")

    sentence = refusal(installed, "db", "status", AGENT_CONSOLE_HOME="data")

    assert sentence == "data/.env has a line that is not NAME=value: line 1."
