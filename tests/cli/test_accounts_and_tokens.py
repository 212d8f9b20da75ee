"""`flask accounts` and `flask tokens`."""

import json
from uuid import uuid4

import pytest
from flask import Flask

from agents_app.errors import NotSignedIn
from agents_app.operations import agent_reads, sessions, tokens
from agents_app.operations.permissions import Visitor
from tests.cli.conftest import PATIENCE_S, Checkout, Terminal
from tests.conftest import OpenConsole
from tests.make import PASSWORD, make_agent, make_user

FROM_HERE = Visitor("192.0.2.1", "test")


def new_email() -> str:
    return f"{uuid4().hex}@example.org"


def can_sign_in(app: Flask, email: str, password: str) -> bool:
    with app.app_context():
        return bool(sessions.sign_in(FROM_HERE, email, password))


def acts(app: Flask, token: str) -> bool:
    with app.app_context():
        try:
            return bool(tokens.authenticate(FROM_HERE, token))
        except NotSignedIn:
            return False


def test_an_account_is_made_with_a_password_from_standard_input(terminal: Terminal) -> None:
    email = new_email()
    words = ("--organisation", "Northwind", "--name", "Grace", "--email", email.upper(), "--password-stdin")

    made = terminal("accounts", "create", *words, stdin=f"{PASSWORD}\n", account=False)

    assert (made.exit_code, PASSWORD in made.output) == (0, False)
    listed = json.loads(terminal("accounts", "list", "--json", account=False).stdout)["items"]
    assert {"name": "Northwind", "people": 1}.items() <= next(
        row for row in listed if row["id"] == made.stdout.strip()
    ).items()
    assert can_sign_in(terminal.app, email, PASSWORD)


def test_an_account_is_prompted_for_and_its_password_twice(terminal: Terminal) -> None:
    email = new_email()
    typed = ["Northwind", "Grace", email, PASSWORD, "mistyped-once-7", PASSWORD, PASSWORD]

    made = terminal("accounts", "create", stdin="\n".join(typed) + "\n", account=False)

    assert (made.exit_code, PASSWORD in made.output) == (0, False)
    assert can_sign_in(terminal.app, email, PASSWORD)


def test_a_password_is_not_prompted_for_without_a_terminal(ready: Checkout) -> None:
    words = ("--organisation", "Northwind", "--name", "Grace", "--email", new_email())

    process = ready.start("accounts", "create", *words, PYTHONWARNINGS="error")
    printed, _ = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 2
    assert printed.endswith("Error: A hidden prompt needs a terminal. Use --password-stdin.\n")
    assert "Warning" not in printed


def test_every_invalid_value_of_an_account_is_reported_at_once(terminal: Terminal) -> None:
    words = ("--organisation", " ", "--email", "nobody", "--password-stdin")

    refused = terminal("accounts", "create", *words, stdin="short", account=False)

    assert (refused.exit_code, refused.stdout) == (1, "")
    assert sorted(refused.stderr.splitlines()[1:]) == [
        "  email: Write an email address, such as ada@example.org.",
        "  name: Enter your name.",
        "  organisation: Enter the name of your organisation.",
        "  password: Use 12 to 1,024 characters.",
    ]


def test_an_address_that_is_taken_is_refused(terminal: Terminal) -> None:
    taken = make_user(terminal.app).email
    words = ("--organisation", "Northwind", "--name", "Grace", "--email", taken, "--password-stdin")

    refused = terminal("accounts", "create", *words, stdin=PASSWORD, account=False)

    assert (refused.exit_code, "  email: A person with this address exists already" in refused.stderr) == (1, True)


def test_a_password_as_an_option_is_refused_with_the_way_to_give_it(terminal: Terminal) -> None:
    refused = terminal("accounts", "create", "--password", "canary-canary", account=False)

    assert refused.exit_code == 2
    assert "Leave it out to type it at a hidden prompt, or use --password-stdin." in refused.stderr
    assert "canary" not in refused.stderr


def test_without_an_account_every_command_says_how_to_make_one(schema_url: str, open_console: OpenConsole) -> None:
    nobody = open_console(schema_url).test_cli_runner()

    for words in (["agents", "list"], ["tokens", "list"]):
        refused = nobody.invoke(args=words)
        assert refused.exit_code == 1
        assert refused.stderr == "Error: There is no account yet. Create one with: flask accounts create\n"


def test_standard_output_has_only_the_token_and_it_works(terminal: Terminal) -> None:
    make_user(terminal.app, account_id=terminal.account_id)

    made = terminal("tokens", "create", "--name", "ci", "--scope", "write", "--expires-in-days", "7")

    token = made.stdout.removesuffix("\n")
    assert (made.exit_code, acts(terminal.app, token)) == (0, True)
    (listed,) = terminal.json("tokens", "list")["items"]
    assert (listed["name"], listed["scopes"], listed["created_by"]) == ("ci", ["read", "write"], "Admin")
    assert token not in terminal("tokens", "list").output + made.stderr + json.dumps(listed)


def test_a_revoked_token_is_refused_at_once_and_cannot_be_revoked_again(terminal: Terminal) -> None:
    make_user(terminal.app, account_id=terminal.account_id)
    token = terminal("tokens", "create", "--name", "ci", "--scope", "read").stdout.strip()
    token_id = terminal.json("tokens", "list")["items"][0]["id"]

    assert terminal("tokens", "revoke", token_id).stderr == "ci is revoked.\n"

    assert not acts(terminal.app, token)
    assert terminal.json("tokens", "list")["items"] == []
    for unknown in (token_id, uuid4()):
        assert terminal("tokens", "revoke", unknown).exit_code == 1


def test_a_runtime_token_can_be_limited_to_agents_and_has_no_owner(terminal: Terminal) -> None:
    agent_id = make_agent(terminal.app, make_user(terminal.app, "editor", terminal.account_id))

    made = terminal("tokens", "create", "--name", "prod", "--scope", "runtime", "--agent", agent_id)

    assert made.exit_code == 0
    (listed,) = terminal.json("tokens", "list")["items"]
    assert (listed["agent_ids"], listed["created_by"]) == ([str(agent_id)], None)


def test_the_agents_of_a_token_are_named_by_their_ids_or_external_ids(terminal: Terminal) -> None:
    editor, outsider = make_user(terminal.app, "editor", terminal.account_id), make_user(terminal.app)
    first = make_agent(terminal.app, editor, external_id="crm 1/a")
    second = make_agent(terminal.app, editor, external_id=str(first))
    third = make_agent(terminal.app, editor, external_id=str(uuid4()))
    make_agent(terminal.app, outsider, external_id="theirs")
    with terminal.app.app_context():
        third_name = agent_reads.read(editor, third)["external_id"]
    words = ("tokens", "create", "--name", "prod", "--scope", "runtime")

    refused = [terminal(*words, "--agent", name) for name in ("theirs", "", "\0", str(uuid4()))]
    made = terminal(*words, *(word for name in ("crm 1/a", str(second), third_name) for word in ("--agent", name)))
    by_id = terminal(*words, "--agent", str(first).upper())

    assert [one.exit_code for one in (*refused, made, by_id)] == [1, 1, 1, 1, 0, 0]
    listed = {tuple(one["agent_ids"]) for one in terminal.json("tokens", "list")["items"]}
    assert listed == {(str(first), str(second), str(third)), (str(first),)}


def test_a_token_is_made_for_the_person_who_is_named(terminal: Terminal) -> None:
    make_user(terminal.app, account_id=terminal.account_id)
    editor = make_user(terminal.app, "editor", terminal.account_id, name="Edith")
    outsider = make_user(terminal.app)
    words = ("tokens", "create", "--name", "ci", "--scope", "write", "--user")

    assert terminal(*words, outsider.email).exit_code == 1
    assert terminal(*words, editor.email).exit_code == 0
    assert [row["created_by"] for row in terminal.json("tokens", "list")["items"]] == ["Edith"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--scope", "read"), "  name: Enter a name for the token."),
        (("--name", "ci"), "  scope: Choose at least one scope: read, write, runtime."),
        (("--name", "ci", "--scope", "admin"), "  scope: Choose from the scopes read, write, runtime."),
        (
            ("--name", "ci", "--scope", "read", "--expires-in-days", "0"),
            "  expires_in_days: Days must be between 1 and 3,650.",
        ),
        (
            ("--name", "ci", "--scope", "read", "--agent", "Sales"),
            "  agent: There is no such agent. Give the id of each agent, which is a UUID, or its external ID.",
        ),
    ],
)
def test_a_bad_token_is_refused(terminal: Terminal, words: tuple[str, ...], sentence: str) -> None:
    make_user(terminal.app, account_id=terminal.account_id)

    refused = terminal("tokens", "create", *words)

    assert (refused.exit_code, refused.stdout, refused.stderr.splitlines()[1:]) == (1, "", [sentence])


def test_a_token_is_rotated_with_an_overlap_and_standard_output_has_only_the_new_one(terminal: Terminal) -> None:
    make_user(terminal.app, account_id=terminal.account_id)
    old = terminal("tokens", "create", "--name", "ci", "--scope", "read").stdout.strip()
    token_id = terminal.json("tokens", "list")["items"][0]["id"]
    refused = terminal("tokens", "rotate", token_id, "--overlap", "30d")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.splitlines()[1:] == ["  overlap: Write 1h to 168h (hours) or 1d to 7d (days), such as 24h."]

    made = terminal("tokens", "rotate", token_id, "--overlap", "24h")

    assert (made.exit_code, acts(terminal.app, made.stdout.strip()), acts(terminal.app, old)) == (0, True, True)
    end = next(one["expires_at"] for one in terminal.json("tokens", "list")["items"] if one["id"] == token_id)
    assert made.stderr.endswith(f"The token {token_id} ends at {end[:16].replace('T', ' ')} UTC.\n")
    again = terminal("tokens", "rotate", token_id)
    assert (again.exit_code, again.stdout) == (1, "")
    advice = "Rotate the newer token of this name. If that one was revoked, create a new token."
    assert again.stderr == f"Error: The token ci was replaced. {advice}\n"


def test_unused_tokens_are_listed_by_the_number_of_days(terminal: Terminal) -> None:
    make_user(terminal.app, account_id=terminal.account_id)
    terminal("tokens", "create", "--name", "ci", "--scope", "read")

    assert terminal.json("tokens", "list", "--unused-days", "1")["items"] == []
    refused = terminal("tokens", "list", "--unused-days", "0")
    assert refused.stderr.splitlines()[1:] == ["  unused_days: The number of days must be between 1 and 3,650."]
