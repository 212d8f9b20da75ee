"""The versions that 0.1.0 recorded are listed, read, compared and restored."""

from typing import Any

from agents_app.schemas.agents import CONFIG
from tests.api.conftest import is_valid
from tests.old_release.conftest import Old
from tests.old_release.test_old_records import AGENTS, REFUSED_NOW, api, typed


def versions_of(old: Old, agent_id: str) -> list[dict[str, Any]]:
    """The versions of an agent, the newest first."""
    answer = api(old).get(f"{AGENTS}/{agent_id}/versions?limit=200", headers=old.bearer("read"))
    assert (answer.status_code, is_valid(answer.json, "VersionPage")) == (200, True)
    found: list[dict[str, Any]] = answer.json["items"]
    return found


def test_every_old_version_is_listed_with_its_door_and_can_be_read(old: Old) -> None:
    for name, known in old.notes["agents"].items():
        listed = versions_of(old, known["id"])
        for one in listed:
            path = f"{AGENTS}/{known['id']}/versions/{one['version']}"
            read = api(old).get(path, headers=old.bearer("read"))

            assert (read.status_code, is_valid(read.json, "VersionDetails")) == (200, True), name
            assert one["door"] in ("page", "token", "terminal"), name
            # The key in clear is left out, so that the rest is valid.
            assert (read.json["problem"] is None) == (name != "no_certificate"), name
        assert [one["version"] for one in listed] == list(range(len(listed), 0, -1))
        assert typed(old, "agents", "version", known["id"], "1", "--account", "Acme").exit_code == 0, name


def test_the_first_version_of_an_old_agent_is_restored(old: Old) -> None:
    statuses = {}
    for name, known in old.notes["agents"].items():
        path = f"{AGENTS}/{known['id']}"
        first = api(old).get(f"{path}/versions/1", headers=old.bearer("read")).json
        kind = first["content"]["connection_type"]
        secrets = {"DB": ["password"], "POWERBI": ["client_secret", "private_key_pem", "private_key_password"]}[kind]
        values = {"api_key": None, CONFIG: dict.fromkeys(secrets)}

        answer = api(old).post(f"{path}/versions/1/restore", json=values, headers=old.bearer("write"))

        statuses[name] = answer.status_code
        if answer.status_code == 200:
            assert {one: answer.json[one] for one in ("name", CONFIG)} == {
                one: first["content"][one] for one in ("name", CONFIG)
            }, name
            assert answer.json["secrets_set"] == {}
        else:
            assert answer.json["code"] == "snapshot_unreadable", (name, answer.text)
    assert {name for name, status in statuses.items() if status != 200} <= REFUSED_NOW
