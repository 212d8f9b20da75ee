"""What the table of retries in docs/api.md says is true of every operation that takes the header of a row."""

import re
from typing import Any

import pytest

from agents_app.api import ENDPOINTS
from agents_app.api.endpoint import Endpoint
from agents_app.paths import ROOT
from tests.api.conftest import Client
from tests.make import agent_values

TABLE = (ROOT / "docs" / "api.md").read_text().partition("\n## Retries\n")[2].partition("\n\nWait ")[0]
CELLS = re.findall(r"^\| ([^|]*) \|", TABLE, re.MULTILINE)
CONDITION = ("If-Match", "If-None-Match: *", "Idempotency-Key")
CHANGES: dict[str, Any] = {"updateAgent": {"name": "B"}, "disableAgent": {"reason": "Moving."}}
NEW = {"putAgentByExternalId": agent_values(name="B", external_id="crm-1")}


def takes(endpoint: Endpoint, header: str) -> bool:
    """Whether the document says that this operation takes the header, in a request that is not GET."""
    name, _, value = header.partition(":")
    return name in endpoint.headers and endpoint.method not in ("GET", *(["PATCH", "DELETE"] if value else []))


def named(cell: str) -> set[str]:
    """The operations that a cell names: `POST /path`, or every one with a method."""
    whole = set(re.findall(r"`(\w+ /\S*)`", cell))
    methods = set(re.findall(r"\b[A-Z]{3,}\b", re.sub(r"`[^`]*`", "", cell)))
    return {one.operation for one in ENDPOINTS if one.method in methods or f"{one.method} {one.path}" in whole}


@pytest.mark.parametrize("header", CONDITION)
def test_the_row_of_a_header_names_the_operations_that_take_it(header: str) -> None:
    (cell,) = [cell for cell in CELLS if cell.endswith(f" with `{header}`")]

    assert named(cell) == {one.operation for one in ENDPOINTS if takes(one, header)}


@pytest.mark.parametrize(
    "endpoint", [one for one in ENDPOINTS if takes(one, "If-Match")], ids=lambda one: str(one.operation)
)
def test_a_change_with_if_match_is_carried_out_once(api: Client, endpoint: Endpoint) -> None:
    made: dict[str, Any] = api.post("/agents", agent_values(external_id="crm-1")).json
    path = f"/agents/{made['id']}"
    api.patch(path, {"name": "Before"})
    if endpoint.operation == "enableAgent":
        api.post(f"{path}/disable", {"reason": "Moving."})
    tag = api.get(path).headers["ETag"]
    place = endpoint.path.format(agent_id=made["id"], version=1, external_id="crm-1")
    body = (CHANGES | NEW).get(endpoint.operation)

    first, again = (api(str(endpoint.method), place, body, headers={"If-Match": tag}) for _ in range(2))

    assert first.status_code in (200, 204), first.text
    expected = (404, "not_found") if endpoint.method == "DELETE" else (412, "stale")
    assert (again.status_code, again.json["code"]) == expected


def test_a_put_that_only_creates_is_carried_out_once_and_without_a_condition_changes_nothing_again(api: Client) -> None:
    path, body = "/agents/by-external-id/crm-1", agent_values()

    first, again = (api("PUT", path, body, headers={"If-None-Match": "*"}) for _ in range(2))
    plain = api("PUT", path, body)

    assert (first.status_code, again.status_code, again.json["code"]) == (201, 412, "already_exists")
    assert (plain.status_code, plain.json["version"]) == (200, 1)
