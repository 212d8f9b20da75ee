"""The number of SQL statements that each request may send in the steady state: who asks, then the answer.

A statement is a cursor execution, as `counted` sees it, on SQLite and on a direct connection to PostgreSQL. What begins
and ends a transaction is not counted, as the driver of PostgreSQL sends it without a cursor. Neither is the ping of a
pooled connection. In the steady state the caller was seen less than a minute ago, and nothing is written about that.
"""

from uuid import UUID

import pytest
from flask import Flask

from agents_app.operations import users
from agents_app.operations.permissions import Actor
from agents_app.probes.results import Result
from tests.api.conftest import Client
from tests.api.test_statements import counted
from tests.make import PASSWORD, agent_values, make_agent, make_last_test, make_token, make_user, marked_version
from tests.web.conftest import Browser, fields_of

# What is asked for, with the status of the answer and the budget. `{id}` is an agent with an owner, secrets and a test.
LIST = 2
# A search first asks which agents have its words, and SQLite before that whether it has an index for them.
SEARCH = 2
API = (
    ("GET", "/agents", 200, LIST),
    ("GET", "/agents?q=agent&sort=-created_at&status=active&limit=2", 200, LIST + SEARCH),
    # The owners who have left are asked first: which texts are the same is not for the database to say.
    # Then the agents, in case they are few.
    ("GET", "/agents?needs_attention=true", 200, LIST + 2),
    # The agents of a filter with an index are asked first, in case they are few.
    ("GET", "/agents?owner=Ada", 200, LIST + 1),
    ("GET", "/agents/{id}", 200, 2),
    ("GET", "/agents/{id}/attention", 200, 3),
    ("POST", "/agents", 201, 5),
    ("PATCH", "/agents/{id}", 200, 8),
)
CONDITIONAL = (("/agents/{id}", 2), ("/agents/{id}/runtime", 2))
PAGE_OF_AGENTS, PAGE_OF_AGENT = 2, 4
# What is shown around the list is asked again after an act.
PAGE_OF_AGENTS_AFTER_AN_ACT = PAGE_OF_AGENTS + 1
PAGES = (
    ("/agents", PAGE_OF_AGENTS),
    ("/agents?q=agent&sort=name&limit=1&created_by={creator}", PAGE_OF_AGENTS + SEARCH),
    ("/agents?limit=1&before=end", PAGE_OF_AGENTS),
    ("/agents?needs_attention=true", PAGE_OF_AGENTS + 1),
    ("/agents?owner=Ada", PAGE_OF_AGENTS + 1),
    ("/agents?q=nothing", PAGE_OF_AGENTS + SEARCH),
    ("/agents/{id}", PAGE_OF_AGENT),
    ("/agents/{id}/versions", PAGE_OF_AGENT),
    ("/agents/{id}/versions/1?compare=1", PAGE_OF_AGENT),
)
# The form of a stored agent is first compared with what is stored.
FORMS = (("/agents/new", 7), ("/agents/{id}/edit", 8 + 1))
VALUES = {"name": "Agent", "DB-host": "db.example.org", "DB-database": "sales", "DB-username": "reader"}


@pytest.fixture
def agent_id(console: Flask, admin: Actor) -> UUID:
    """An agent whose owner has left, in an account with others."""
    left = make_user(console, "editor", admin.account_id, name="Grace")
    make_agent(console, admin, owner="Ada")
    agent_id = make_agent(console, admin, owner="Grace", connection_config={"password": "a password"})
    make_last_test(console, admin, agent_id, connection=Result(()))
    assert left.user_id
    with console.app_context():
        users.deactivate(admin, left.user_id)
    return agent_id


def check(statements: list[str], budget: int) -> None:
    """Check that these statements are within the budget. Where they are not, say which they are."""
    sent = [statement for statement in statements if not statement.startswith("BEGIN")]
    assert len(sent) <= budget, "\n\n".join(sent)


@pytest.mark.parametrize(("method", "path", "status", "budget"), API)
def test_a_request_stays_within_its_budget(
    method: str, path: str, status: int, budget: int, console: Flask, admin: Actor, agent_id: UUID
) -> None:
    api = Client(console, make_token(console, admin, "read", "write"))
    api.get("/me")
    body = {"POST": agent_values(), "PATCH": {"description": "New.", "note": "Why."}}.get(method)

    with counted(console) as statements:
        answer = api(method, path.format(id=agent_id), body)

    assert answer.status_code == status
    check(statements, budget)


@pytest.mark.parametrize(("path", "budget"), CONDITIONAL)
def test_an_answer_that_nothing_has_changed_stays_within_its_budget(
    path: str, budget: int, console: Flask, admin: Actor, agent_id: UUID
) -> None:
    api = Client(console, make_token(console, admin, "runtime" if "runtime" in path else "read"))
    tag = api.get(path.format(id=agent_id)).headers["ETag"]

    with counted(console) as statements:
        answer = api.get(path.format(id=agent_id), headers={"If-None-Match": tag})

    assert answer.status_code == 304
    check(statements, budget)


def test_a_second_fetch_within_a_minute_stays_within_its_budget(console: Flask, admin: Actor, agent_id: UUID) -> None:
    api = Client(console, make_token(console, admin, "runtime"))
    api.get(f"/agents/{agent_id}/runtime")

    with counted(console) as statements:
        answer = api.get(f"/agents/{agent_id}/runtime")

    assert answer.status_code == 200
    check(statements, 2)


@pytest.mark.parametrize("others", [1, 499])
def test_a_check_of_many_agents_stays_within_its_budget(
    others: int, console: Flask, admin: Actor, agent_id: UUID
) -> None:
    api = Client(console, make_token(console, admin, "runtime"))
    with console.app_context():
        mark = marked_version(agent_id)
    asked = {str(agent_id): mark, **{f"other-{number}": None for number in range(others)}}
    api.post("/runtime/check", {"agents": asked})

    with counted(console) as statements:
        answer = api.post("/runtime/check", {"agents": asked})

    assert answer.status_code == 200
    check(statements, 3)


@pytest.mark.parametrize("role", ["admin", "viewer"])
@pytest.mark.parametrize(("path", "budget"), PAGES)
def test_a_page_stays_within_its_budget(
    path: str, budget: int, role: str, console: Flask, admin: Actor, agent_id: UUID
) -> None:
    person = admin if role == "admin" else make_user(console, role, admin.account_id)
    page, path = signed_in(console, person), path.format(id=agent_id, creator=admin.user_id)
    page.get(path)

    with counted(console) as statements:
        page.get(path)

    check(statements, budget)


def test_the_page_of_agents_after_an_act_stays_within_its_budget(console: Flask, admin: Actor, agent_id: UUID) -> None:
    page = signed_in(console, admin)
    page.get("/agents")
    make_agent(console, admin)

    with counted(console) as statements:
        page.get("/agents")

    check(statements, PAGE_OF_AGENTS_AFTER_AN_ACT)


@pytest.mark.parametrize("agents", [1, 12])
def test_the_statements_of_the_list_do_not_grow_with_its_agents(agents: int, console: Flask, admin: Actor) -> None:
    for number in range(agents):
        make_agent(console, admin, name=f"Agent {number}", owner=f"Owner {number}")
    page = signed_in(console, admin)

    with counted(console) as statements:
        page.get("/agents")

    check(statements, PAGE_OF_AGENTS_AFTER_AN_ACT)


@pytest.mark.parametrize(("path", "budget"), FORMS)
def test_a_form_stays_within_its_budget(path: str, budget: int, console: Flask, admin: Actor, agent_id: UUID) -> None:
    page = signed_in(console, admin)
    address = path.format(id=agent_id)
    form = page.get(address).form(address)
    values = fields_of(form)
    for name, value in VALUES.items():
        values[name] = value

    with counted(console) as statements:
        page.post(form["action"], values)

    check(statements, budget)


def signed_in(console: Flask, person: Actor) -> Browser:
    """The pages of this person."""
    page = Browser(console)
    page.send("/sign-in", email=person.email, password=PASSWORD)
    return page
