"""What is kept of the answers around the list of agents, and when it is asked again."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

from flask import Flask

from agents_app.db import db, now
from agents_app.operations import agent_reads, around_lists
from agents_app.operations.agent_list_statements import Counts
from agents_app.operations.around_lists import KEPT_FOR, KEPT_MAX, Around, KeptAnswers
from agents_app.operations.permissions import Actor
from agents_app.schemas import listing
from agents_app.values.choices import Role
from tests.make import make_agent, make_user


def on_page(actor: Actor) -> Actor:
    """The same person on a page, in an account whose newest event is a new one."""
    return replace(actor, newest_event=uuid4())


def counts(actor: Actor, **query: object) -> Counts:
    return agent_reads.listing_with_counts(actor, listing.parse(query))[1]


def around(app: Flask, actor: Actor) -> Around:
    with app.app_context(), db.reading() as connection:
        return around_lists.of(connection, actor)


def test_without_the_newest_event_nothing_is_kept(app: Flask, admin: Actor) -> None:
    assert counts(admin).all == 0

    make_agent(app, admin)

    assert counts(admin).all == 1


def test_after_another_event_everything_is_asked_again(app: Flask, admin: Actor) -> None:
    assert counts(on_page(admin)).all == 0

    make_agent(app, admin, owner="Ada")

    assert counts(on_page(admin)).all == 1
    assert around(app, on_page(admin)).choices.owner.agents == {"Ada": 1}


def test_what_another_account_or_another_role_has_kept_is_not_used(app: Flask, admin: Actor) -> None:
    event = uuid4()
    other, viewer = make_user(app), make_user(app, "viewer", admin.account_id)
    make_agent(app, admin)
    counts(replace(admin, newest_event=event))

    assert counts(replace(other, newest_event=event)).all == 0
    assert not around(app, replace(viewer, newest_event=event)).is_complete
    assert around(app, replace(viewer, role=Role.EDITOR, newest_event=event)).is_complete


def test_answers_are_kept_for_a_few_seconds_and_not_longer(app: Flask, admin: Actor) -> None:
    kept, some, moment = KeptAnswers(), around(app, admin), now()
    kept.keep("key", some, moment)

    assert kept.get("key", moment + KEPT_FOR) is some
    assert kept.get("key", moment + KEPT_FOR + timedelta(milliseconds=1)) is None
    # The clock was set back.
    assert kept.get("key", moment - timedelta(milliseconds=1)) is None


def test_only_so_many_answers_are_kept_and_the_oldest_are_dropped(app: Flask, admin: Actor) -> None:
    kept, some, moment = KeptAnswers(), around(app, admin), now()
    for number in range(KEPT_MAX + 1):
        kept.keep(number, some, moment)

    assert kept.get(0, moment) is None
    assert kept.get(1, moment) is kept.get(KEPT_MAX, moment) is some


def test_the_list_and_the_numbers_for_its_filters_are_read_for_each_page(app: Flask, admin: Actor) -> None:
    admin = on_page(admin)
    assert counts(admin).all == 0

    make_agent(app, admin, name="New")
    page, counted = agent_reads.listing_with_counts(admin, listing.parse({"q": "new"}))

    # The act has an event of its own. Only who read the newest event before it gets what was kept.
    assert [item["name"] for item in page.items] == ["New"]
    assert (counted.matching, counted.all) == (1, 0)
