"""`deploy/compose.yaml`, which no Docker engine has run here: its settings, commands and secrets are right."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask

from agents_app.config import load
from agents_app.paths import ROOT
from tests.documents import read_blocks, type_lines

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
OURS = {name: one for name, one in COMPOSE["services"].items() if one["image"].startswith("agent-console:")}
CONTAINERFILE = (ROOT / "deploy" / "Containerfile").read_text()
# What an operator writes to `.env` next to the file.
GIVEN = {"PUBLIC_URL": "https://agents.example.org", "VERSION": "0.2.0"}


def prepare_folder(folder: Path) -> None:
    """Type the lines of docs/install.md that come before the commands of Docker."""
    block = next(one for one in read_blocks(ROOT / "docs" / "install.md") if "docker compose up" in one.text)
    lines = [line for line in block.text.splitlines() if not line.startswith(("docker ", "install "))]
    done = type_lines("\n".join(lines), folder, {})
    assert done.returncode == 0, done.stderr


def test_the_secrets_of_the_document_are_those_of_the_file(tmp_path: Path) -> None:
    prepare_folder(tmp_path)

    files = {name: secret["file"] for name, secret in COMPOSE["secrets"].items()}
    used = {name for service in COMPOSE["services"].values() for name in service["secrets"]}

    assert files == {path.name: f"secrets/{path.name}" for path in (tmp_path / "secrets").iterdir()}
    assert used == files.keys()
    assert (tmp_path / ".env").read_text() == "".join(f"{name}={GIVEN[name]}\n" for name in ("VERSION", "PUBLIC_URL"))


@pytest.mark.parametrize("name", OURS)
def test_the_settings_of_a_service_are_valid_with_these_secrets(name: str, tmp_path: Path) -> None:
    prepare_folder(tmp_path)
    image = dict(re.findall(r"^ +(?:ENV )?([A-Z]+)=(\S+)", CONTAINERFILE, re.MULTILINE))
    texts = {"BIND": image["BIND"], **OURS[name]["environment"]}
    texts = {key: re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: GIVEN[found[1]], text) for key, text in texts.items()}
    texts = {key: text.replace("/run/secrets", str(tmp_path / "secrets")) for key, text in texts.items()}

    settings = load(texts, None)

    assert settings.database_url.host in COMPOSE["services"]
    assert settings.keys
    assert settings.bind == ("0.0.0.0", 8000)


@pytest.mark.parametrize("name", OURS)
def test_a_service_is_a_container_of_the_image(name: str, console: Flask) -> None:
    service = OURS[name]
    words = service.get("command", ["serve"])
    if "entrypoint" in service:
        assert service["entrypoint"] == ["sh", "-c"]
        words = re.findall(r"agent-console ([\w ]+\w) &&", words[0])[0].split()

    assert console.test_cli_runner().invoke(args=[*words, "--help"]).exit_code == 0
    assert f"USER {service['user']}\n" in CONTAINERFILE
    assert service["volumes"] == ["console:/data", "./backups:/data/backups"]
    assert "VOLUME /data\n" in CONTAINERFILE
    assert service["depends_on"].keys() <= COMPOSE["services"].keys()


def test_only_this_machine_reaches_the_published_port() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", ())]

    assert ports == ["127.0.0.1:8000:8000"]
    assert "EXPOSE 8000\n" in CONTAINERFILE


def test_old_backups_are_removed_as_the_unit_of_systemd_does_it() -> None:
    unit = (ROOT / "deploy" / "agent-console-backup.service").read_text()
    (removes,) = re.findall(r"^ExecStartPost=(.*)$", unit, re.MULTILINE)

    assert COMPOSE["services"]["backup"]["command"] == [f"agent-console db backup && exec {removes}"]


def test_the_folder_of_backups_belongs_to_the_user_of_the_image() -> None:
    (user,) = re.findall(r"^USER (\d+):\1$", CONTAINERFILE, re.MULTILINE)

    assert f"install -d -o {user} -g {user} -m 0700 backups\n" in (ROOT / "docs" / "install.md").read_text()


def test_an_image_without_a_version_is_not_built() -> None:
    build = CONTAINERFILE.partition("FROM ${BASE} AS build\n")[2]
    document = (ROOT / "docs" / "install.md").read_text()

    assert build.index('RUN test -n "$VERSION" ||') < build.index("apt-get")
    assert "--build-arg VERSION=$version --tag agent-console:$version ." in document
