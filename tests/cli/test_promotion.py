"""docs/promotion.md: its commands are typed with two consoles, staging and production, and with an empty one."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from agents_app import dbtools
from agents_app.database.url import parse_url
from agents_app.operations import agent_history, agent_reads
from agents_app.operations.permissions import Actor
from agents_app.paths import ROOT
from agents_app.schemas.listing import AgentQuery
from tests import postgres
from tests.conftest import OpenConsole
from tests.documents import Block, read_blocks, type_lines
from tests.make import KEYS, make_agent, make_user
from tests.project import reused_copy

pytestmark = pytest.mark.long

BLOCKS = read_blocks(ROOT / "docs" / "promotion.md")
NAMES_CONSOLE = "FLASK_APP=/srv/agent-console/wsgi.py flask agents list\n"
KEYS_OF_PRODUCTION = {**KEYS, "ENCRYPTION_KEYS": "k1:Zm9yIHByb2R1Y3Rpb24gb25seSwgMzIgYnl0ZXMhISE="}
SECRET = "canary-of-production-0123456789"
CONFIG = {"host": "staging-db.example.org", "password": "canary-of-staging-0123456789"}


def agents_of(app: Flask, actor: Actor) -> dict[str, dict[str, Any]]:
    """The agents of an account by their external id."""
    with app.app_context():
        found = agent_reads.listing(actor, AgentQuery()).items
        return {item["external_id"]: agent_reads.read(actor, item["id"]) for item in found}


def lines_without_secrets(file: Path) -> list[str]:
    """The lines of a file of agents without those that name a secret."""
    return [line for line in file.read_text().splitlines() if "secrets:" not in line and ": stored" not in line]


def test_the_commands_take_agents_from_staging_to_production_and_restore_them(
    sqlite_schema_url: str,
    postgres_schema_url: str,
    postgres_server: str,
    open_console: OpenConsole,
    tmp_path: Path,
) -> None:
    folder = reused_copy(tmp_path)
    with postgres.database(postgres_server) as empty_url:
        dbtools.upgrade_to_head(parse_url(empty_url))
        urls = {"staging": sqlite_schema_url, "production": postgres_schema_url, "empty": empty_url}
        keys = {name: KEYS if name == "staging" else KEYS_OF_PRODUCTION for name in urls}
        apps = {name: open_console(url, **keys[name]) for name, url in urls.items()}
        admins = {name: make_user(app) for name, app in apps.items()}
        make_agent(
            apps["staging"],
            admins["staging"],
            name="Sales",
            external_id="sales",
            environment="staging",
            description="The new words",
            connection_config=CONFIG,
        )
        stock = {"name": "Stock", "external_id": "stock", "environment": "staging", "connection_config": CONFIG}
        make_agent(apps["staging"], admins["staging"], **stock)
        make_agent(apps["staging"], admins["staging"], name="Draft", external_id="draft", environment="development")
        make_agent(apps["production"], admins["production"], name="Only here", external_id="only-here")

        for block in BLOCKS:
            _type(block, folder, {**keys[block.options["console"]], "DATABASE_URL": urls[block.options["console"]]})

        production = agents_of(apps["production"], admins["production"])
        assert set(production) == {"sales", "stock", "only-here"}
        assert production["stock"]["secrets_set"] == {}
        sales = production["sales"]
        assert (sales["environment"], sales["version"]) == ("production", 1)
        assert sales["connection_config"]["host"] == "db.example.org"
        assert sales["secrets_set"]["/connection_config/password"]["last_four"] == SECRET[-4:]
        with apps["production"].app_context():
            assert agent_history.listing(admins["production"], sales["id"]).items[0].note == "Release 12"
        assert set(agents_of(apps["empty"], admins["empty"])) == {"sales", "stock"}
    assert lines_without_secrets(folder / "agents.yaml") == lines_without_secrets(folder / "restored.yaml")
    assert "canary" not in "".join(file.read_text() for file in folder.glob("*.yaml"))


@pytest.mark.parametrize("name", ["promotion.md", "agent-files.md"])
def test_both_documents_begin_with_the_command_that_names_the_console(name: str) -> None:
    start, heading, _ = (ROOT / "docs" / name).read_text().partition("\n## ")

    assert heading
    assert NAMES_CONSOLE in start


def test_every_command_of_the_document_says_in_which_console_it_is_typed() -> None:
    assert {block.options.get("console") for block in BLOCKS} == {"staging", "production", "empty"}


def _type(block: Block, folder: Path, settings: dict[str, str]) -> None:
    named = block.text.replace("/srv/agent-console", str(folder))
    # The command that names the console works in every folder.
    place = folder if named == block.text else Path("/")
    run = type_lines(named, place, {**settings, "SALES_PASSWORD": SECRET})

    assert run.returncode == int(block.options.get("exit", 0)), f"{block.place}: {run.stdout}{run.stderr}"
    assert SECRET not in run.stdout + run.stderr
