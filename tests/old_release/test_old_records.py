"""The current code reads and changes records of 0.1.0 at every door, and what 0.1.0 made still works."""

import re
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from alembic import command
from click.testing import Result
from flask.testing import FlaskClient

from agents_app.db import db
from agents_app.models import Agent, AgentVersion
from agents_app.operations import agent_states, attention_columns, snapshots
from agents_app.schemas.agents import CONFIG
from agents_app.schemas.listing import Sort
from tests import postgres
from tests.api.conftest import is_valid
from tests.dbtools.tools import console_config
from tests.old_release.conftest import DATABASES, Old, restore

AGENTS = "/api/v1/agents"
# The rules of this release refuse the content of these agents. A change of them is refused with what to correct.
REFUSED_NOW = {"key_in_clear", "no_certificate"}
HELD = {"database", "power_bi", "disabled", "of_someone_gone"}


def api(old: Old) -> FlaskClient:
    return old.app.test_client(use_cookies=False)


def typed(old: Old, *words: str) -> Result:
    return old.app.test_cli_runner().invoke(args=words, catch_exceptions=False)


def csrf(browser: FlaskClient, address: str) -> str:
    """The CSRF value of the forms of a page."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', browser.get(address).text)
    assert found
    return found[1]


@pytest.mark.parametrize("sort", list(Sort))
def test_lists_have_every_agent_and_old_cursors_still_work(sort: Sort, old: Old) -> None:
    known = old.notes["cursors"]["agents"][sort.value]
    asked = f"{AGENTS}?limit={old.notes['cursors']['limit']}&sort={sort.value}&cursor={known['cursor']}"

    whole = api(old).get(f"{AGENTS}?sort={sort.value}&limit=200", headers=old.bearer("read"))
    following = api(old).get(asked, headers=old.bearer("read"))

    mine = {agent["id"] for agent in old.notes["agents"].values()}
    assert mine < {item["id"] for item in whole.json["items"]}
    assert is_valid(whole.json, "AgentPage")
    assert [item["id"] for item in following.json["items"]] == known["following"]


def test_a_cursor_of_a_removed_sort_order_is_refused(old: Old) -> None:
    cursor = old.notes["cursors"]["agents"]["name"]["cursor"]

    answer = api(old).get(f"{AGENTS}?cursor={cursor}&sort=-created_at", headers=old.bearer("read"))
    unknown = api(old).get(f"{AGENTS}?sort=colour", headers=old.bearer("read"))

    assert (answer.status_code, answer.json["code"], unknown.status_code) == (400, "bad_cursor", 422)


def test_every_agent_can_be_read_and_fetched_with_its_own_secrets(old: Old) -> None:
    for name, known in old.notes["agents"].items():
        read = api(old).get(f"{AGENTS}/{known['id']}", headers=old.bearer("read"))
        running = api(old).get(f"{AGENTS}/{known['id']}/runtime", headers=old.bearer("runtime"))

        assert (read.status_code, is_valid(read.json, "Agent")) == (200, True)
        assert {pointer.rpartition("/")[2] for pointer in read.json["secrets_set"]} == set(known["secrets"])
        assert all(fact["readable"] for fact in read.json["secrets_set"].values())
        if name == "disabled":
            assert (running.status_code, running.json["code"]) == (403, "agent_disabled")
            continue
        clear = {"api_key": running.json["api_key"], **running.json[CONFIG]}
        assert is_valid(running.json, "RuntimeAgent")
        assert {secret: clear[secret] for secret in known["secrets"]} == known["secrets"]


def test_every_agent_has_the_columns_by_which_it_is_found_if_it_needs_attention(old: Old) -> None:
    with old.app.app_context(), db.reading() as connection:
        rows = connection.execute(sa.select(*sa.inspect(Agent).columns)).all()

    for row in rows:
        expected = attention_columns.of_state(agent_states.of_agent(row), row.version)
        assert {name: row._mapping[name] for name in expected} == expected, row.name
    assert len({row.attention_date for row in rows}) > 2
    assert len({row.secret_key_ids for row in rows}) > 2


def test_tokens_still_reach_the_same_agents(old: Old) -> None:
    everything, bare = old.agent("everything"), old.agent("bare")
    for token, path, status in (
        ("read", "/api/v1/me", 200),
        ("write", "/api/v1/me", 200),
        ("revoked", "/api/v1/me", 401),
        ("read", f"{AGENTS}/{bare}/runtime", 403),
        ("limited", f"{AGENTS}/{everything}/runtime", 200),
        ("limited", f"{AGENTS}/{bare}/runtime", 404),
        ("other_account", f"{AGENTS}/{bare}/runtime", 404),
        ("other_account", f"{AGENTS}/{old.notes['other_agent']}/runtime", 200),
    ):
        assert api(old).get(path, headers=old.bearer(token)).status_code == status, (token, path)


def test_an_old_etag_is_unknown_and_no_version_for_a_change(old: Old) -> None:
    path, etag = f"{AGENTS}/{old.agent(old.notes['etag']['agent'])}", old.notes["etag"]["value"]

    read = api(old).get(path, headers=old.bearer("read") | {"If-None-Match": etag})
    refused = api(old).patch(path, json={"description": "New."}, headers=old.bearer("write") | {"If-Match": etag})
    tag = read.headers["ETag"]
    changed = api(old).patch(path, json={"description": "New."}, headers=old.bearer("write") | {"If-Match": tag})
    late = api(old).patch(path, json={"description": "Late."}, headers=old.bearer("write") | {"If-Match": etag})

    assert [read.status_code, refused.status_code, changed.status_code, late.status_code] == [200, 412, 200, 412]
    assert refused.json["detail"].startswith("An ETag of an earlier release does not tell")
    assert late.json["detail"].startswith("The agent has changed since it was read.")


def test_every_agent_is_written_back_as_it_was_read_and_nothing_is_stored(old: Old) -> None:
    for name, known in old.notes["agents"].items():
        path = f"{AGENTS}/{known['id']}"
        read = api(old).get(path, headers=old.bearer("read"))

        answer = api(old).patch(path, json=read.json, headers=old.bearer("write"))

        assert (answer.status_code, answer.headers.get("ETag")) == (200, read.headers["ETag"]), (name, answer.json)


def test_a_repeated_post_with_an_old_key_makes_no_second_agent(old: Old) -> None:
    before = len(api(old).get(f"{AGENTS}?limit=200", headers=old.bearer("read")).json["items"])
    found = {}
    for name, known in old.notes["idempotent"].items():
        headers = old.bearer("write") | {"Idempotency-Key": known["key"]}
        found[name] = api(old).post(AGENTS, json=known["body"], headers=headers)
        other = api(old).post(AGENTS, json=known["body"] | {"description": "Other."}, headers=headers)
        assert other.status_code == 409

    assert (found["untouched"].status_code, found["untouched"].json["id"]) == (
        200,
        old.notes["idempotent"]["untouched"]["id"],
    )
    assert {found["changed"].status_code, found["deleted"].status_code} <= {200, 409}
    assert len(api(old).get(f"{AGENTS}?limit=200", headers=old.bearer("read")).json["items"]) == before


def test_every_deletion_can_be_undone_or_says_why_not(old: Old) -> None:
    browser = old.browser("admin")
    for name, agent_id in old.notes["deleted"].items():
        form = {"csrf_token": csrf(browser, "/activity")}
        answer = browser.post(f"/agents/{agent_id}/restore", data=form)

        if answer.status_code != 303:
            assert (name, answer.status_code) == ("key_in_clear", 409)
            assert "cannot be used by this release" in answer.text
            continue
        read = api(old).get(f"{AGENTS}/{agent_id}", headers=old.bearer("read"))
        assert is_valid(read.json, "Agent")
        assert bool(read.json["secrets_set"]) == (name in HELD)
        assert (read.json["created_by"] is None) == (name == "of_someone_gone")
        if name == "disabled":
            assert (read.json["status"], read.json["status_reason"]) == ("disabled", "Was wrong.")
            continue
        running = api(old).get(f"{AGENTS}/{agent_id}/runtime", headers=old.bearer("runtime"))
        assert is_valid(running.json, "RuntimeAgent")
        if name == "database":
            assert running.json[CONFIG]["password"] == "pass word 1 of sales"


def test_every_agent_can_be_cloned_changed_disabled_enabled_and_deleted(old: Old) -> None:
    client, write = api(old), old.bearer("write")
    for name, known in old.notes["agents"].items():
        path = f"{AGENTS}/{known['id']}"
        clone = client.post(f"{path}/clone", headers=write)
        unchanged = client.patch(path, json={"name": clone.json["name"].removeprefix("Copy of ")}, headers=write)
        changed = client.patch(path, json={"description": "Changed by today's code."}, headers=write)
        disabled = client.post(f"{path}/disable", json={"reason": "Try."}, headers=write)
        enabled = client.post(f"{path}/enable", headers=write)
        deleted = client.delete(path, headers=write)

        assert is_valid(clone.json, "SavedAgent")
        assert set(clone.json["secrets_set"]) == set(disabled.json["secrets_set"])
        acts = [clone, unchanged, changed, disabled, enabled, deleted]
        if name in REFUSED_NOW:
            assert {unchanged.status_code, changed.status_code} <= {200, 422}
            acts = [clone, disabled, enabled, deleted]
        else:
            assert unchanged.headers["ETag"].startswith(f'"{unchanged.json["version"]}-')
            assert unchanged.json["version"] == changed.json["version"] - 1
        assert [act.status_code for act in acts] == [201, *[200] * (len(acts) - 2), 204], name


def test_a_changed_agent_has_only_members_that_0_1_0_knows_so_that_the_way_back_can_change_it(old: Old) -> None:
    agents = {name: UUID(old.agent(name)) for name in ("everything", "bare", "power_bi")}
    before = {name: stored_members(old, agent_id) for name, agent_id in agents.items()}

    for agent_id in agents.values():
        path = f"{AGENTS}/{agent_id}"
        changed = api(old).patch(path, json={"description": "Changed by this release."}, headers=old.bearer("write"))
        assert changed.status_code == 200, changed.text

    assert {name: stored_members(old, agent_id) for name, agent_id in agents.items()} == before
    expiry = {"connection_config": {"credential_expires_at": "2099-12-31"}}
    expiring = api(old).patch(f"{AGENTS}/{agents['bare']}", json=expiry, headers=old.bearer("write"))
    assert expiring.json["connection_config"]["credential_expires_at"] == "2099-12-31"
    assert stored_members(old, agents["bare"]) == before["bare"] | {"credential_expires_at"}


def stored_members(old: Old, agent_id: UUID) -> set[str]:
    """The names in the stored configuration of an agent."""
    with old.app.app_context(), db.reading() as connection:
        return set(connection.scalar(sa.select(Agent.connection_config).where(Agent.id == agent_id)) or ())


@pytest.mark.long
def test_users_are_still_signed_in_and_every_page_opens(old: Old) -> None:
    rules = [rule for rule in old.app.url_map.iter_rules() if "GET" in rule.methods and "api" not in rule.endpoint]
    for role in ("admin", "editor", "viewer"):
        browser = old.browser(role)
        assert browser.get("/agents").status_code == 200
        for rule in rules:
            for address in _addresses(old, rule.rule):
                assert browser.get(address).status_code in (200, 301, 303, 403, 404), address
    admin = old.browser("admin")
    for address in ("/agents?sort=colour", "/activity", "/people", "/tokens", "/account"):
        assert admin.get(address).status_code in (200, 400, 422)
    for agent_id in old.notes["agents"].values():
        page = admin.get(f"/agents/{agent_id['id']}/edit")
        assert (page.status_code, "Cannot be decrypted" in page.text) == (200, False)


def _addresses(old: Old, rule: str) -> list[str]:
    ids = {
        "agent_id": [known["id"] for known in old.notes["agents"].values()],
        "code": [old.notes["invitation"]],
    }
    name = re.search(r"<(?:\w+:)?(\w+)>", rule)
    if name is None:
        return [f"{rule}?code={old.notes['invitation' if rule == '/join' else 'reset_link']}"]
    values = ids.get(name[1], [old.notes["account_id"]])
    return [rule.replace(name[0], value) for value in values]


def test_activity_shows_every_event_and_its_old_cursor_still_works(old: Old) -> None:
    browser, text, address = old.browser("admin"), "", "/activity"
    for _ in range(10):
        page = browser.get(address).text
        text += page
        following = re.search(r'href="(/activity\?[^"]*cursor=[^"]*)"', page)
        if following is None:
            break
        address = following[1].replace("&amp;", "&")

    for words in (
        "restored",
        "as a clone",
        "fetched the working configuration",
        "was refused",
        "joined by an invitation link",
    ):
        assert words in text
    assert "moved" in text
    assert browser.get(f"/activity?cursor={old.notes['cursors']['events']}").status_code == 200


def test_links_and_passwords_still_work(old: Old) -> None:
    browser = old.app.test_client()
    form = {"csrf_token": csrf(browser, "/sign-in"), "email": old.notes["people"]["admin"]}
    assert browser.post("/sign-in", data=form | {"password": old.notes["password"]}).status_code == 303
    joining = old.app.test_client()
    link = f"/join?code={old.notes['invitation']}"
    person = {"name": "New", "email": "new@acme.example", "password": "a long pass phrase 27"}
    form = {"csrf_token": csrf(joining, link), "code": old.notes["invitation"]} | person
    assert joining.post("/join", data=form).status_code == 303


def test_the_keys_are_known_moved_and_verified(old: Old) -> None:
    before = typed(old, "secrets", "status")
    rotated = typed(old, "secrets", "rotate")
    verified = typed(old, "secrets", "verify")
    purged = typed(old, "purge", "--dry-run")

    assert (before.exit_code, "old" in before.stdout) == (0, True)
    assert (rotated.exit_code, "old encrypts no secrets" in rotated.stdout) == (0, True)
    assert "cannot be decrypted" not in verified.output
    assert (purged.exit_code, "links" in purged.stdout) == (0, True)
    running = api(old).get(f"{AGENTS}/{old.agent('everything')}/runtime", headers=old.bearer("runtime"))
    assert running.json["api_key"] == old.notes["agents"]["everything"]["secrets"]["api_key"]
    for command_words in (("agents", "list", "--account", "Acme"), ("tokens", "list", "--account", "Acme")):
        assert typed(old, *command_words).exit_code == 0
    for known in old.notes["agents"].values():
        assert typed(old, "agents", "show", known["id"], "--account", "Acme").exit_code == 0


def test_every_version_reads_as_an_agent_that_is_valid_today(old: Old) -> None:
    with old.app.app_context(), db.reading() as connection:
        recorded = connection.execute(sa.select(AgentVersion.agent_id, AgentVersion.snapshot)).all()
    careless = {UUID(old.agent(name)) for name in REFUSED_NOW} | {UUID(old.notes["deleted"]["key_in_clear"])}

    for row in recorded:
        if row.agent_id not in careless:
            assert snapshots.draft(row.snapshot).fields["name"] == row.snapshot["name"]


@pytest.mark.parametrize("kind", DATABASES)
def test_todays_migrations_go_up_from_the_old_head_back_and_up_again(
    kind: str, request: pytest.FixtureRequest, postgres_server: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKUP_FOLDER", str(tmp_path / "backups"))
    if kind == "sqlite":
        _up_and_down(f"sqlite:///{tmp_path / 'console.db'}")
        return
    with postgres.database(postgres_server) as url:
        _up_and_down(url)


def _up_and_down(url: str) -> None:
    restore(url)
    command.upgrade(console_config(url), "head")
    command.check(console_config(url))
    command.downgrade(console_config(url), "base")
    command.upgrade(console_config(url), "head")
    command.check(console_config(url))
