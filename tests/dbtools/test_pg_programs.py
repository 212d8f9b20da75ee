"""PostgreSQL's client programs: which version is used, their arguments, and their error messages."""

from pathlib import Path

import pytest
from alembic.util import CommandError

from agents_app.database.url import parse_url
from agents_app.dbtools.backup import pg_programs


def test_a_program_older_than_the_server_is_reported_in_one_line() -> None:
    with pytest.raises(CommandError, match=r"pg_dump \d+ cannot read a server of version 999. Install"):
        pg_programs.find_program("pg_dump", 999)


def test_a_missing_program_is_reported_in_one_line() -> None:
    with pytest.raises(CommandError, match=r"pg_nothing was not found on the PATH. Install"):
        pg_programs.find_program("pg_nothing", 15)


def test_the_program_with_the_closest_later_version_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in (902, 904, 901):
        program = tmp_path / str(version) / "pg_dump"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {version}.2'\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", ":".join(str(tmp_path / name) for name in ("904", "901", "902")), prepend=":")

    assert pg_programs.find_program("pg_dump", 902) == str(tmp_path / "902" / "pg_dump")
    assert pg_programs.find_program("pg_dump", 903) == str(tmp_path / "904" / "pg_dump")


def test_a_program_in_a_folder_with_several_names_is_started_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "pg_dump"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho x >> {tmp_path}/starts\necho 'pg_dump (PostgreSQL) 902.2'\n")
    program.chmod(0o755)
    (tmp_path / "link").symlink_to(program.parent)
    monkeypatch.setenv("PATH", ":".join(str(tmp_path / name) for name in ("link", "bin", "bin")), prepend=":")

    assert pg_programs.find_program("pg_dump", 902) == str(tmp_path / "link" / "pg_dump")
    assert pg_programs.find_program("pg_dump", 901) == str(tmp_path / "link" / "pg_dump")
    assert (tmp_path / "starts").read_text() == "x\n"


def test_the_password_is_passed_only_in_the_environment() -> None:
    url = parse_url("postgresql://it's:gehe%2Fim@db.example.org:5433/console?sslmode=require")

    output = pg_programs.run_program(["sh", "-c", 'echo "$@"; echo "$PGPASSWORD"', "sh"], url)

    arguments, password = output.splitlines()
    assert password == "gehe/im"
    assert "gehe" not in arguments
    assert r"user='it\'s'" in arguments
    assert "sslmode='require'" in arguments


def test_the_error_message_of_a_program_is_one_line() -> None:
    script = "echo 'pg_dump: saving' >&2; echo 'pg_dump: error: no room' >&2; echo 'pg_dump: detail: x' >&2; exit 3"

    with pytest.raises(CommandError, match=r"^no room\.$"):
        pg_programs.run_program(["sh", "-c", script])
    with pytest.raises(CommandError, match=r"^no right\.$"):
        pg_programs.run_program(["sh", "-c", "echo 'pg_dump: error: query failed: ERROR:  no right' >&2; exit 1"])
