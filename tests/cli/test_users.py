"""`flask users`, `flask accounts rename|delete` and `flask events list`: errors first."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from agents_app.errors import NotSignedIn
from agents_app.operations import invitations, sessions
from agents_app.operations.permissions import Visitor
from tests import second_factor
from tests.cli.conftest import Terminal
from tests.conftest import OpenConsole
from tests.make import PASSWORD, make_agent, make_token, make_user

FROM_HERE = Visitor("192.0.2.9", "test")


def emails(terminal: Terminal) -> dict[str, tuple[str, bool]]:
    return {one["email"]: (one["role"], one["is_active"]) for one in terminal.json("users", "list")["items"]}


def account_list(terminal: Terminal) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(terminal("accounts", "list", "--json", account=False).stdout)["items"]
    return items


@pytest.mark.parametrize(
    "words",
    [
        ("role", "viewer"),
        ("update", "--name", "Edith"),
        ("deactivate",),
        ("activate",),
        ("delete", "--yes"),
        ("reset-password",),
        ("reset-second-factor",),
    ],
    ids=lambda words: words[0],
)
def test_a_person_of_another_account_is_not_found(terminal: Terminal, words: tuple[str, ...]) -> None:
    outsider = make_user(terminal.app)

    result = terminal("users", words[0], outsider.email, *words[1:])

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: No person in this account has this address.\n"


@pytest.mark.parametrize(
    "words", [("role", "viewer"), ("deactivate",), ("delete", "--yes")], ids=lambda words: words[0]
)
def test_the_last_admin_cannot_be_removed(terminal: Terminal, words: tuple[str, ...]) -> None:
    admin = make_user(terminal.app, account_id=terminal.account_id)

    result = terminal("users", words[0], admin.email, *words[1:])

    assert result.exit_code == 1
    assert result.stderr == "Error: An account needs an active admin. Make another person an admin first.\n"
    assert emails(terminal) == {admin.email: ("admin", True)}


def test_a_command_that_changes_nothing_says_so(terminal: Terminal) -> None:
    make_user(terminal.app, account_id=terminal.account_id)
    email = make_user(terminal.app, "viewer", terminal.account_id).email

    role = terminal("users", "role", email, "viewer")
    activate = terminal("users", "activate", email)
    terminal("users", "deactivate", email)
    deactivate = terminal("users", "deactivate", email)
    rename = terminal("accounts", "rename", " Acme ")

    assert [result.stderr for result in (role, activate, deactivate, rename)] == [
        f"Nothing was changed: {email} is viewer already.\n",
        f"Nothing was changed: {email} is active already.\n",
        f"Nothing was changed: {email} is deactivated already.\n",
        "Nothing was changed: the account already has the name Acme.\n",
    ]


def test_a_name_and_an_address_are_changed_by_the_rules_of_the_pages(terminal: Terminal) -> None:
    person, other = (make_user(terminal.app, "editor", terminal.account_id) for _ in range(2))
    email = f"{uuid4().hex}@acme.example"

    assert terminal("users", "update", person.email).exit_code == 2
    refused = terminal("users", "update", person.email, "--name", "A\nB", "--email", "ada")
    assert refused.exit_code == 1
    assert refused.stderr.splitlines()[1:] == [
        "  name: Write this on one line, without control characters.",
        "  email: Write an email address, such as ada@example.org.",
    ]
    taken = terminal("users", "update", person.email, "--email", other.email)
    assert taken.stderr.splitlines()[1:] == ["  email: A person with this address exists already. Use another address."]

    changed = terminal("users", "update", person.email, "--name", "Edith", "--email", email)
    assert (changed.exit_code, changed.stderr) == (0, f"{person.email} is changed.\n")
    again = terminal("users", "update", email, "--name", "Edith")
    assert again.stderr == f"Nothing was changed: {email} has these values already.\n"
    assert ("Edith", email) in [(one["name"], one["email"]) for one in terminal.json("users", "list")["items"]]


@pytest.mark.parametrize("words", [("invite",), ("invite", "--role", "owner")], ids=["none", "unknown"])
def test_a_link_needs_a_role(terminal: Terminal, words: tuple[str, ...]) -> None:
    result = terminal("users", *words)

    assert (result.exit_code, result.stdout) == (1, "")
    assert "  role: " in result.stderr
    assert terminal.json("users", "invitations")["items"] == []


def test_a_person_is_not_deleted_without_a_confirmation(terminal: Terminal) -> None:
    person = make_user(terminal.app, "editor", terminal.account_id)

    result = terminal("users", "delete", person.email, stdin="n\n")

    assert (result.exit_code, result.stdout) == (1, "")
    assert person.email in emails(terminal)


def test_standard_output_has_only_the_link_and_a_person_joins_with_it(terminal: Terminal) -> None:
    result = terminal("users", "invite", "--role", "editor")

    link = urlsplit(result.stdout.strip())
    assert (result.exit_code, link.scheme, link.netloc, link.path) == (0, "http", "127.0.0.1:8000", "/join")
    assert "is not shown again" in result.stderr
    (code,) = parse_qs(link.query)["code"]
    address = f"{uuid4().hex}@acme.example"
    with terminal.app.app_context():
        invitations.join(FROM_HERE, code, {"name": "Grace", "email": address, "password": PASSWORD})
    assert emails(terminal) == {address: ("editor", True)}


def test_the_note_of_a_link_is_listed(terminal: Terminal) -> None:
    refused = terminal("users", "invite", "--role", "editor", "--note", "x" * 201)
    assert refused.stderr.splitlines()[1:] == ["  note: Use at most 200 characters."]

    assert terminal("users", "invite", "--role", "editor", "--note", "Grace, finance").exit_code == 0

    assert [link["note"] for link in terminal.json("users", "invitations")["items"]] == ["Grace, finance"]
    assert "Grace, finance" in terminal("users", "invitations").stdout


def test_a_link_has_the_public_url_of_the_console(terminal: Terminal, open_console: OpenConsole) -> None:
    url = terminal.app.config["SQLALCHEMY_DATABASE_URI"].render_as_string(hide_password=False)
    public = Terminal(open_console(url, PUBLIC_URL="https://agents.example.org"), terminal.account_id)

    printed = public("users", "invite", "--role", "viewer").stdout

    assert printed.startswith("https://agents.example.org/join?code=")


def test_a_link_is_listed_without_its_code_and_can_be_withdrawn(terminal: Terminal) -> None:
    code = terminal("users", "invite", "--role", "admin").stdout.strip().partition("=")[2]

    (link,) = terminal.json("users", "invitations")["items"]
    assert code not in str(link)
    assert terminal("users", "withdraw", link["id"]).exit_code == 0

    assert terminal.json("users", "invitations")["items"] == []
    again = terminal("users", "withdraw", link["id"])
    assert (again.exit_code, again.stderr) == (1, "Error: There is no open invitation with this id.\n")


def test_a_forgotten_password_is_replaced_with_a_link(terminal: Terminal) -> None:
    person = make_user(terminal.app, account_id=terminal.account_id)

    link = urlsplit(terminal("users", "reset-password", person.email.upper()).stdout.strip())

    assert link.path == "/reset"
    (code,) = parse_qs(link.query)["code"]
    with terminal.app.app_context():
        invitations.choose_password(FROM_HERE, code, {"password": "another-quiet-4-river"})
        assert sessions.sign_in(FROM_HERE, person.email, "another-quiet-4-river")


def test_no_link_is_created_for_a_deactivated_person(terminal: Terminal) -> None:
    make_user(terminal.app, account_id=terminal.account_id)
    person = make_user(terminal.app, "viewer", terminal.account_id)
    assert terminal("users", "deactivate", person.email).exit_code == 0

    result = terminal("users", "reset-password", person.email)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: Viewer is deactivated. Activate them first.\n"
    assert terminal("users", "activate", person.email).exit_code == 0
    assert terminal("users", "reset-password", person.email).exit_code == 0


def test_people_are_listed_changed_and_removed(terminal: Terminal) -> None:
    admin = make_user(terminal.app, account_id=terminal.account_id, name="Ada")
    person = make_user(terminal.app, "editor", terminal.account_id, name="Grace")

    assert terminal("users", "role", person.email, "viewer").exit_code == 0
    assert emails(terminal) == {admin.email: ("admin", True), person.email: ("viewer", True)}
    table = terminal("users", "list").stdout.splitlines()
    assert [line.split()[-1] for line in table] == ["NAME", "Ada", "Grace"]

    assert terminal("users", "delete", person.email, stdin="y\n").exit_code == 0
    assert list(emails(terminal)) == [admin.email]


def test_an_account_is_renamed(terminal: Terminal) -> None:
    empty = terminal("accounts", "rename", " ")
    assert (empty.exit_code, empty.stderr.splitlines()[1:]) == (1, ["  name: Enter the name of your organisation."])

    name = f"New {uuid4().hex}"
    assert terminal("accounts", "rename", name).exit_code == 0

    (found,) = [one for one in account_list(terminal) if one["id"] == str(terminal.account_id)]
    assert found["name"] == name


@pytest.mark.parametrize(
    ("words", "stdin"), [(("--confirm", "acme"), ""), ((), "Acm\n"), ((), "")], ids=["option", "typed", "nothing"]
)
def test_an_account_is_not_deleted_unless_its_name_is_given(
    terminal: Terminal, words: tuple[str, ...], stdin: str
) -> None:
    result = terminal("accounts", "delete", *words, stdin=stdin)

    assert (result.exit_code, result.stdout) == (1, "")
    assert str(terminal.account_id) in [one["id"] for one in account_list(terminal)]


@pytest.mark.parametrize(("words", "stdin"), [(("--confirm", "Acme"), ""), ((), "Acme\n")], ids=["option", "typed"])
def test_an_account_is_deleted_once_its_name_is_given(terminal: Terminal, words: tuple[str, ...], stdin: str) -> None:
    make_agent(terminal.app, make_user(terminal.app, account_id=terminal.account_id))

    result = terminal("accounts", "delete", *words, stdin=stdin)

    assert (result.exit_code, result.stdout) == (0, "")
    assert str(terminal.account_id) not in [one["id"] for one in account_list(terminal)]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--since", "yesterday"), "  since: Write a day as YYYY-MM-DD, or a time with its zone"),
        (("--door", "window"), "  door: "),
        (("--limit", "0"), "  limit: "),
        (("--cursor", "nonsense"), "Error: The cursor is not valid. Start again without a cursor."),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_an_invalid_query_of_the_activity_is_refused(terminal: Terminal, words: tuple[str, ...], sentence: str) -> None:
    result = terminal("events", "list", *words)

    assert (result.exit_code, result.stdout) == (1, "")
    assert any(line.startswith(sentence) for line in result.stderr.splitlines())


def test_activity_shows_who_did_what_at_which_door(terminal: Terminal) -> None:
    person = make_user(terminal.app, account_id=terminal.account_id, name="Grace")
    agent_id = make_agent(terminal.app, person, name="Sales", api_key="sk-canary-0123456789")
    make_token(terminal.app, person)
    terminal("agents", "disable", agent_id, "--reason", "Moving.")

    items = terminal.json("events", "list")["items"]
    by_terminal = terminal.json("events", "list", "--door", "terminal", "--about", "agent")["items"]

    assert [event["action"] for event in items] == ["agent.disabled", "token.created", "agent.created"]
    assert [(event["action"], event["target_id"]) for event in by_terminal] == [("agent.disabled", str(agent_id))]
    table = terminal("events", "list", "--person", person.user_id).stdout
    assert "Grace" in table
    assert "canary" not in table


def test_activity_continues_after_a_page(terminal: Terminal) -> None:
    for role in ("viewer", "editor", "admin"):
        terminal("users", "invite", "--role", role)

    first = terminal("events", "list", "--limit", "2")
    cursor = first.stderr.split("--cursor ")[1].strip()
    rest = terminal.json("events", "list", "--limit", "2", "--cursor", cursor)

    assert len(first.stdout.splitlines()) == 3
    assert [event["details"] for event in rest["items"]] == [{"role": "viewer"}]
    assert rest["next_cursor"] is None


def test_the_terminal_removes_a_second_factor_that_was_lost(terminal: Terminal) -> None:
    admin = make_user(terminal.app, account_id=terminal.account_id)
    with terminal.app.app_context():
        session_id = second_factor.session_of(admin)
        second_factor.set_up(admin, session_id)
    words = ("users", "reset-second-factor", admin.email)

    first, again = terminal(*words), terminal(*words)

    assert (first.exit_code, first.stdout) == (again.exit_code, again.stdout) == (0, "")
    assert first.stderr == f"The second factor of {admin.email} is removed.\n"
    assert again.stderr == f"Nothing was changed: {admin.email} has no second factor.\n"
    with terminal.app.app_context():
        with pytest.raises(NotSignedIn):
            sessions.authenticate(FROM_HERE, session_id)
        assert second_factor.session_of(admin)


def test_the_terminal_requires_a_second_factor_and_stops_that(terminal: Terminal) -> None:
    admin = make_user(terminal.app, account_id=terminal.account_id)
    with terminal.app.app_context():
        session_id = second_factor.session_of(admin)
    found = []

    for answer in ("yes", "yes", "no"):
        result = terminal("accounts", "require-second-factor", answer)
        with terminal.app.app_context():
            found.append((result.stderr, sessions.authenticate(FROM_HERE, session_id).must_set_up_second_factor))

    name = next(one["name"] for one in account_list(terminal) if one["id"] == str(terminal.account_id))
    assert found == [
        (f"In {name}, a second factor is required.\n", True),
        ("Nothing was changed: it is required already.\n", True),
        (f"In {name}, a second factor is not required.\n", False),
    ]
    assert terminal("accounts", "require-second-factor", "maybe").exit_code == 2
