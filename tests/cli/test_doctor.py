"""`flask doctor` reports every problem of settings, keys and files, with what to do."""

import json
import os
import stat

import pytest

from agents_app.doctor import GROUPS, Result
from tests.another_user import another_user, let_others_pass
from tests.cli.conftest import Checkout
from tests.cli.installation import CANARY, Installation
from tests.conftest import OpenConsole
from tests.make import KEYS, make_agent, make_user

NOBODY = 65534


def test_an_installation_without_problems_has_none(installation: Installation) -> None:
    found = installation.checks()

    assert [check for check in found if check.result is Result.PROBLEM] == []
    assert [check.code for check in found if check.result is Result.WARNING] == ["backups.newest"]
    assert [group for group in GROUPS if group not in {check.group for check in found}] == []
    assert [GROUPS.index(check.group) for check in found] == sorted(GROUPS.index(check.group) for check in found)


@pytest.mark.parametrize("url", [f"postgresql://u:half@{CANARY}@h:1/db", f"mysql://u:{CANARY}@h/db"])
def test_every_invalid_setting_is_reported_and_no_other_command_runs(ready: Checkout, url: str) -> None:
    ready.settings.update(DATABASE_URL=url, POOL_SIZE=CANARY, BIND=CANARY, SECRET_KEY=CANARY, TOKEN_PEPPERS="")

    as_json = ready.flask("doctor", "--json")
    shown = ready.flask("doctor")
    others = [ready.flask(*words) for words in (["db", "status"], ["agents", "list"], ["--help"], ["routes"])]
    monitor = ready.flask("agents", "attention", "--json")

    assert (as_json.returncode, as_json.stderr, shown.returncode) == (1, "", 1)
    wrong = [one for one in json.loads(as_json.stdout)["checks"] if one["result"] == "problem"]
    assert [one["detail"].split()[0] for one in wrong] == [
        "DATABASE_URL",
        "BIND",
        "POOL_SIZE",
        "SECRET_KEY",
        "TOKEN_PEPPERS",
    ]
    assert all(f"problem  {one['detail']}\n           do: {one['do']}\n" in shown.stdout for one in wrong)
    assert shown.stdout.endswith("\n5 problems and 1 warning.\n") or shown.stdout.endswith("\n5 problems.\n")
    assert CANARY not in as_json.stdout + shown.stdout
    assert {(other.returncode, other.stdout) for other in others} == {(1, "")}
    assert {other.stderr.split()[0] for other in others} == {"DATABASE_URL"}
    assert {other.stderr.count("\n") for other in others} == {1}
    assert (monitor.returncode, monitor.stderr) == (3, f"Error: {json.loads(monitor.stdout)['error']}\n")


def test_json_and_text_have_the_same_checks(ready: Checkout) -> None:
    as_json, shown = ready.flask("doctor", "--json"), ready.flask("doctor")

    answer = json.loads(as_json.stdout)
    assert (as_json.returncode, shown.returncode) == (0, 0)
    assert list(answer) == ["version", "result", "problems", "warnings", "checks"]
    assert {tuple(check) for check in answer["checks"]} == {("group", "code", "result", "detail", "do", "facts")}
    assert answer["problems"] == 0
    assert answer["result"] == "warning"
    lines = [line.strip() for line in shown.stdout.splitlines()]
    for check in answer["checks"]:
        assert check["group"].replace("_", "-").capitalize() in lines
        assert check["code"].startswith(f"{check['group']}.")
        # The minute can change between the two runs.
        if not check["facts"] and check["group"] != "clock":
            assert f"{check['result']:8} {check['detail']}" in lines
    assert lines[-1] == "No problems found. 1 warning."


def test_with_an_unreadable_env_file_the_database_is_unknown(installation: Installation) -> None:
    installation.env_file.write_text(f"DATABASE_URL {CANARY}\n")
    installation.env_file.chmod(0o600)
    del installation.environ["SECRET_KEY"]

    found = installation.checks()

    assert [(one.code, one.facts) for one in found if one.result is Result.PROBLEM] == [
        ("settings.values", {"setting": ".env"})
    ]
    skipped = {one.code for one in found if one.result is Result.SKIPPED}
    assert {"keys.secret_key", "keys.fit", "files.database", "migrations.pending", "backups.newest"} <= skipped
    # The environment overrides the file, so its values are known.
    assert not skipped & {"keys.encryption_keys", "keys.token_peppers"}
    assert CANARY not in str(found)


def test_the_advice_names_the_place_where_an_invalid_setting_is(on_sqlite: Installation) -> None:
    chosen = on_sqlite.folder / "console.env"
    for file, line in ((on_sqlite.env_file, "POOL_SIZE=none"), (chosen, "WORKERS=none")):
        file.touch(mode=0o600)
        file.write_text(line)

    found = on_sqlite.problems(FLASK_ENV_FILE=str(chosen), BIND="none")

    places = {"BIND": "in the environment", "POOL_SIZE": "in .env.", "WORKERS": f"in {chosen}, the file of"}
    assert {one.facts["setting"] for one in found} == set(places)
    for one in found:
        assert one.do.startswith(f"Correct it {places[one.facts['setting']]}")


@pytest.mark.parametrize("name", KEYS)
def test_a_key_that_is_missing_or_weak_is_named(installation: Installation, name: str) -> None:
    code = f"keys.{name.lower()}"

    assert installation.only_problem(code, **{name: ""}).do.startswith("flask prepare")
    assert installation.only_problem(code, **{name: CANARY}).detail.startswith(f"{name} ")


def test_keys_that_do_not_match_stored_secrets_are_named(installation: Installation, open_console: OpenConsole) -> None:
    app = open_console(installation.environ["DATABASE_URL"])
    make_agent(app, make_user(app), api_key="sk-0123456789")
    other = KEYS["ENCRYPTION_KEYS"].replace("nA9s", "oB8t")

    assert installation.check("keys.fit").result is Result.OK
    assert "is not the one" in installation.only_problem("keys.fit", ENCRYPTION_KEYS=other).detail
    assert "lacks the key k1" in installation.only_problem("keys.fit", ENCRYPTION_KEYS=other.replace("k1", "k2")).detail


@pytest.mark.parametrize(
    ("settings", "result"),
    [
        ({"PROXY_HOPS": "1"}, Result.WARNING),
        ({"PUBLIC_URL": "https://agents.example.org"}, Result.WARNING),
        ({"PUBLIC_URL": "http://agents.example.org", "PROXY_HOPS": "1"}, Result.WARNING),
        ({"PUBLIC_URL": "https://agents.example.org", "PROXY_HOPS": "1"}, Result.OK),
        ({"PUBLIC_URL": "http://localhost:8080"}, Result.OK),
        ({"PUBLIC_URL": "http://[::1]:8080"}, Result.OK),
        ({"PUBLIC_URL": "nonsense"}, Result.SKIPPED),
    ],
)
def test_settings_that_do_not_fit_a_proxy_are_a_warning(
    on_sqlite: Installation, settings: dict[str, str], result: Result
) -> None:
    assert on_sqlite.check("settings.proxy", **settings).result is result


@pytest.mark.parametrize(("mode", "is_open"), [(0o600, False), (0o640, False), (0o644, True), (0o620, True)])
def test_files_that_others_can_read_or_change_are_named(on_sqlite: Installation, mode: int, is_open: bool) -> None:
    on_sqlite.backups.mkdir()
    key, kept = on_sqlite.folder / "key", on_sqlite.backups / "console.sqlite"
    key.write_text(KEYS["SECRET_KEY"])
    kept.touch()
    on_sqlite.env_file.touch()
    del on_sqlite.environ["SECRET_KEY"]
    on_sqlite.environ["SECRET_KEY_FILE"] = str(key)
    closed = {on_sqlite.env_file: "env", key: "settings", on_sqlite.database: "database", kept: "backups"}
    for path in closed:
        path.chmod(0o600)
    assert on_sqlite.problems() == []

    for path, name in closed.items():
        path.chmod(mode)
        found = on_sqlite.check(f"files.{name}")
        assert (found.result is not Result.OK) is is_open
        assert found.result is not Result.WARNING or name == "settings"
        if is_open:
            assert str(path) in found.detail
            assert os.system(found.do) == 0
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
        assert on_sqlite.check(f"files.{name}").result is Result.OK


def test_a_user_without_access_to_the_file_is_advised_to_change_user(on_sqlite: Installation) -> None:
    let_others_pass(on_sqlite.folder)
    assert on_sqlite.problems() == []

    with another_user(on_sqlite.database, on_sqlite.folder):
        found = on_sqlite.checks()

    said = {check.code: check for check in found if check.result is Result.PROBLEM}
    assert {"files.database", "files.backups", "database.reachable"} <= said.keys()
    assert "sudo -u USER flask doctor" in said["files.database"].do
    assert "Permission denied" in said["database.reachable"].detail
    assert "user who owns" in said["database.reachable"].do


def test_another_file_in_place_of_the_sqlite_file_is_named(on_sqlite: Installation) -> None:
    file = on_sqlite.database
    whole = file.read_bytes()
    gone = on_sqlite.folder / "gone" / "console.db"

    assert {one.code for one in on_sqlite.problems(DATABASE_URL=f"sqlite:///{gone}")} == {
        "files.database",
        "database.reachable",
    }
    file.unlink()
    assert on_sqlite.only_problem("database.reachable").do.startswith("Run flask db deploy")
    assert not file.exists()
    file.write_bytes(b"This is the text of another user. " * 100)
    file.chmod(0o600)
    assert "not a database" in on_sqlite.only_problem("database.reachable").detail
    file.write_bytes(whole[:8192] + b"\0" * 4096 + whole[12288:])
    assert {one.code for one in on_sqlite.problems()} & {"database.rows", "migrations.pending", "clock.rows"}


def test_files_of_sqlite_that_another_user_owns_are_named(on_sqlite: Installation) -> None:
    if os.geteuid() != 0:
        pytest.skip("Not root: a file of another user was NOT tried. Run the tests as root for it.")
    shared_memory = on_sqlite.folder / "console.db-shm"
    shared_memory.touch(mode=0o600)
    os.chown(shared_memory, NOBODY, -1)

    found = on_sqlite.only_problem("files.database")

    assert os.system(found.do) == 0
    assert on_sqlite.problems() == []
