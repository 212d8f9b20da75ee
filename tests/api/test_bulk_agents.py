"""Bulk acts over JSON: refusals, named failures, and the undo."""

import re
import uuid
from typing import Any

import pytest
from flask import Flask

from agents_app.operations import agents
from agents_app.operations.permissions import Actor
from tests.api.conftest import Client
from tests.make import make_agent, make_token, make_user

SUMMARIES = {
    "disable": "2 agents were disabled.",
    "set_owner": "2 agents had the owner removed.",
    "set_environment": "2 agents were given this environment.",
    "set_labels": "2 agents were given these labels.",
}
BULK = "/agents/bulk"
AN_ID = str(uuid.uuid4())
MEMBER = "This field is not known here."
REFUSED: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "nothing": (
        {},
        [
            ("/act", "Choose one of: enable, disable, delete, set_owner, set_environment, set_labels, test."),
            ("/ids", "Choose at least one agent."),
        ],
    ),
    "no such act": (
        {"act": "destroy", "ids": [AN_ID]},
        [("/act", "Choose one of: enable, disable, delete, set_owner, set_environment, set_labels, test.")],
    ),
    "no ids": ({"act": "enable", "ids": []}, [("/ids", "Choose at least one agent.")]),
    "ids that are no list": ({"act": "enable", "ids": AN_ID}, [("/ids", "Write this as a list of ids.")]),
    "wrong ids at their places": (
        {"act": "enable", "ids": [AN_ID, "x", None, 7, "\ud800", [AN_ID]]},
        [("/ids/1", "Write a UUID"), ("/ids/2", "text"), ("/ids/3", "text"), ("/ids/4", ""), ("/ids/5", "text")],
    ),
    "too many ids": (
        {"act": "enable", "ids": [str(uuid.UUID(int=n)) for n in range(1_001)]},
        [("/ids", "Use at most 1,000 agents at once. These are 1,001.")],
    ),
    "too many tests": (
        {"act": "test", "ids": [str(uuid.UUID(int=n)) for n in range(21)]},
        [("/ids", "Use at most 20 agents at once. These are 21.")],
    ),
    "no reason": ({"act": "disable", "ids": [AN_ID], "reason": " "}, [("/reason", "Say why the agents are disabled.")]),
    "a member of another act": ({"act": "enable", "ids": [AN_ID], "reason": "x"}, [("/reason", MEMBER)]),
    "no owner": (
        {"act": "set_owner", "ids": [AN_ID]},
        [("/owner", "Send this member. null removes the owner of the agents.")],
    ),
    "an owner that was forgotten": (
        {"act": "set_owner", "ids": [AN_ID], "owner": " \t"},
        [("/owner", "It is empty. null removes the owner of the agents.")],
    ),
    "no environment, and everything else": (
        {"act": "set_environment", "ids": [], "note": "x\u0000", "labels": {}},
        [
            ("/ids", "Choose at least one agent."),
            ("/note", ""),
            ("/labels", MEMBER),
            ("/environment", "Send this member."),
        ],
    ),
    "an environment that there is not": (
        {"act": "set_environment", "ids": [AN_ID], "environment": "test"},
        [("/environment", "Choose one of")],
    ),
    "no labels": ({"act": "set_labels", "ids": [AN_ID], "labels": {}}, [("/labels", "Write at least one label.")]),
    "wrong labels": (
        {"act": "set_labels", "ids": [AN_ID], "labels": {"a b": None, "team": 7, "x": ""}},
        [
            ("/labels/a b", "The name of a label"),
            ("/labels/team", "text"),
            ("/labels/x", "Write a value for the label x"),
        ],
    ),
    "a note of a test": ({"act": "test", "ids": [AN_ID], "note": "x"}, [("/note", MEMBER)]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_every_broken_rule_is_named_at_once_with_its_place(case: str, api: Client) -> None:
    body, expected = REFUSED[case]

    answer = api.post(BULK, body)

    assert answer.status_code == 422
    found = [(one["pointer"], one["detail"]) for one in answer.json["errors"]]
    assert [pointer for pointer, _ in found] == [pointer for pointer, _ in expected]
    assert [part for (_, part), (_, sentence) in zip(expected, found, strict=True) if part not in sentence] == []


def test_an_id_of_another_account_is_answered_like_a_missing_one_among_own_ones(
    console: Flask, admin: Actor, api: Client
) -> None:
    own, foreign, missing = (
        make_agent(console, admin, name="Own"),
        make_agent(console, make_user(console)),
        uuid.uuid4(),
    )

    answer = api.post(
        BULK, {"act": "disable", "ids": [str(foreign), str(own), str(missing), str(own).upper()], "reason": "Moving."}
    )

    assert answer.json["counts"] == {"changed": 1, "unchanged": 0, "failed": 2}
    assert answer.json["changed"] == [{"id": str(own), "name": "Own", "version": 2, "reason_replaced": False}]
    why = {"name": None, "code": "not_found", "detail": "There is no agent with this id."}
    assert sorted(answer.json["failed"], key=str) == sorted(
        [{"id": str(one), **why} for one in (foreign, missing)], key=str
    )
    assert api.get(f"/agents/{own}").json["status_reason"] == "Moving."


def test_each_change_is_undone_but_not_that_of_an_agent_which_was_changed_since(
    console: Flask, admin: Actor, api: Client
) -> None:
    kept, changed = (
        make_agent(console, admin, name=name, owner="Ada", labels={"team": "a", "tier": "1"})
        for name in ("Kept", "Changed")
    )
    ids, acts = [str(kept), str(changed)], []
    for values in (
        {"act": "disable", "reason": "Moving."},
        {"act": "set_owner", "owner": None},
        {"act": "set_environment", "environment": "staging"},
        {"act": "set_labels", "labels": {"team": "b", "tier": None, "region": "emea"}, "note": "Renamed."},
    ):
        answer = api.post(BULK, {"ids": ids, **values}).json
        assert answer["summary"] == SUMMARIES[values["act"]]
        assert sorted(one["name"] for one in answer["changed"]) == ["Changed", "Kept"]
        assert api.post(BULK, {"ids": ids, **values}).json["counts"] == {"changed": 0, "unchanged": 2, "failed": 0}
        acts.append(answer["id"])
    before = api.get(f"/agents/{kept}").json
    assert (before["owner"], before["environment"], before["status"]) == (None, "staging", "disabled")
    assert before["labels"] == {"team": "b", "region": "emea"}
    api.patch(f"/agents/{changed}", {"description": "Later."})

    undone = api.post(f"{BULK}/{acts[3]}/undo").json

    assert undone["act"] == "undo"
    assert undone["changed"] == [{"id": str(kept), "name": "Kept", "version": 6, "reason_replaced": False}]
    assert [(one["name"], one["code"]) for one in undone["failed"]] == [("Changed", "stale")]
    assert undone["failed"][0]["detail"] == "It was changed since. It is at version 6 now."
    again = api.post(f"{BULK}/{acts[3]}/undo").json
    assert (undone["is_repeated"], again["is_repeated"], again["id"]) == (False, True, undone["id"])
    assert again["counts"] == {"changed": 0, "unchanged": 1, "failed": 1}
    assert (again["unchanged"], again["failed"]) == (undone["changed"], undone["failed"])
    assert api.get(f"/agents/{kept}").json["version"] == 6
    assert api.get(f"/agents/{kept}").json["labels"] == {"team": "a", "tier": "1"}
    assert api.post(f"{BULK}/{undone['id']}/undo").json["code"] == "cannot_be_undone"
    # The others are of earlier versions.
    assert api.post(f"{BULK}/{acts[0]}/undo").json["counts"] == {"changed": 0, "unchanged": 0, "failed": 2}


@pytest.mark.parametrize(
    "values",
    [
        {"act": "disable", "reason": "Moving."},
        {"act": "set_owner", "owner": "Grace"},
        {"act": "set_environment", "environment": None},
        {"act": "set_labels", "labels": {"team": None}},
        {"act": "delete"},
        {"act": "enable"},
    ],
    ids=lambda values: values["act"],
)
def test_an_undo_restores_everything_the_act_replaced(
    values: dict[str, Any], console: Flask, admin: Actor, api: Client
) -> None:
    agent_id = make_agent(
        console, admin, owner="Ada", environment="staging", labels={"team": "a"}, api_key="sk-0123456789abcdef"
    )
    if values["act"] == "enable":
        api.post(f"/agents/{agent_id}/disable", {"reason": "Before."})
    before = api.get(f"/agents/{agent_id}").json

    done = api.post(BULK, {"ids": [str(agent_id)], **values}).json
    assert done["counts"]["changed"] == 1
    undone = api.post(f"{BULK}/{done['id']}/undo").json

    assert undone["counts"] == {"changed": 1, "unchanged": 0, "failed": 0}
    after = api.get(f"/agents/{agent_id}").json
    written = ("version", "updated_at", "updated_by", "updated_by_token_owner")
    assert {**after, **{name: before[name] for name in written}} == before
    assert after["version"] == before["version"] + 2
    newest, done_by_act = api.get(f"/agents/{agent_id}/versions").json["items"][:2]
    assert (newest["undone_act"], done_by_act["undone_act"]) == (values["act"], None)
    assert (newest["bulk_id"], done_by_act["bulk_id"]) == (undone["id"], done["id"])
    is_restored = values["act"] == "delete"
    expected = ("agent.restored", None) if is_restored else ("agent.change_undone", before["version"])
    assert (newest["action"], newest["restored_version"]) == expected


def test_an_act_whose_answer_was_lost_is_undone_by_the_id_of_its_versions(
    console: Flask, admin: Actor, api: Client
) -> None:
    agent_id = make_agent(console, admin, owner="Ada")
    asked, key = {"act": "set_owner", "ids": [str(agent_id)], "owner": "Grace"}, {"Idempotency-Key": "7"}

    api.post(BULK, asked, headers=key)
    again = api.post(BULK, asked, headers=key).json
    undone = [
        api.post(f"{BULK}/{one}/undo").json
        for one in (again["id"], api.get(f"/agents/{agent_id}/versions").json["items"][0]["bulk_id"])
    ]

    assert again["counts"] == {"changed": 0, "unchanged": 1, "failed": 0}
    assert [one["counts"]["changed"] for one in undone] == [0, 1]
    assert api.get(f"/agents/{agent_id}").json["owner"] == "Ada"
    assert api.get(f"/agents/{agent_id}/versions/1").json["bulk_id"] is None


def test_what_looks_like_a_secret_is_named_at_its_place_and_not_repeated(
    console: Flask, admin: Actor, api: Client
) -> None:
    ids, secret = [str(make_agent(console, admin))], "sk-proj-Abc123Def456Ghi789Jkl012Mno345Pqr678"
    acts: dict[str, dict[str, Any]] = {
        "/reason": {"act": "disable", "reason": f"Revoked {secret}", "note": "Moving."},
        "/owner": {"act": "set_owner", "owner": f"Ada {secret}"},
        "/labels/team": {"act": "set_labels", "labels": {"team": secret, "tier": None}},
        "/note": {"act": "enable", "note": f"password: {secret}"},
    }

    for pointer, values in acts.items():
        answer = api.post(BULK, {"ids": ids, **values})
        assert [one["pointer"] for one in answer.json["warnings"]] == [pointer]
        assert "This field is not encrypted" in answer.json["warnings"][0]["detail"]
        assert secret not in answer.text
    quiet = api.post(BULK, {"ids": ids, "act": "set_environment", "environment": "staging", "note": "Moved."}).json
    undone = api.post(f"{BULK}/{quiet['id']}/undo", {"note": f"The token was {secret}"}).json

    assert quiet["warnings"] == []
    assert [one["pointer"] for one in undone["warnings"]] == ["/note"]


def test_a_half_that_fails_does_not_stop_the_other(console: Flask, admin: Actor, api: Client) -> None:
    full = {f"label-{number}": "x" for number in range(20)}
    ids = [str(make_agent(console, admin, name=f"{n}", labels=full if n % 2 else {"label-1": "y"})) for n in range(6)]

    answer = api.post(BULK, {"act": "set_labels", "ids": ids, "labels": {"one-more": "x"}}).json

    assert answer["counts"] == {"changed": 3, "unchanged": 0, "failed": 3}
    assert {one["detail"] for one in answer["failed"]} == {"It would have 21 labels. Use at most 20."}
    assert {one["name"] for one in answer["failed"]} == {"1", "3", "5"}


def test_a_repeated_restore_and_a_reused_external_id_are_named(console: Flask, admin: Actor, api: Client) -> None:
    ids = [str(make_agent(console, admin, name=name, external_id=f"x-{name}")) for name in ("a", "b", "c")]
    done = api.post(BULK, {"act": "delete", "ids": ids}).json
    make_agent(console, admin, name="New", external_id="x-b")

    undone = api.post(f"{BULK}/{done['id']}/undo").json

    assert undone["counts"] == {"changed": 2, "unchanged": 0, "failed": 1}
    assert [(one["name"], one["code"]) for one in undone["failed"]] == [("b", "external_id_reused")]


@pytest.mark.parametrize(
    ("role", "scope", "act", "status"),
    [
        ("viewer", "write", "enable", 403),
        ("admin", "read", "enable", 403),
        ("admin", "runtime", "test", 403),
        ("editor", "write", "delete", 403),
        ("editor", "write", "enable", 200),
        ("admin", "write", "delete", 200),
    ],
)
def test_who_may_not_do_an_act_is_refused_and_nothing_is_changed(
    role: str, scope: str, act: str, status: int, console: Flask, admin: Actor
) -> None:
    person = make_user(console, role, admin.account_id)
    agent_id = make_agent(console, admin)

    answer = Client(console, make_token(console, person, scope)).post(BULK, {"act": act, "ids": [str(agent_id)]})

    assert answer.status_code == status
    still = Client(console, make_token(console, admin)).get(f"/agents/{agent_id}")
    assert (still.status_code, (still.json or {}).get("version")) == (
        (200, 1) if (status, act) != (200, "delete") else (404, None)
    )


def test_an_editor_does_not_restore_what_an_admin_deleted(console: Flask, admin: Actor, api: Client) -> None:
    editor = Client(console, make_token(console, make_user(console, "editor", admin.account_id), "write"))
    done = api.post(BULK, {"act": "delete", "ids": [str(make_agent(console, admin))]}).json

    assert editor.post(f"{BULK}/{done['id']}/undo").status_code == 403
    assert api.post(f"{BULK}/{done['id']}/undo").json["counts"]["changed"] == 1
    assert (
        Client(console, make_token(console, make_user(console), "write")).post(f"{BULK}/{done['id']}/undo").status_code
        == 404
    )


def test_agents_that_were_deleted_are_named_with_who_deleted_them_but_not_those_of_others(
    console: Flask, admin: Actor, api: Client
) -> None:
    other = make_user(console)
    foreign = make_agent(console, other, name="Foreign")
    gone, later, kept = (make_agent(console, admin, name=name) for name in ("Gone", "Later", "Kept"))
    with console.app_context():
        agents.delete(other, foreign)
        agents.delete(admin, gone)
    why = re.compile(rf"It was deleted by “{admin.name}” on \d+ \w+ \d+, \d\d:\d\d UTC\.")

    done = api.post(
        BULK, {"act": "set_owner", "owner": "Ada", "ids": [str(one) for one in (gone, later, kept, foreign)]}
    )
    tested = api.post(BULK, {"act": "test", "ids": [str(gone), str(foreign)]})
    with console.app_context():
        agents.delete(admin, later)
    undone = [api.post(f"{BULK}/{done.json['id']}/undo").json for _ in range(2)]

    for answer in (done, tested):
        failed = {one["id"]: one for one in answer.json["failed"]}
        assert failed[str(gone)]["name"] == "Gone"
        assert failed[str(gone)]["code"] == "not_found"
        assert why.fullmatch(failed[str(gone)]["detail"])
        unknown = {"name": None, "code": "not_found", "detail": "There is no agent with this id."}
        assert failed[str(foreign)] == {"id": str(foreign), **unknown}
    for answer in undone:
        assert [one["name"] for one in answer["failed"]] == ["Later"]
        assert why.fullmatch(answer["failed"][0]["detail"])
