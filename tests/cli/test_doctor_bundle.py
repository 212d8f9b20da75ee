"""`flask doctor --bundle` writes what a maintainer needs, also where much is broken, and nothing private."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from agents_app.database.url import parse_url
from agents_app.doctor import write_bundle
from tests.cli.conftest import Checkout
from tests.cli.installation import CANARY, Installation
from tests.dbtools.tools import run_sql
from tests.every_table import fill_every_table
from tests.make import KEYS

PARTS = ["README.txt", "doctor.json", "settings.json", "machine.json", "packages.json", "database.json", "schema.json"]
# Every name that a setting, a record of a deployment or a person can bring into the database.
PRIVATE_SETTINGS = {
    "PUBLIC_URL": f"https://{CANARY}.example.org/{CANARY}",
    "PROXY_HOPS": "1",
    "OIDC_ISSUER": f"https://127.0.0.1:1/{CANARY}",
    "OIDC_CLIENT_ID": f"{CANARY}-client",
    "OIDC_CLIENT_SECRET": f"{CANARY}.secret",
    "OIDC_ROLES_CLAIM": f"{CANARY}_claim",
    "OIDC_ROLES": f"{CANARY}=admin",
    "OIDC_ACCOUNT": f"{CANARY} Ltd",
    "PASSWORD_SIGN_IN": f"{CANARY}@example.org",
    "API_DOCS_PATH": f"/{CANARY}",
    "CONNECTION_TEST_NETWORKS": "10.77.66.0/24",
}
ERROR_LINE = {
    "time": "2026-11-28T08:00:00.000+00:00",
    "level": "error",
    "logger": "agents_app.web",
    "message": f"GET /agents/{CANARY} failed",
    "path": f"/agents/{CANARY}",
    "address": "203.0.113.77",
    "status": 500,
    "traceback": f"""Traceback (most recent call last):
  File "/srv/{CANARY}/agents_app/web/agents.py", line 7, in show
    raise ValueError(name)
ValueError: {CANARY}
{CANARY}: and a second line
""",
}


def test_a_file_that_exists_is_not_overwritten(ready: Checkout, tmp_path: Path) -> None:
    file = tmp_path / "kept.zip"
    file.write_text("kept")

    refused = ready.flask("doctor", "--bundle", str(file))
    without_folder = ready.flask("doctor", "--bundle", str(tmp_path / "no" / "folder.zip"))

    assert (refused.returncode, refused.stderr) == (1, f"Error: {file} already exists. Choose another name.\n")
    assert without_folder.stderr.endswith("folder.zip cannot be written: No such file or directory.\n")
    assert file.read_text() == "kept"


def test_a_log_without_a_bundle_is_refused(ready: Checkout) -> None:
    refused = ready.flask("doctor", "--log", "/dev/null")

    assert refused.returncode == 2
    assert refused.stderr.endswith("Error: --log is only for --bundle.\n")


def test_no_name_and_no_secret_is_in_a_bundle(installation: Installation) -> None:
    url = installation.environ["DATABASE_URL"]
    fill_every_table(url, CANARY)
    # These columns have words of our own.
    run_sql(url, "UPDATE deployments SET command = 'deploy --finish', release = '0.2.0', to_revision = 'f00'")
    run_sql(url, "UPDATE deployments SET from_revision = NULL")
    run_sql(url, "UPDATE deployment_steps SET revision = 'f00', name = 'add', direction = 'upgrade'")
    installation.backups.mkdir()
    magic = b"SQLite format 3\0" if url.startswith("sqlite") else b"PGDMP"
    (installation.backups / f"{CANARY}-20260101T000000Z.backup").write_bytes(magic)
    info = json.dumps({**ERROR_LINE, "level": "info"})
    log = ["not json", json.dumps(ERROR_LINE), f"Nov 28 {CANARY} console: {info}"]

    parts = _bundle(installation, log, **PRIVATE_SETTINGS, PGPASSWORD=CANARY)

    text = "".join(parts.values())
    assert CANARY.lower() not in text.lower()
    for private in ("203.0.113.77", "10.77.66", str(installation.folder), parse_url(url).database, *KEYS.values()):
        assert private not in text
    assert json.loads(parts["log.json"]) == {
        "lines": {"other": 1, "error": 1, "info": 1},
        "last": [
            {
                "time": ERROR_LINE["time"],
                "level": "error",
                "logger": "agents_app.web",
                "status": 500,
                "frames": ["agents_app/web/agents.py:7 show"],
                "exceptions": ["ValueError"],
            }
        ],
    }


def test_codes_and_names_of_settings_are_not_masked(on_sqlite: Installation) -> None:
    settings = {
        "HTTPS_PROXY": "http://proxy.example.org:3128",
        "PUBLIC_URL": "https://version.schema.example.org",
        "BIND": "127.0.0.1:8000",
    }

    parts = _bundle(on_sqlite, None, **settings)

    checks = json.loads(parts["doctor.json"])
    assert not [check["code"] for check in checks if "<" in check["code"] + check["result"]]
    assert "_HOPS" not in parts["doctor.json"].replace("PROXY_HOPS", "")


def test_of_a_log_only_what_looks_like_ours_is_copied(on_sqlite: Installation) -> None:
    message = f'{CANARY}\n  File "/srv/{CANARY}.py", line 3, in {CANARY}\n'
    traceback = (
        f'Traceback (most recent call last):\n  File "/a/wsgi.py", line 1, in <module>\n    x\nValueError: {message}'
    )
    foreign = {"level": "error", "logger": CANARY, "code": CANARY, "time": CANARY, "status": CANARY}
    ours = {**foreign, "logger": "agents_app.web", "code": f"{CANARY}!", "traceback": traceback}

    parts = _bundle(on_sqlite, [json.dumps(foreign), json.dumps(ours)])

    assert json.loads(parts["log.json"]) == {
        "lines": {"error": 2},
        "last": [
            {
                "level": "error",
                "logger": "agents_app.web",
                "frames": ["wsgi.py:1 <module>"],
                "exceptions": ["ValueError"],
            }
        ],
    }


def test_a_bundle_has_the_facts_of_the_installation(installation: Installation) -> None:
    fill_every_table(installation.environ["DATABASE_URL"])

    parts = _bundle(installation, None, WORKERS="3")

    assert [*PARTS, "log.json"] == list(parts)
    found = {name: json.loads(text) for name, text in parts.items() if name.endswith(".json")}
    assert not any("failed" in facts for facts in found.values() if isinstance(facts, dict))
    assert {check["code"] for check in found["doctor.json"]} >= {"program.version", "database.reachable", "clock.rows"}
    assert found["settings.json"]["settings"]["WORKERS"] == {"source": "environment", "value": "3"}
    assert found["settings.json"]["settings"]["SECRET_KEY"] == {"source": "environment", "value": "set"}
    assert found["packages.json"]["packages"]["flask"]["installed"]
    assert {table["name"]: table["rows"] for table in found["database.json"]["tables"]}["agents"] == 2
    assert found["schema.json"]["revision"] == found["schema.json"]["head"]
    assert found["schema.json"]["deployments"]


@pytest.mark.parametrize(
    "settings",
    [
        {"DATABASE_URL": f"postgresql://{CANARY}u:{CANARY}p@127.0.0.1:1/{CANARY}d"},
        {"DATABASE_URL": f"postgresql://{CANARY}@{CANARY}.invalid/d?sslmode={CANARY}"},
        {"DATABASE_URL": f"mysql://u:{CANARY}@h/db", "BIND": CANARY, "WORKERS": CANARY},
        {"DATABSE_URL": f"sqlite:////srv/{CANARY}.db", "SECRET_KEY": CANARY, "ENCRYPTION_KEYS": f"k1:{CANARY}"},
        {"SECRET_KEY_FILE": f"/srv/{CANARY}/key", "BACKUP_FOLDER": f"/srv/{CANARY}"},
        {"DATABASE_URL": f"sqlite:////srv/{CANARY}/{CANARY}.db"},
    ],
)
def test_a_bundle_is_written_where_settings_and_database_are_broken(
    on_sqlite: Installation, settings: dict[str, str]
) -> None:
    parts = _bundle(on_sqlite, None, **settings)

    assert CANARY.lower() not in "".join(parts.values()).lower()
    assert "failed" not in json.loads(parts["schema.json"])
    assert any(check["result"] == "problem" for check in json.loads(parts["doctor.json"]))


def test_a_bundle_is_written_with_an_invalid_env_file(on_sqlite: Installation) -> None:
    on_sqlite.env_file.write_text(f"PUBLIC_URL=https://{CANARY}.org\nSECRET_KEY {CANARY}k\n{CANARY}\n")

    parts = _bundle(on_sqlite, None)

    assert CANARY.lower() not in "".join(parts.values()).lower()
    assert json.loads(parts["database.json"]) == {"reachable": False}


def test_the_command_writes_a_file_for_its_owner_also_with_an_invalid_setting(ready: Checkout, tmp_path: Path) -> None:
    ready.settings.update(POOL_SIZE=CANARY)
    log = tmp_path / "console.log"
    log.write_text(json.dumps(ERROR_LINE))

    written = ready.flask("doctor", "--bundle", str(tmp_path / "bundle.zip"), "--log", str(log))

    assert (written.returncode, written.stderr) == (0, "")
    assert written.stdout.startswith(f"Wrote {tmp_path / 'bundle.zip'}. It has no key")
    assert (tmp_path / "bundle.zip").stat().st_mode & 0o777 == 0o600
    assert '"error": 1' in _parts(tmp_path / "bundle.zip")["log.json"]


def _bundle(installation: Installation, log: list[str] | None, **settings: str) -> dict[str, str]:
    file = installation.folder / "bundle.zip"
    write_bundle(file, log, {**installation.environ, **settings}, installation.env_file)
    content: Any = file.read_bytes()
    # The names in the archive are not compressed.
    assert CANARY.encode() not in content
    return _parts(file)


def _parts(file: Path) -> dict[str, str]:
    with zipfile.ZipFile(file) as archive:
        return {Path(name).name: archive.read(name).decode() for name in archive.namelist()}
