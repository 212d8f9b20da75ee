"""Where settings are read: `.env`, files that settings name, the environment. Every error is one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agents_app.config import CHECKS, load
from agents_app.errors import ConfigurationError
from agents_app.similar_names import find_name_with_typos, find_similar_name
from tests.make import KEYS
from tests.project import shared_copy

LOAD_AS_ANOTHER_USER = """
import os
from agents_app import config, errors, paths

if os.geteuid() == 0:
    # Root may open every folder.
    os.setresuid(65534, 65534, 65534)
try:
    config.load({}, paths.HOME / ".env")
except errors.ConfigurationError as error:
    print(error.detail)
"""
SETTINGS = [f"{name}{ending}" for name in CHECKS for ending in ("", "_FILE")]
LOOKS_LIKE = {
    "DATABSE_URL": "DATABASE_URL",
    "DATABASE_ULR": "DATABASE_URL",
    "DATBASE_ULR": "DATABASE_URL",
    "DATABASE_URI": "DATABASE_URL",
    "DATABASE_URLS": "DATABASE_URL",
    "database_url": "DATABASE_URL",
    "Database.Url": "DATABASE_URL",
    "DATABASEURL": "DATABASE_URL",
    "DATA_BASE_URL": "DATABASE_URL",
    "DATABSEURL": "DATABASE_URL",
    "SQLALCHEMY_DATABASE_URI": "DATABASE_URL",
    "DATABASE_SCHEME": "DATABASE_SCHEMA",
    "MIGRATIONS_DATABASE_URL": "MIGRATION_DATABASE_URL",
    "SECRETKEY": "SECRET_KEY",
    "SECRET_KEYS": "SECRET_KEY",
    "SECRET_KEY_FIEL": "SECRET_KEY_FILE",
    "ENCRYPTION_KEY": "ENCRYPTION_KEYS",
    "ENCRYPTION_KEY_FILE": "ENCRYPTION_KEYS_FILE",
    "TOKEN_PEPPER": "TOKEN_PEPPERS",
    "PUBLIC-URL": "PUBLIC_URL",
    "bind": "BIND",
    "WORKER": "WORKERS",
    "LOGLEVEL": "LOG_LEVEL",
    "BACKUP_FOLDERS": "BACKUP_FOLDER",
}
OTHERS = [
    "POSTGRES_PASSWORD",
    "POSTGRES_USER",
    "PGPASSWORD",
    "PGHOST",
    "COMPOSE_PROJECT_NAME",
    "FLASK_APP",
    "FLASK_DEBUG",
    "FLASK_ENV_FILE",
    "DATABASE_PASSWORD",
    "DATABASE_USER",
    "DATABASE_NAME",
    "DATABASE_HOST",
    "TEST_DATABASE_URL",
    "REDIS_URL",
    "DB_POOL_SIZE",
    "SCRATCH_URL",
    "SECRET_KEY_BASE",
    "DJANGO_SECRET_KEY",
    "N8N_ENCRYPTION_KEY",
    "OPENAI_API_KEY",
    "API_KEY",
    "SESSION_ID",
    "PROXY_HOST",
    "HTTP_PROXY",
    "BIND_ADDRESS",
    "BIN_FILE",
    "KIND",
    "PORT",
    "LOG_FILE",
    "GUNICORN_WORKERS",
    "WEB_CONCURRENCY",
    "BACKUP_DIR",
    "PATH",
    "_",
]
UTF_16 = "cannot be read: it is UTF-16. Save it as UTF-8."


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of a `.env` in the current folder that does not exist yet."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / ".env"


def refusal_of(env_file: Path, environ: dict[str, str] | None = None) -> str:
    """The sentence with which the file is refused."""
    with pytest.raises(ConfigurationError) as refusal:
        load(environ or {}, env_file)
    assert "\n" not in refusal.value.detail
    return refusal.value.detail


@pytest.mark.parametrize(("name", "meant"), LOOKS_LIKE.items())
def test_a_name_that_is_similar_to_a_setting_stops_the_start(env_file: Path, name: str, meant: str) -> None:
    env_file.write_text(f"\n# Settings\n\n{name}=canary\n")

    assert refusal_of(env_file) == f"{name} in .env, line 4, is not a setting. Did you mean {meant}?"


def test_the_folder_that_has_the_file_cannot_be_named_in_it(env_file: Path) -> None:
    env_file.write_text("AGENT_CONSOLE_HOME=/srv/console\n")

    assert refusal_of(env_file) == (
        "AGENT_CONSOLE_HOME in .env, line 1, has no effect. It says where .env is: set it in the environment of the "
        + "command and of the service."
    )


def test_a_folder_that_this_user_may_not_open_is_refused_with_the_cause(tmp_path: Path) -> None:
    home = tmp_path / "closed" / "console"
    home.mkdir(parents=True)
    home.parent.chmod(0)
    command = [sys.executable, "-c", LOAD_AS_ANOTHER_USER]

    said = subprocess.check_output(command, env={"AGENT_CONSOLE_HOME": str(home)}, cwd=shared_copy(), text=True)

    home.parent.chmod(0o700)
    assert said == f"{home / '.env'} cannot be read: Permission denied.\n"


@pytest.mark.parametrize("name", OTHERS)
def test_names_of_other_programs_are_ignored(env_file: Path, name: str) -> None:
    env_file.write_text(f"{name}=${{anything}}\n{name}=canary\n")

    assert find_similar_name(name, SETTINGS) is None
    assert load({name: "canary"} if name != "FLASK_ENV_FILE" else {}, env_file).workers == 1


@pytest.mark.parametrize("name", SETTINGS)
def test_no_setting_is_similar_to_another_one(name: str) -> None:
    assert find_name_with_typos(name, [one for one in SETTINGS if one != name]) is None


def test_in_the_environment_only_a_misspelled_setting_that_is_not_set_is_refused(env_file: Path) -> None:
    slip = {"DATABSE_URL": "canary"}

    assert refusal_of(env_file, slip) == "DATABSE_URL in the environment is not a setting. Did you mean DATABASE_URL?"
    assert load({**slip, "DATABASE_URL": "sqlite:////srv/x.db"}, env_file).workers == 1
    assert load({"LOGLEVEL": "x", "database_url": "x", "PUBLIC-URL": "x"}, env_file).workers == 1
    env_file.write_text("DATABASE_URL=sqlite:////srv/x.db\n")
    assert load(slip, env_file).workers == 1


@pytest.mark.parametrize("value", ["a${HOME}b", '"a${HOME}b"', "${SECRET:-canary}"])
def test_a_variable_in_a_value_that_is_used_is_refused(env_file: Path, value: str) -> None:
    env_file.write_text(f"WORKERS=2\nexport BACKUP_FOLDER={value}\n")

    assert refusal_of(env_file).startswith("BACKUP_FOLDER in .env, line 2, contains ${...}, and variables")
    assert "canary" not in refusal_of(env_file)
    assert load({"BACKUP_FOLDER": "/srv/backups"}, env_file).backup_folder == Path("/srv/backups")


def test_a_value_can_contain_a_dollar_and_in_single_quotes_a_variable(env_file: Path) -> None:
    env_file.write_text("BACKUP_FOLDER = '/srv/${HOME}'\nDATABASE_URL=postgresql://u:pa$$HOME@h/d\n")

    found = load({}, env_file)

    assert (found.backup_folder, found.database_url.password) == (Path("/srv/${HOME}"), "pa$$HOME")


def test_a_setting_that_is_set_twice_is_refused_with_both_lines(env_file: Path) -> None:
    env_file.write_text("\nPOOL_SIZE=4\n\n\n# canary\nPOOL_SIZE=5\n")

    assert refusal_of(env_file) == "POOL_SIZE is set twice in .env, lines 2 and 6. Keep one."
    assert load({"POOL_SIZE": "6"}, env_file).pool_size == 6
    env_file.write_text("POOL_SIZE=\nPOOL_SIZE=4\nPOOL_SIZE='4'\n")
    assert load({}, env_file).pool_size == 4


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("LOG_LEVEL=debug # for now", "debug"),
        ("LOG_LEVEL = debug   ", "debug"),
        ("  export LOG_LEVEL='debug'", "debug"),
        ('LOG_LEVEL="debug" # for now', "debug"),
        ("LOG_LEVEL='\"debug\"'", "debug"),
        ("LOG_LEVEL=\t# for now", "info"),
        ("LOG_LEVEL=debug\r", "debug"),
    ],
)
def test_comments_quotes_and_spaces_are_not_part_of_a_value(env_file: Path, line: str, value: str) -> None:
    env_file.write_bytes(b"WORKERS=2\n" + line.encode() + b"\nPOOL_SIZE=3\n")

    found = load({}, env_file)

    assert (found.workers, found.log_level, found.pool_size) == (2, value, 3)


@pytest.mark.parametrize(
    "line",
    ["postgresql://u:canary@h/d?sslmode=require", "canary+/==", '"LOG_LEVEL"=debug', "\N{ZERO WIDTH SPACE}BIND=canary"],
)
def test_a_line_without_a_name_is_refused_and_not_repeated(env_file: Path, line: str) -> None:
    env_file.write_text(f"# Settings\n\n\n{line}\n")

    assert refusal_of(env_file) == ".env has a line that is not NAME=value: line 4."


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_named(env_file: Path, codec: str) -> None:
    env_file.write_bytes(f"SECRET_KEY={KEYS['SECRET_KEY']}\n".encode(codec))

    assert refusal_of(env_file) == f".env {UTF_16}"
    assert refusal_of(env_file.with_name("none"), {"SECRET_KEY_FILE": str(env_file)}) == (
        f"SECRET_KEY_FILE {UTF_16.removesuffix('.')} ({env_file.name})."
    )


def test_a_file_that_cannot_be_read_is_named(env_file: Path) -> None:
    env_file.symlink_to("none")
    assert refusal_of(env_file) == ".env cannot be read: it is a link to a file that does not exist."
    env_file.unlink()
    env_file.symlink_to(".env")
    assert refusal_of(env_file) == ".env cannot be read: Too many levels of symbolic links."
    env_file.unlink()
    env_file.mkdir()
    assert refusal_of(env_file) == ".env cannot be read: Is a directory."
    env_file.rmdir()
    os.mkfifo(env_file)
    assert refusal_of(env_file) == ".env cannot be read: it is a pipe, which can be read only once."
    assert refusal_of(Path("/dev/null"), {"SECRET_KEY_FILE": str(env_file)}).startswith(
        "SECRET_KEY_FILE cannot be read: it"
    )


def test_a_link_to_an_empty_device_counts_as_an_empty_file(env_file: Path) -> None:
    env_file.symlink_to("/dev/null")

    assert load({}, env_file).workers == 1


def test_a_file_of_a_setting_can_have_a_byte_order_mark_and_line_ends(tmp_path: Path) -> None:
    (tmp_path / "workers").write_bytes(b"\xef\xbb\xbf2\r\n")
    key, old = KEYS["ENCRYPTION_KEYS"].partition(":")[2], KEYS["TOKEN_PEPPERS"].partition(":")[2]
    (tmp_path / "keys").write_text(f"k2:{key},\nk1:{old}\n")

    found = load({"WORKERS_FILE": f'"{tmp_path}/workers"', "ENCRYPTION_KEYS_FILE": str(tmp_path / "keys")}, None)

    assert (found.workers, found.encryption_keys) == (2, f"k2:{key},k1:{old}")


def test_an_empty_file_of_a_setting_is_refused(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("\n")

    with pytest.raises(ConfigurationError, match=rf"^DATABASE_URL_FILE names an empty file \({tmp_path}/url\)\.$"):
        load({"DATABASE_URL_FILE": str(tmp_path / "url")}, None)


def test_a_missing_file_of_a_setting_is_named_unless_its_name_may_be_the_secret(tmp_path: Path) -> None:
    missing = "SECRET_KEY_FILE cannot be read: No such file or directory"

    assert refusal_of(tmp_path / ".env", {"SECRET_KEY_FILE": f"{tmp_path}/none"}) == f"{missing} ({tmp_path}/none)."
    for secret in (KEYS["SECRET_KEY"], f"/{KEYS['SECRET_KEY']}", f"a1/{KEYS['SECRET_KEY']}"):
        assert refusal_of(tmp_path / ".env", {"SECRET_KEY_FILE": secret}) == f"{missing}."


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "DATABASE_URL=sqlite:////srv/canary.db",
            "begins with its own name. Write only the text after DATABASE_URL=.",
        ),
        ("export DATABASE_URL = sqlite:////canary", "begins with its own name."),
        ("sqlite:////srv/canary\n.db", "contains a line break. Write it again, on one line."),
        ("sqlite:////srv/\N{ZERO WIDTH SPACE}canary.db", "contains an invisible character (U+200B)."),
        ("sqlite:////srv/\N{NO-BREAK SPACE}canary.db", "contains an invisible character (U+00A0)."),
        ("sqlite:////srv/\udcffcanary.db", "contains bytes that are not UTF-8."),
    ],
)
def test_a_text_with_invisible_characters_is_refused(text: str, why: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load({"DATABASE_URL": text}, None)

    assert refusal.value.detail.startswith(f"DATABASE_URL {why}")
    assert "canary" not in refusal.value.detail


@pytest.mark.parametrize("name", KEYS)
def test_quotes_that_a_program_passes_on_are_not_part_of_a_value(name: str) -> None:
    quoted = load({**KEYS, name: f'"{KEYS[name]}"'}, None)

    assert quoted == load(KEYS, None)
    assert load({"DATABASE_URL": "'sqlite:////srv/x.db'"}, None).database_url.database == "/srv/x.db"


def test_a_chosen_file_overrides_dotenv_and_the_environment_overrides_both(env_file: Path, tmp_path: Path) -> None:
    env_file.write_text("WORKERS=2\nPOOL_SIZE=3\nTOKEN_DAYS=5\n")
    chosen = tmp_path / "chosen"
    chosen.write_text("POOL_SIZE=4\nTOKEN_DAYS=6\n")

    found = load({"FLASK_ENV_FILE": str(chosen), "TOKEN_DAYS": "7"}, env_file)

    assert (found.workers, found.pool_size, found.token_days) == (2, 4, 7)
    chosen.unlink()
    assert refusal_of(env_file, {"FLASK_ENV_FILE": str(chosen)}) == "chosen cannot be read: No such file or directory."
