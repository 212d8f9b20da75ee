"""The list of agents: the same order and matches on both databases, and safe cursors."""

import base64
import json
import unicodedata
import uuid
from typing import Any

import pytest
from flask import Flask

from agents_app.errors import InvalidInput, Malformed
from agents_app.operations import agent_reads, agents
from agents_app.operations.permissions import Actor
from agents_app.schemas import listing
from tests.make import make_agent, make_user

NAMES = [
    "",
    " ",
    "a",
    "A",
    "Ä",
    "a\N{COMBINING DIAERESIS}",
    "z",
    "Z",
    "ß",
    "SS",
    "10",
    "9",
    "_",
    "%",
    "\\",
    "'",
    "名前",
    "😀",
    "é",
    "E",
]


@pytest.fixture
def admin(app: Flask) -> Actor:
    """An admin of a new account."""
    return make_user(app)


def names(actor: Actor, **asked: Any) -> list[str]:
    """The names that a query finds, in order."""
    return [item["name"] for item in agent_reads.listing(actor, listing.parse(asked)).items]


def cursor_of(*content: Any) -> str:
    """A forged cursor."""
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


ID = str(uuid.uuid4())
FORGED = {
    "no list": cursor_of(),
    "two members": cursor_of("name", "a"),
    "four members": cursor_of("name", "a", ID, 1),
    "a number": cursor_of("name", 5, ID),
    "a list": cursor_of("name", ["a"], ID),
    "no id": cursor_of("name", "a", "1"),
    "an id in braces": cursor_of("name", "a", f"{{{ID}}}"),
    "an id as a number": cursor_of("name", "a", 1),
    "U+0000": cursor_of("name", "a\0", ID),
    "half a pair": cursor_of("name", "\ud800", ID),
    "another sort": cursor_of("-name", "a", ID),
    "no sort": cursor_of(None, "a", ID),
    "no base64": "!!!!",
    "no ASCII": "ä",
    "no JSON": "aGVsbG8",
    "no UTF-8": "_w",
    "deep": base64.urlsafe_b64encode(b"[" * 2_900).decode(),
}
FORGED_TIMES = [
    "yesterday",
    "2026-11-22",
    "2026-11-22T10:00:00",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "",
]


@pytest.mark.parametrize("cursor", FORGED.values(), ids=FORGED)
def test_a_forged_cursor_is_refused(app: Flask, admin: Actor, cursor: str) -> None:
    with pytest.raises(Malformed) as refusal:
        names(admin, sort="name", cursor=cursor)

    assert refusal.value.code == "bad_cursor"


@pytest.mark.parametrize("time", FORGED_TIMES)
def test_an_invalid_time_in_a_cursor_is_refused(app: Flask, admin: Actor, time: str) -> None:
    with pytest.raises(Malformed):
        names(admin, cursor=cursor_of("-updated_at", time, ID))


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999999+00:00"])
def test_the_first_and_the_last_time_are_valid_in_a_cursor(app: Flask, admin: Actor, time: str) -> None:
    assert names(admin, cursor=cursor_of("-updated_at", time, ID)) == []


def test_a_cursor_opens_no_other_account(app: Flask, admin: Actor) -> None:
    outsider = make_user(app)
    for name in ("a", "b"):
        make_agent(app, outsider, name=name)
    cursor = agent_reads.listing(outsider, listing.parse({"limit": 1, "sort": "name"})).next_cursor

    assert names(admin, sort="name", cursor=cursor) == []


@pytest.mark.parametrize(
    "asked",
    [
        {"q": "x" * 201},
        {"q": "a\0b"},
        {"q": "\ud800"},
        {"q": ["a"]},
        {"limit": 0},
        {"limit": 201},
        {"limit": 1.5},
        {"limit": True},
        {"sort": "color"},
        {"sort": ["name"]},
        {"status": "deleted"},
        {"created_by": "me"},
        {"cursor": "a" * 4_001},
        {"offset": 5},
    ],
    ids=str,
)
def test_an_invalid_query_is_refused_with_the_name_of_the_field(asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refusal:
        listing.parse(asked)

    assert [pointer for pointer, _ in refusal.value.fields] == [f"/{name}" for name in asked]


def test_both_databases_sort_names_alike(app: Flask, admin: Actor) -> None:
    known = [unicodedata.normalize("NFC", name) for name in NAMES if name.strip()]
    for name in known:
        make_agent(app, admin, name=name)

    assert [name.casefold() for name in names(admin, sort="name")] == sorted(name.casefold() for name in known)


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("%", {"100% sure"}),
        ("_", {"snake_case"}),
        ("\\", {"back\\slash"}),
        ("'", {"it's"}),
        ("STRASSE", {"Straße"}),
        ("straße", {"Straße"}),
        ("ÉTÉ", {"Été"}),
        ("sure 100", {"100% sure"}),
        ("  case\t", {"snake_case"}),
        ("db.example", {"100% sure", "snake_case", "back\\slash", "it's", "Straße", "Été"}),
        ("postgresql sales it", {"it's"}),
        ("nothing", set()),
    ],
)
def test_both_databases_search_alike(app: Flask, admin: Actor, word: str, found: set[str]) -> None:
    for name in ("100% sure", "snake_case", "back\\slash", "it's", "Straße", "Été"):
        make_agent(app, admin, name=name)

    assert set(names(admin, q=word)) == found


def test_a_page_has_a_next_and_a_previous_page(app: Flask, admin: Actor) -> None:
    for name in "abcde":
        make_agent(app, admin, name=name)
    ask = {"sort": "name", "limit": 2}
    first = agent_reads.listing(admin, listing.parse(ask))
    second = agent_reads.listing(admin, listing.parse({**ask, "cursor": first.next_cursor}))
    third = agent_reads.listing(admin, listing.parse({**ask, "cursor": second.next_cursor}))

    back = agent_reads.listing(admin, listing.parse({**ask, "before": third.previous_cursor}))
    start = agent_reads.listing(admin, listing.parse({**ask, "before": back.previous_cursor}))

    assert (first.previous_cursor, third.next_cursor, start.previous_cursor) == (None, None, None)
    assert [item["name"] for item in back.items] == ["c", "d"]
    assert [item["name"] for item in start.items] == ["a", "b"]


def test_agents_with_one_name_are_all_on_some_page(app: Flask, admin: Actor) -> None:
    made = {make_agent(app, admin, name="Same") for _ in range(5)}

    found, cursor = [], None
    for _ in range(5):
        page = agent_reads.listing(admin, listing.parse({"sort": "-name", "limit": 1, "cursor": cursor}))
        found += [item["id"] for item in page.items]
        cursor = page.next_cursor

    assert (set(found), len(found), cursor) == (made, 5, None)


def test_counts_are_of_this_account_and_this_query(app: Flask, admin: Actor) -> None:
    make_agent(app, make_user(app), name="Foreign")
    made = [make_agent(app, admin, name=name) for name in ("One", "Two", "Three")]
    agents.disable(admin, made[0], {"reason": "Moving."})

    page, counts = agent_reads.listing_with_counts(admin, listing.parse({"q": "two", "limit": 1}))
    _, none = agent_reads.listing_with_counts(admin, listing.parse({"q": "nothing"}))

    assert len(page.items) == 1
    assert (counts.all, counts.active, counts.disabled, counts.matching) == (3, 2, 1, 1)
    assert (none.all, none.matching) == (3, 0)
