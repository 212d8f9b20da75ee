"""ETags: what they change with, and how If-Match and If-None-Match read them."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.api import etags
from agents_app.db import db
from agents_app.models import Agent, User
from agents_app.operations.permissions import Actor
from tests.api.conftest import Client
from tests.make import agent_values, make_token

# The ETag of an agent as the console or a proxy writes it, alone and in lists.
SAME = [
    '"{}"',
    'W/"{}"',
    'w/"{}"',
    '"{}-gzip"',
    'W/"{}-gzip"',
    '"{}--gzip"',
    '"{};gzip"',
    '"{}-br"',
    'W/"{}-zstd"',
    '"{}-GZIP"',
    '"{}-gzip-gzip"',
    '"2", W/"{}"',
    '"", "{}"',
    '"{}","2"',
    '"a,b" ,, "{}",',
    "*",
]
# Each has the version of the agent, or another one, and an unknown mark.
OTHERS = ['"{}"', 'W/"{}"', '"{}-gzip"', '"{}-0123456789ab"', '"x", "{}"', '"{0}", "{0}-gzip"']
UNKNOWN = [
    '"one"',
    '""',
    '"01"',
    '"1-"',
    '"1-x"',
    '"-gzip"',
    '"*"',
    '"' + "9" * 5_000 + '"',
    '"1' + ";br" * 20_000 + '"',
]
MALFORMED = [
    "",
    " ",
    ",",
    '"1',
    '"1\\""',
    '"1-gzip',
    'x, "1"',
    '*, "2"',
    '"1" "2"',
    "'1'",
    "W/1",
    "“1”".encode().decode("latin-1"),
    "é",
]
AGAIN = "Read it again, then repeat the change."
ACTS = {"PATCH": {"name": "Other"}, "DELETE": None, "enable": None, "disable": {"reason": "Moving."}}


def _request(api: Client, act: str, path: str, tag: str) -> tuple[int, str, str]:
    method, rest = (act, "") if act.isupper() else ("POST", f"/{act}")
    answer = api(method, f"{path}{rest}", ACTS[act], headers={"If-Match": tag})
    return answer.status_code, answer.json["code"], answer.json["detail"]


@pytest.mark.parametrize("act", ACTS)
def test_a_stale_caller_changes_nothing_and_learns_why(api: Client, act: str) -> None:
    made = api.post("/agents", agent_values())
    path, whole = f"/agents/{made.json['id']}", made.headers["ETag"].strip('"')
    marked = whole[: whole.rindex("-")]

    def detail(tag: str) -> str:
        status, code, sentence = _request(api, act, path, tag)
        assert (status, code) == (412, "stale"), tag
        return sentence

    for tag in OTHERS:
        later = detail(tag.format("2-0123456789ab"))
        assert later.startswith("The agent is at version 1, and the requested version does not exist."), tag
        another = detail(tag.format("1-0123456789ab"))
        assert another.startswith("The agent is at another version 1 than the one that was read."), tag
    for tag in ('"1"', 'W/"1-gzip"', '"1-19ac5d3f8e1"', '"1", "2"'):
        assert detail(tag) == f"An ETag of an earlier release does not tell whether the agent was changed. {AGAIN}"
    for tag in UNKNOWN:
        assert detail(tag) == f'This ETag is not from this console. Send the ETag of the agent, such as "{marked}".'
    assert api.get(path).headers["ETag"] == made.headers["ETag"]


def test_an_agent_that_was_changed_in_between_is_not_changed(api: Client) -> None:
    made = api.post("/agents", agent_values())
    path, tag = f"/agents/{made.json['id']}", made.headers["ETag"]
    changed = api.patch(path, {"name": "Other"})

    refused = [_request(api, act, path, sent) for act in ACTS for sent in (tag, f"W/{tag}", f'{tag}, "9"')]

    detail = f"The agent has changed since it was read. It is now at version 2. {AGAIN}"
    assert set(refused) == {(412, "stale", detail)}
    assert api.get(path).headers["ETag"] == changed.headers["ETag"] != tag


def test_an_etag_that_a_proxy_changed_still_means_the_same(api: Client) -> None:
    made = api.post("/agents", agent_values())
    path, whole = f"/agents/{made.json['id']}", made.headers["ETag"].strip('"')

    for tag in SAME:
        read = api.get(path, headers={"If-None-Match": tag.format(whole)})
        assert (read.status_code, read.data, read.headers["ETag"]) == (304, b"", f'"{whole}"'), tag
        # In If-Match, the ETag for runtimes is enough.
        for sent in (whole, whole[: whole.rindex("-")]):
            answer = api.patch(path, {"name": made.json["name"]}, headers={"If-Match": tag.format(sent)})
            assert (answer.status_code, answer.headers["ETag"]) == (200, f'"{whole}"'), tag
    for tag in (*UNKNOWN, '"1"', f'"{whole[:-1]}"', f'"{whole[: whole.rindex("-")]}"'):
        assert api.get(path, headers={"If-None-Match": tag}).status_code == 200, tag
    assert api.delete(path, headers={"If-Match": f'W/"{whole}-gzip"'}).status_code == 204


def test_an_etag_without_quotes_is_refused_with_the_right_spelling(api: Client, console: Flask, admin: Actor) -> None:
    made = api.post("/agents", agent_values())
    path, tag = f"/agents/{made.json['id']}", made.headers["ETag"].strip('"')
    runtime = Client(console, make_token(console, admin, "runtime"))

    for sent in (*MALFORMED, tag, f'{tag}, "9"'):
        for answer in (
            api.get(path, headers={"If-None-Match": sent}),
            runtime.get(f"{path}/runtime", headers={"If-None-Match": sent}),
            api.patch(path, {"name": "Other"}, headers={"If-Match": sent}),
            api.delete(path, headers={"If-Match": sent}),
        ):
            assert (answer.status_code, answer.json["code"]) == (400, "bad_etag"), sent
            sentence = "* means every ETag" if "*" in sent else "An ETag has quotes around it. Send it as you"
            assert answer.json["detail"].startswith(sentence)
    assert api.get(path, headers={"If-None-Match": tag}).json["detail"].endswith(f': If-None-Match: "{tag}"')
    assert api.get(path).json["version"] == 1


def test_the_pattern_of_the_document_and_the_console_read_etags_alike(api: Client) -> None:
    for sent in (*MALFORMED, "a-0"):
        assert re.search(etags.PATTERN, sent) is None, sent
    for sent in (*SAME, *OTHERS, *UNKNOWN, ',\t"a" ,'):
        assert re.search(etags.PATTERN, sent), sent
        assert (
            api.get("/agents/00000000-0000-4000-8000-000000000000", headers={"If-None-Match": sent}).status_code == 404
        )


def test_several_header_lines_are_one_list(api: Client) -> None:
    made = api.post("/agents", agent_values())
    lines = [("If-None-Match", '"a"'), ("If-None-Match", f'"b", {made.headers["ETag"]}')]
    headers = [*lines, ("Authorization", f"Bearer {api.token}")]

    answer = api.app.test_client().get(f"/api/v1/agents/{made.json['id']}", headers=headers)

    assert answer.status_code == 304


def test_a_version_of_another_branch_of_the_history_has_another_etag(api: Client, console: Flask, admin: Actor) -> None:
    made = api.post("/agents", agent_values())
    path, runtime = f"/agents/{made.json['id']}", Client(console, make_token(console, admin, "runtime"))
    agent, fetched = api.get(path).headers["ETag"], runtime.get(f"{path}/runtime").headers["ETag"]
    # As after the restore of a backup, and another change that made the same version.
    this = Agent.id == UUID(made.json["id"])
    with console.app_context(), db.transaction() as session:
        moment = session.scalars(sa.select(Agent.updated_at).where(this)).one() + timedelta(microseconds=1)
        session.execute(sa.update(Agent).where(this).values(updated_at=moment))

    again = runtime.get(f"{path}/runtime", headers={"If-None-Match": fetched})
    checked = runtime.post("/runtime/check", {"agents": {made.json["id"]: fetched}}).json["agents"][made.json["id"]]

    assert agent.rpartition("-")[0] == fetched.rpartition("-")[0]
    assert agent != fetched
    assert api.get(path, headers={"If-None-Match": agent}).status_code == 200
    assert (again.status_code, again.headers["ETag"] != fetched) == (200, True)
    assert (checked["state"], checked["etag"]) == ("changed", again.headers["ETag"])
    assert api.patch(path, {"name": "Other"}, headers={"If-Match": agent}).status_code == 412
    assert api.patch(path, {"name": "Other"}, headers={"If-Match": again.headers["ETag"]}).status_code == 200


def test_every_change_makes_an_etag_of_its_own(api: Client, console: Flask, admin: Actor) -> None:
    path = f"/agents/{api.post('/agents', agent_values()).json['id']}"
    runtime = Client(console, make_token(console, admin, "runtime"))
    bulk = {"act": "set_owner", "ids": [path.rpartition("/")[2]], "owner": "Ada"}
    acts: list[tuple[str, str, Any]] = [
        ("PATCH", path, {"name": "Other"}),
        ("POST", f"{path}/disable", {"reason": "Moving."}),
        ("POST", f"{path}/enable", None),
        ("POST", f"{path}/versions/1/restore", None),
        ("POST", "/agents/bulk", bulk),
        ("DELETE", path, None),
        ("POST", f"{path}/restore", None),
        ("PATCH", path, {"name": "Sales 2"}),
    ]
    tags = [runtime("HEAD", f"{path}/runtime").headers["ETag"]]
    for method, place, body in acts:
        assert api(method, place, body).status_code in (200, 204)
        checked = runtime.post("/runtime/check", {"agents": {path.rpartition("/")[2]: None}}).json["agents"]
        tags += [one["etag"] for one in checked.values() if one["etag"]]

    assert [tag.partition("-")[0] for tag in tags] == [f'"{number}' for number in (1, 2, 3, 4, 5, 6, 8, 9)]
    assert len({tag.partition("-")[2] for tag in tags}) == len(tags)


def test_the_etag_covers_what_changes_without_a_version(api: Client, console: Flask, admin: Actor) -> None:
    made = api.post("/agents", agent_values())
    path, before = f"/agents/{made.json['id']}", made.headers["ETag"]
    with console.app_context(), db.transaction() as session:
        session.execute(sa.update(User).where(User.id == admin.user_id).values(name="Ada Renamed"))

    after = api.get(path, headers={"If-None-Match": before})
    changed = api.patch(path, {"name": "Other"}, headers={"If-Match": before})

    assert (after.status_code, after.json["created_by"]["name"], after.json["version"]) == (200, "Ada Renamed", 1)
    assert after.headers["ETag"] != before
    assert changed.status_code == 200
    assert api.get(path, headers={"If-None-Match": changed.headers["ETag"]}).status_code == 304
