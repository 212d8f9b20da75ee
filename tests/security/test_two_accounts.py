"""Two accounts, any order of actions: neither ever sees, counts, finds or changes data of the other."""

import base64
import json
import random
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from agents_app.errors import NotFound
from agents_app.operations import agent_reads, agents, events, invitations, runtime, tokens, users
from agents_app.operations.permissions import Actor
from agents_app.schemas import listing
from agents_app.schemas.events import parse_query
from agents_app.values.choices import Scope
from tests.api.conftest import Client
from tests.make import agent_values, make_token, make_user

SIDES = st.sampled_from((0, 1))
WORDS = st.sampled_from(("Alpha", "Beta", "Gamma"))
PLACES = st.integers(0, 50)
# Both accounts use the same few keys.
KEYS = st.sampled_from(("deploy-1", "deploy-2", None))
# A failure lists its steps. Hypothesis does not shrink them, because that would take minutes.
OURS = settings(
    deadline=None, database=None, phases=(Phase.generate,), suppress_health_check=list(HealthCheck), print_blob=False
)


@dataclass
class Known:
    """The expected state of one account."""

    admin: Actor
    api: Client
    agents: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    deleted: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    keys: dict[str, UUID] = field(default_factory=dict)
    tokens: set[UUID] = field(default_factory=set)
    people: set[UUID] = field(default_factory=set)
    links: set[UUID] = field(default_factory=set)


class TwoAccounts(RuleBasedStateMachine):
    """The actions of two accounts of one console."""

    app: Flask

    def __init__(self) -> None:
        super().__init__()
        self.context = self.app.app_context()
        self.context.push()
        self.known = [self._account(), self._account()]

    def teardown(self) -> None:
        self.context.pop()

    def _account(self) -> Known:
        admin = make_user(self.app)
        assert admin.user_id is not None
        api = Client(self.app, make_token(self.app, admin, "write", "runtime"))
        made = {row["id"] for row in tokens.listing(admin)}
        return Known(admin, api, tokens=made, people={admin.user_id})

    def _one(self, side: int, at: int) -> UUID | None:
        ids = sorted(self.known[side].agents)
        return ids[at % len(ids)] if ids else None

    @rule(side=SIDES, name=WORDS, key=KEYS)
    def create_over_json(self, side: int, name: str, key: str | None) -> None:
        mine = self.known[side]
        headers = {"Idempotency-Key": key} if key else {}
        answer = mine.api.post("/agents", agent_values(name=name), headers=headers)
        if key in mine.keys:
            same = mine.agents.get(mine.keys[key])
            assert answer.status_code in ((200, 409) if same else (409,))
            return
        assert answer.status_code == 201
        agent_id = UUID(answer.json["id"])
        mine.agents[agent_id] = {"name": name, "version": 1, "status": "active"}
        if key:
            mine.keys[key] = agent_id

    @rule(side=SIDES, name=WORDS)
    def create_by_page(self, side: int, name: str) -> None:
        mine = self.known[side]
        agent_id = agents.create(mine.admin, agent_values(name=name)).agent_id
        mine.agents[agent_id] = {"name": name, "version": 1, "status": "active"}

    @rule(side=SIDES, at=PLACES, name=WORDS)
    def rename(self, side: int, at: int, name: str) -> None:
        if agent_id := self._one(side, at):
            agents.update(self.known[side].admin, agent_id, {"name": name})
            agent = self.known[side].agents[agent_id]
            agent["version"] += agent["name"] != name
            agent["name"] = name

    @rule(side=SIDES, at=PLACES)
    def clone(self, side: int, at: int) -> None:
        if agent_id := self._one(side, at):
            mine = self.known[side]
            copy = agents.clone(mine.admin, agent_id).agent_id
            mine.agents[copy] = {
                "name": f"Copy of {mine.agents[agent_id]['name']}",
                "version": 1,
                "status": "active",
            }

    @rule(side=SIDES, at=PLACES)
    def disable(self, side: int, at: int) -> None:
        if agent_id := self._one(side, at):
            agents.disable(self.known[side].admin, agent_id, {"reason": "Moving."})
            agent = self.known[side].agents[agent_id]
            agent["version"] += agent["status"] == "active"
            agent["status"] = "disabled"

    @rule(side=SIDES, at=PLACES)
    def delete(self, side: int, at: int) -> None:
        if agent_id := self._one(side, at):
            mine = self.known[side]
            assert mine.api.delete(f"/agents/{agent_id}").status_code == 204
            mine.deleted[agent_id] = mine.agents.pop(agent_id)

    @precondition(lambda self: any(one.deleted for one in self.known))
    @rule(side=SIDES, at=PLACES)
    def undo(self, side: int, at: int) -> None:
        mine, other = self.known[side], self.known[1 - side]
        for agent_id in list(other.deleted)[:1]:
            with pytest.raises(NotFound):
                agents.restore_deleted(mine.admin, agent_id)
        if mine.deleted:
            agent_id = sorted(mine.deleted)[at % len(mine.deleted)]
            agents.restore_deleted(mine.admin, agent_id)
            agent = mine.agents[agent_id] = mine.deleted.pop(agent_id)
            agent["version"] += 2

    @rule(side=SIDES)
    def make_a_token_a_person_and_a_link(self, side: int) -> None:
        mine = self.known[side]
        token_id, _ = tokens.create(mine.admin, {"name": "ci", "scopes": ["read"], "agent_ids": []})
        person = make_user(self.app, "viewer", mine.admin.account_id).user_id
        assert person is not None
        invitations.invite(mine.admin, {"role": "viewer"})
        mine.tokens.add(token_id)
        mine.people.add(person)
        mine.links |= {row["id"] for row in invitations.listing(mine.admin)}

    @rule(side=SIDES, at=PLACES)
    def reach_for_an_agent_of_the_other(self, side: int, at: int) -> None:
        theirs = self._one(1 - side, at)
        if theirs is None:
            return
        mine = self.known[side]
        reader = mine.api
        tried = [
            reader.get(f"/agents/{theirs}"),
            reader.get(f"/agents/{theirs}/runtime"),
            reader.patch(f"/agents/{theirs}", {"name": "Mine"}),
            reader.post(f"/agents/{theirs}/clone"),
            reader.post(f"/agents/{theirs}/enable"),
            reader.post(f"/agents/{theirs}/disable", {"reason": "Mine."}),
            reader.delete(f"/agents/{theirs}"),
        ]
        assert [answer.status_code for answer in tried] == [404] * len(tried)
        with pytest.raises(NotFound):
            runtime.fetch(replace(mine.admin, token_id=uuid4(), scopes=frozenset({Scope.RUNTIME})), theirs)

    @rule(side=SIDES)
    def reach_for_a_token_a_person_and_a_link_of_the_other(self, side: int) -> None:
        mine, other = self.known[side], self.known[1 - side]
        acts = [
            *((tokens.revoke, one) for one in sorted(other.tokens)[:1]),
            *((invitations.withdraw, one) for one in sorted(other.links)[:1]),
            *((act, one) for one in sorted(other.people)[:1] for act in (users.deactivate, users.delete)),
            *((invitations.make_reset_link, one) for one in sorted(other.people)[:1]),
        ]
        for act, one in acts:
            with pytest.raises(NotFound):
                act(mine.admin, one)

    @rule(side=SIDES)
    def follow_a_cursor_of_the_other(self, side: int) -> None:
        mine, other = self.known[side], self.known[1 - side]
        cursor = other.api.get("/agents", query_string={"limit": 1}).json["next_cursor"]
        made_up = base64.urlsafe_b64encode(json.dumps(["name", "", str(UUID(int=0))]).encode()).decode().rstrip("=")
        for asked in ({"cursor": cursor} if cursor else {}, {"cursor": made_up, "sort": "name", "limit": 200}):
            found = mine.api.get("/agents", query_string=asked).json["items"]
            assert {UUID(one["id"]) for one in found} <= set(mine.agents)

    @rule(side=SIDES, word=WORDS)
    def search(self, side: int, word: str) -> None:
        mine = self.known[side]
        found = mine.api.get("/agents", query_string={"q": word, "limit": 200}).json["items"]
        wanted = {agent_id for agent_id, agent in mine.agents.items() if word in agent["name"]}
        assert {UUID(one["id"]) for one in found} == wanted

    @rule(side=SIDES, at=PLACES)
    def ask_for_what_the_other_did(self, side: int, at: int) -> None:
        mine, other = self.known[side], self.known[1 - side]
        asked = [{"person": str(other.admin.user_id)}, {}]
        if agent_id := self._one(1 - side, at):
            asked.append({"target": str(agent_id)})
        for question in asked:
            items = events.listing(mine.admin, parse_query(question)).items
            assert {item["user_id"] for item in items} <= mine.people | {None}
            assert not {item["target_id"] for item in items} & (set(other.agents) | other.tokens | other.people)

    @invariant()
    def each_holds_what_it_did_and_nothing_else(self) -> None:
        for mine in self.known:
            page, counts = agent_reads.listing_with_counts(mine.admin, listing.parse({"limit": 200}))
            assert {one["id"] for one in page.items} == set(mine.agents)
            disabled = [one for one in mine.agents.values() if one["status"] == "disabled"]
            assert (counts.all, counts.disabled) == (len(mine.agents), len(disabled))
            assert {row["id"] for row in tokens.listing(mine.admin)} == mine.tokens
            assert {row["id"] for row in users.listing(mine.admin)} == mine.people
            assert {row["id"] for row in invitations.listing(mine.admin)} == mine.links

    @invariant()
    def what_is_held_is_as_it_was_left(self) -> None:
        for mine in self.known:
            for agent_id in random.Random(0).sample(sorted(mine.agents), min(2, len(mine.agents))):
                stored = agent_reads.read(mine.admin, agent_id)
                assert {name: stored[name] for name in ("name", "version", "status")} == mine.agents[agent_id]


def on(console: Flask) -> type[RuleBasedStateMachine]:
    """The actions on this console."""
    return type("TwoAccounts", (TwoAccounts,), {"app": console})


@pytest.mark.long
def test_two_accounts_never_see_each_others_data(console: Flask) -> None:
    many = settings(OURS, max_examples=30, stateful_step_count=40)
    run_state_machine_as_test(on(console), settings=many)
