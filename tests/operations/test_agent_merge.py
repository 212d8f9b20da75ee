"""The comparison of three states of an agent: what must be chosen, what is mine, what is theirs."""

from typing import Any

import pytest

from agents_app.operations.agent_merge import CONNECTION, REMOVED, SET, TYPED, Facts, Merge, changed, facts, merge
from tests.make import DATABASE, POWER_BI, agent_values

API_KEY, PASSWORD = "/api_key", "/connection_config/password"
HOST, ROWS = "/connection_config/host", "/connection_config/row_limit"
READ_ONLY, TABLES = "/connection_config/read_only", "/connection_config/table_allow_list"


def state(secrets: dict[str, str | None] | None = None, **changes: Any) -> Facts:
    """An agent of the type DB with a stored password, with these changes."""
    return facts(agent_values(**changes), {PASSWORD: SET, **(secrets or {})})


def config(**changes: Any) -> Facts:
    return state(connection_config=changes)


BASE = state(description="Old")


def test_a_field_that_both_changed_differently_must_be_chosen() -> None:
    assert merge(BASE, state(description="Mine"), state(description="Theirs")) == Merge([], [], ["/description"])


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "pointer"),
    [
        (config(), config(read_only=False), config(read_only=True, row_limit=7), READ_ONLY),
        (config(table_allow_list=["a"]), config(table_allow_list=["b"]), config(table_allow_list=["a"]), TABLES),
        (state(api_key="x"), state({API_KEY: TYPED}), state(), API_KEY),
        (state(), state({PASSWORD: REMOVED}), state(), PASSWORD),
        (state(), state({PASSWORD: TYPED}), state(), PASSWORD),
        (config(), config(row_limit="many"), config(), ROWS),
        (state(), state(name=""), state(), "/name"),
    ],
    ids=["box", "list", "new secret", "removed secret", "replaced secret", "refused value", "emptied"],
)
def test_a_change_of_one_side_only_is_that_sides(base: Facts, mine: Facts, theirs: Facts, pointer: str) -> None:
    there, back = merge(base, mine, theirs), merge(base, theirs, mine)

    assert pointer in there.mine
    assert pointer in back.theirs
    assert there.both == back.both == []


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (state(description="Same"), state(description="Same")),
        (state(description=" two\r\nlines "), state(description="two\nlines")),
        (config(row_limit=" 7"), config(row_limit=7)),
        (config(host="DB.Example.ORG"), config(host="db.example.org")),
        (config(table_allow_list=["a", " b ", "a"]), config(table_allow_list=["a", "b"])),
        (config(row_limit=""), config(row_limit=1000)),
        (state({PASSWORD: REMOVED}), state({PASSWORD: REMOVED})),
    ],
    ids=["same", "line ends", "number", "host", "list", "default", "removed by both"],
)
def test_values_that_are_stored_alike_are_the_same(mine: Facts, theirs: Facts) -> None:
    assert merge(state(description="Old"), mine, theirs).both == []
    assert changed(mine, theirs) == []


@pytest.mark.parametrize("mine", [TYPED, REMOVED])
def test_a_secret_that_both_changed_must_be_chosen(mine: str | None) -> None:
    assert merge(state(), state({PASSWORD: mine}), state({PASSWORD: "set since"})).both == [PASSWORD]


def test_a_changed_type_is_one_choice_with_its_whole_configuration() -> None:
    power_bi = facts(agent_values(connection_type="POWERBI"), {})

    assert merge(state(), power_bi, config(row_limit=7)).both == [CONNECTION]
    assert merge(state(), config(row_limit=7), power_bi).both == [CONNECTION]
    assert merge(state(), power_bi, state(description="Theirs")) == Merge([CONNECTION], ["/description"], [])
    assert merge(state(), state(description="Mine"), power_bi) == Merge(["/description"], [CONNECTION], [])


def test_a_replaced_secret_counts_as_a_change_of_the_connection_if_the_other_side_changed_the_type() -> None:
    power_bi = facts(agent_values(connection_type="POWERBI"), {})

    assert merge(state(), state({PASSWORD: TYPED}), power_bi).both == [CONNECTION]


def test_both_sides_can_change_the_type() -> None:
    mine = facts({"connection_type": "POWERBI", "connection_config": POWER_BI}, {})
    theirs = facts({"connection_type": "POWERBI", "connection_config": {**POWER_BI, "row_limit": 7}}, {})
    base = facts({"connection_type": "DB", "connection_config": DATABASE}, {})

    assert merge(base, mine, theirs).both == [CONNECTION]


def test_without_a_base_every_difference_must_be_chosen() -> None:
    mine = state(description="Old", connection_config={"row_limit": 7})

    assert merge(None, mine, state(description="Theirs")) == Merge([], [], ["/description", ROWS])


def test_a_question_is_asked_until_a_side_is_chosen() -> None:
    theirs = state(description="Theirs", connection_config={"host": "new.example.org"})
    mine = state(description="Mine", connection_config={"host": "my.example.org"})

    assert merge(theirs, mine, theirs, ["/description"]) == Merge([HOST], [], ["/description"])
    assert merge(theirs, theirs, theirs, ["/description"]) == Merge([], [], [])
    power_bi = facts(agent_values(connection_type="POWERBI"), {})
    assert merge(theirs, power_bi, theirs, [HOST]).both == [CONNECTION]


def test_an_unknown_type_is_compared_like_any_other_value() -> None:
    unknown = facts({**agent_values(), "connection_type": "ORACLE", "connection_config": {}}, {})

    assert merge(BASE, unknown, state(description="Theirs")).mine == [CONNECTION]
