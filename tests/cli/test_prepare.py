"""`flask prepare` creates what is missing, changes nothing that exists, and reports an error on one line."""

import stat
import sys

import pytest

from agents_app.config import KEY_SETTINGS, load
from tests.cli.conftest import Checkout
from tests.conftest import OpenConsole
from tests.make import KEYS, make_agent, make_user

BEHIND = "Error: The database schema is behind the program. Run: {} db deploy"


def names(checkout: Checkout) -> list[str]:
    return [line.partition("=")[0] for line in checkout.env_file.read_text().splitlines()]


def test_a_new_checkout_gets_keys_of_its_own_and_an_sqlite_file(checkout: Checkout) -> None:
    first = checkout.flask("prepare")
    written = checkout.env_file.read_text()
    second = checkout.flask("prepare")

    assert (first.returncode, second.returncode, second.stdout + second.stderr) == (0, 0, "")
    assert checkout.env_file.read_text() == written
    assert names(checkout) == list(KEY_SETTINGS)
    for file in (checkout.env_file, checkout.folder / "instance" / "console.db"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    keys = load({}, checkout.env_file).keys
    assert keys.encryption.ids == ["k1"]
    assert not any(line.partition("=")[2] in first.stderr for line in written.splitlines())
    created, wrote = first.stderr.splitlines()
    assert created == "Creating the database instance/console.db..."
    assert wrote.startswith("Wrote SECRET_KEY, ENCRYPTION_KEYS, TOKEN_PEPPERS to .env. Keep a copy")


def test_a_file_of_an_earlier_release_is_upgraded_with_one_line(ready: Checkout) -> None:
    assert ready.flask("db", "downgrade", "a8c1e57d0b36").returncode == 0

    prepared = ready.flask("prepare")

    assert (prepared.returncode, prepared.stdout) == (0, "")
    (line,) = prepared.stderr.splitlines()
    assert line.startswith("Upgrading the database ")
    assert ready.flask("prepare").stderr == ""


def test_an_env_file_with_one_line_is_completed_and_readable_by_its_owner_only(
    checkout: Checkout, sqlite_url: str
) -> None:
    checkout.env_file.write_text(f"DATABASE_URL={sqlite_url}")
    checkout.env_file.chmod(0o644)

    assert checkout.flask("prepare").returncode == 0

    assert checkout.env_file.read_text().startswith(f"DATABASE_URL={sqlite_url}\nSECRET_KEY=")
    assert stat.S_IMODE(checkout.env_file.stat().st_mode) == 0o600
    assert not (checkout.folder / "instance").exists()


def test_keys_that_are_set_in_another_way_are_not_written(checkout: Checkout) -> None:
    (checkout.folder / "key").write_text(KEYS["SECRET_KEY"])
    checkout.env_file.write_text("SECRET_KEY=\n")

    prepared = checkout.flask("prepare", ENCRYPTION_KEYS=KEYS["ENCRYPTION_KEYS"], SECRET_KEY_FILE="key")

    assert prepared.returncode == 0
    assert names(checkout) == ["SECRET_KEY", "TOKEN_PEPPERS"]


def test_a_lost_encryption_key_is_not_replaced(ready: Checkout, open_console: OpenConsole) -> None:
    app = open_console(ready.settings["DATABASE_URL"])
    make_agent(app, make_user(app), api_key="sk-0123456789")
    del ready.settings["ENCRYPTION_KEYS"]

    refused = ready.flask("prepare")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        "Error: ENCRYPTION_KEYS is not set, and this database has secrets that need the key k1. Restore that key. "
        + "If it is lost for ever, set ENCRYPTION_KEYS to a new key with another name, and run: "
        + "flask secrets give-up k1\n"
    )
    assert ready.env_file.read_text() == ""


def test_a_postgresql_schema_is_checked_and_not_changed(
    checkout: Checkout, postgres_url: str, postgres_schema_url: str
) -> None:
    behind = checkout.flask("prepare", DATABASE_URL=postgres_url)
    written = names(checkout)
    current = checkout.flask("db", "current", DATABASE_URL=postgres_url)
    at_head = checkout.flask("prepare", DATABASE_URL=postgres_schema_url)

    assert (behind.returncode, behind.stdout) == (1, "")
    assert behind.stderr.splitlines()[-1] == BEHIND.format("flask")
    assert written == list(KEY_SETTINGS)
    assert (current.returncode, current.stdout.strip()) == (0, "")
    assert at_head.returncode == 0


@pytest.mark.parametrize(("path", "typed"), [("/usr/bin:/bin", ".venv/bin/flask"), (".venv/bin:/usr/bin", "flask")])
def test_the_next_command_is_named_as_the_shell_finds_it(
    checkout: Checkout, postgres_url: str, path: str, typed: str
) -> None:
    (checkout.folder / ".venv").symlink_to(sys.prefix)
    checkout.python = str(checkout.folder / ".venv" / "bin" / "python")

    behind = checkout.flask(
        "prepare", DATABASE_URL=postgres_url, PATH=path.replace(".venv", f"{checkout.folder}/.venv")
    )

    assert behind.stderr.splitlines()[-1] == BEHIND.format(typed)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"DATABASE_URL": "nonsense"}, "DATABASE_URL is not a database URL;"),
        ({"DATABASE_URL": "sqlite:////dev/null/console.db"}, "Error: Cannot open sqlite:////dev/null/console.db:"),
        ({"SECRET_KEY": "canary"}, "Error: SECRET_KEY is too short;"),
        ({"ENCRYPTION_KEYS": "k1:canary"}, "Error: ENCRYPTION_KEYS contains a key called k1 of"),
        ({"TOKEN_PEPPERS_FILE": "/canary"}, "TOKEN_PEPPERS_FILE cannot be read: No such file or directory."),
        ({"WORKERS": "canary"}, "WORKERS must be a whole number from 1 to 64."),
        ({"BIND": "0.0.0.0:8000"}, "BIND must be a loopback address unless PUBLIC_URL"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_an_invalid_setting_is_one_line_that_names_it_and_repeats_no_value(
    checkout: Checkout, settings: dict[str, str], line: str
) -> None:
    refused = checkout.flask("prepare", **settings)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(line)
    assert refused.stderr.count("\n") == 1
    assert "canary" not in refused.stderr


def test_keys_are_not_written_to_a_device(checkout: Checkout) -> None:
    checkout.env_file.symlink_to("/dev/null")
    mode = checkout.env_file.stat().st_mode

    refused = checkout.flask("prepare", DATABASE_URL=f"sqlite:///{checkout.folder / 'console.db'}")

    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == (
        "Error: SECRET_KEY, ENCRYPTION_KEYS, TOKEN_PEPPERS must be set. They cannot be written to .env, because it "
        + "is not a regular file. Replace it, or set them in the environment."
    )
    assert checkout.env_file.stat().st_mode == mode
