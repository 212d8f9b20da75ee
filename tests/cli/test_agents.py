"""`flask agents` has the rules and the sentences of the pages and the API."""

import json
from typing import Any, get_args, get_origin
from uuid import uuid4

import pytest

from agents_app.cli.options import secret_titles
from agents_app.connections import TYPES
from agents_app.schemas.agents import CONFIG, AgentValues
from tests.bad_inputs import BAD_AGENTS, Bad
from tests.cli.conftest import Terminal
from tests.make import agent_values, make_account, make_agent, make_user

# An option is a text, so values of some other types cannot be given.
# The second one is a valid option.
NOT_AS_OPTIONS = {"huge port", "a connection's member outside of it"}
DATABASE_OPTIONS = (
    *("--name", "Sales", "--connection-type", "DB", "--dialect", "postgresql", "--host", "db.example.org"),
    *("--database", "sales", "--username", "reader"),
)
SECRETS = {"api_key": "sk-canary-0123456789-abcd", "password": "canary-päss 0123456789"}


def agent_secrets() -> dict[str, Any]:
    return {"api_key": SECRETS["api_key"], "connection_config": {"password": SECRETS["password"]}}


def refusal(fields: list[tuple[str, str]]) -> list[str]:
    return sorted(f"  {pointer[1:].replace('/', '.')}: {sentence}" for pointer, sentence in fields)


def options(values: dict[str, Any]) -> list[str] | None:
    """The values as options, or None if options cannot express them."""
    config = values.get(CONFIG)
    members = {**values, **config} if isinstance(config, dict) else values
    words: list[str] = []
    for name, value in members.items():
        if name == CONFIG and isinstance(value, dict):
            continue
        if not is_sayable(name, value):
            return None
        for one in value if isinstance(value, list) else [value]:
            words += [f"--{name.replace('_', '-')}", str(one)]
    return words


def is_sayable(name: str, value: object) -> bool:
    holders = [schema for schema in (AgentValues, *TYPES.values()) if name in schema.model_fields]
    if not holders or name in secret_titles() or name == CONFIG:
        return False
    kind = holders[0].model_fields[name].annotation
    if get_origin(kind) is list:
        return isinstance(value, list) and len(value) < 10 and all(isinstance(one, str) for one in value)
    if isinstance(value, str):
        return not any(char == "\0" or "\ud800" <= char <= "\udfff" for char in value)
    return isinstance(value, int | float) and not isinstance(value, bool) and int in (get_args(kind) or (kind,))


def test_every_bad_value_of_a_file_is_refused_with_its_sentence(terminal: Terminal) -> None:
    for bad in BAD_AGENTS:
        result = terminal("agents", "create", "--file", "-", stdin=json.dumps(bad.values))

        assert (result.exit_code, result.stdout) == (1, ""), bad.name
        assert sorted(result.stderr.splitlines()[1:]) == refusal(bad.refused), bad.name

    assert terminal.json("agents", "list")["items"] == []


BAD_OPTIONS = [bad for bad in BAD_AGENTS if bad.name not in NOT_AS_OPTIONS and options(bad.values) is not None]


def test_most_bad_values_can_be_given_as_options() -> None:
    assert len(BAD_OPTIONS) > 30


@pytest.mark.parametrize("bad", BAD_OPTIONS, ids=lambda bad: bad.name)
def test_a_bad_value_of_an_option_is_refused_with_the_same_sentence(terminal: Terminal, bad: Bad) -> None:
    result = terminal("agents", "create", *(options(bad.values) or []))

    assert (result.exit_code, result.stdout) == (1, "")
    assert sorted(result.stderr.splitlines()[1:]) == refusal(bad.refused)


@pytest.mark.parametrize("value", [("canary",), ()], ids=["with a value", "alone"])
@pytest.mark.parametrize("name", secret_titles())
def test_a_secret_as_an_option_is_refused_with_the_way_to_give_it(
    terminal: Terminal, name: str, value: tuple[str]
) -> None:
    result = terminal("agents", "create", *DATABASE_OPTIONS, f"--{name.replace('_', '-')}", *value)

    assert (result.exit_code, result.stdout) == (2, "")
    assert f"Use --ask {name} to type it at a hidden prompt, or --secrets-stdin, or --file." in result.stderr
    assert "canary" not in result.stderr


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Send one JSON object."),
        ("{", "The JSON is invalid at line 1, column 2."),
        ("[]", "Send one JSON object."),
        ('{"name": "a", "name": "b"}', "A JSON object contains the same member twice. Remove one."),
        ('{"port": NaN}', "NaN and Infinity are not JSON numbers."),
        ("[" * 100_000, "Nest the JSON at most 20 levels deep."),
    ],
)
@pytest.mark.parametrize("source", [("--file", "-"), ("--secrets-stdin",)], ids=["file", "secrets"])
def test_json_that_cannot_be_read_is_refused_in_one_line(
    terminal: Terminal, source: tuple[str, ...], text: str, sentence: str
) -> None:
    result = terminal("agents", "create", *DATABASE_OPTIONS, *source, stdin=text)

    assert (result.exit_code, result.stderr) == (1, f"Error: {sentence}\n")


def test_standard_input_is_either_the_file_or_the_secrets(terminal: Terminal) -> None:
    result = terminal("agents", "create", "--file", "-", "--secrets-stdin", stdin="{}")

    assert result.exit_code == 2
    assert "not for both" in result.stderr


def test_a_key_in_pem_is_not_taken_from_a_prompt(terminal: Terminal) -> None:
    words = ("agents", "create", *DATABASE_OPTIONS, "--ask", "private_key_pem")

    result = terminal(*words)

    assert result.exit_code == 2
    assert "--secrets-stdin or --file" in result.stderr
    assert "Private key" not in result.output


def test_a_secret_in_place_of_a_name_is_not_repeated(terminal: Terminal) -> None:
    result = terminal("agents", "create", *DATABASE_OPTIONS, "--secrets-stdin", stdin='{"hunter2": "x"}')

    assert (result.exit_code, "hunter2" in result.output + result.stderr) == (1, False)
    assert "  connection_config: 1 member here is not known. The members are: dialect, " in result.stderr


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_blank_secret_from_standard_input_is_refused(terminal: Terminal, blank: str) -> None:
    agent_id = make_agent(terminal.app, make_user(terminal.app, account_id=terminal.account_id), **agent_secrets())
    given = json.dumps({"password": blank, "api_key": blank})

    for words in (("create", *DATABASE_OPTIONS), ("update", agent_id, "--description", "New")):
        result = terminal("agents", *words, "--secrets-stdin", stdin=given)
        sentence = "This secret is blank. Type it, or leave it out to keep the stored one."
        assert (result.exit_code, result.stdout) == (1, "")
        assert sorted(result.stderr.splitlines()[1:]) == [
            f"  api_key: {sentence}",
            f"  connection_config.password: {sentence}",
        ]
    assert terminal.json("agents", "show", agent_id)["version"] == 1


def test_a_blank_secret_at_a_prompt_is_refused(terminal: Terminal) -> None:
    agent_id = make_agent(terminal.app, make_user(terminal.app, account_id=terminal.account_id), **agent_secrets())

    result = terminal("agents", "update", agent_id, "--ask", "password", stdin="  \n")

    assert result.exit_code == 1
    assert "  connection_config.password: This secret is blank." in result.stderr
    assert terminal.json("agents", "show", agent_id)["version"] == 1


def test_a_blank_secret_in_a_file_keeps_what_is_stored(terminal: Terminal) -> None:
    agent_id = make_agent(terminal.app, make_user(terminal.app, account_id=terminal.account_id), **agent_secrets())
    values = {"api_key": "", "connection_config": {"password": " "}}

    result = terminal("agents", "update", agent_id, "--file", "-", stdin=json.dumps(values))

    assert result.stderr == "Nothing was changed: Sales has these values already.\n"
    assert len(terminal.json("agents", "show", agent_id)["secrets_set"]) == 2


def test_secrets_are_taken_from_prompts_standard_input_and_files_and_never_printed(terminal: Terminal) -> None:
    typed = "".join(f"{secret}\n" for secret in SECRETS.values())
    members = {"password": SECRETS["password"]}
    file = json.dumps(agent_values(api_key=SECRETS["api_key"], connection_config=members))
    made = [
        terminal("agents", "create", *DATABASE_OPTIONS, "--ask", "api_key", "--ask", "password", stdin=typed),
        terminal("agents", "create", *DATABASE_OPTIONS, "--secrets-stdin", stdin=json.dumps(SECRETS)),
        terminal("agents", "create", "--file", "-", stdin=file),
    ]

    for result in made:
        shown = terminal("agents", "show", result.stdout.strip())
        facts = terminal.json("agents", "show", result.stdout.strip())["secrets_set"]
        assert {pointer: fact["last_four"] for pointer, fact in facts.items()} == {
            "/api_key": "abcd",
            "/connection_config/password": "6789",
        }
        assert "canary" not in result.output + shown.output + json.dumps(facts)


def test_options_override_the_file(terminal: Terminal) -> None:
    words = ("--file", "-", "--host", "other.example.org", "--table-allow-list", "a", "--table-allow-list", "b")

    made = terminal("agents", "create", *words, stdin=json.dumps(agent_values(name="Sales")))

    agent = terminal.json("agents", "show", made.stdout.strip())
    config = agent["connection_config"]
    assert (agent["name"], config["host"], config["table_allow_list"]) == ("Sales", "other.example.org", ["a", "b"])


def test_a_change_keeps_fields_that_are_not_given_and_clears_those_of_clear(terminal: Terminal) -> None:
    made = terminal("agents", "create", *DATABASE_OPTIONS, "--secrets-stdin", stdin=json.dumps(SECRETS))
    agent_id = made.stdout.strip()
    terminal("agents", "update", agent_id, "--description", "About sales", "--row-limit", "5")

    result = terminal("agents", "update", agent_id, "--clear", "description", "--clear", "api_key")

    agent = terminal.json("agents", "show", agent_id)
    assert (result.exit_code, result.stderr) == (0, "Sales is saved.\n")
    assert (agent["description"], agent["connection_config"]["row_limit"], agent["version"]) == (None, 5, 3)
    assert list(agent["secrets_set"]) == ["/connection_config/password"]


def test_a_changed_destination_asks_for_the_secret_again(terminal: Terminal) -> None:
    made = terminal("agents", "create", *DATABASE_OPTIONS, "--secrets-stdin", stdin=json.dumps(SECRETS))
    agent_id = made.stdout.strip()

    refused = terminal("agents", "update", agent_id, "--host", "evil.example.org")
    typed = terminal("agents", "update", agent_id, "--host", "new.example.org", "--ask", "password", stdin="another\n")

    assert refused.exit_code == 1
    assert "  connection_config.password: The destination of the connection has changed" in refused.stderr
    assert typed.exit_code == 0
    assert terminal.json("agents", "show", agent_id)["connection_config"]["host"] == "new.example.org"


def test_an_agent_is_disabled_with_a_reason_and_enabled(terminal: Terminal) -> None:
    agent_id = make_agent(terminal.app, make_user(terminal.app, account_id=terminal.account_id))

    without = terminal("agents", "disable", agent_id)
    assert (without.exit_code, without.stderr.splitlines()[1]) == (1, "  reason: Say why the agent is disabled.")
    assert terminal("agents", "disable", agent_id, "--reason", "Moving").exit_code == 0
    agent = terminal.json("agents", "show", agent_id)
    assert (agent["status"], agent["status_reason"]) == ("disabled", "Moving")
    assert terminal("agents", "enable", agent_id).stderr == "Sales is active.\n"
    assert terminal.json("agents", "show", agent_id)["status"] == "active"


def test_a_command_that_changes_nothing_or_replaces_a_reason_says_so(terminal: Terminal) -> None:
    maker = make_user(terminal.app, account_id=terminal.account_id)
    agent_id = make_agent(terminal.app, maker, connection_config={"password": "pw"})
    terminal("agents", "disable", agent_id, "--reason", "Moving")

    again = terminal("agents", "disable", agent_id, "--reason", "Moving")
    assert (again.exit_code, again.stderr) == (
        0,
        "Nothing was changed: Sales is disabled already, for this reason.\n",
    )
    other = terminal("agents", "disable", agent_id, "--reason", "Broken")
    assert other.stderr == "Sales was already disabled. The reason is now “Broken”; before it was “Moving”.\n"
    terminal("agents", "enable", agent_id)
    assert terminal("agents", "enable", agent_id).stderr == "Nothing was changed: Sales is active already.\n"
    same = terminal("agents", "update", agent_id, "--name", "Sales", "--host", "DB.example.org")
    assert same.stderr == "Nothing was changed: Sales has these values already.\n"
    assert terminal.json("agents", "show", agent_id)["version"] == 4


def test_a_clone_is_printed_by_its_id(terminal: Terminal) -> None:
    agent_id = make_agent(terminal.app, make_user(terminal.app, account_id=terminal.account_id))

    copy = terminal("agents", "clone", agent_id).stdout.strip()

    assert terminal.json("agents", "show", copy)["name"] == "Copy of Sales"


def test_an_agent_is_deleted_only_after_a_confirmation(terminal: Terminal) -> None:
    agent_id = make_agent(terminal.app, make_user(terminal.app, account_id=terminal.account_id))

    for answer in ("", "n\n"):
        assert terminal("agents", "delete", agent_id, stdin=answer).exit_code == 1
    assert terminal("agents", "show", agent_id).exit_code == 0
    assert terminal("agents", "delete", agent_id, "--yes").stderr == "Sales is deleted.\n"
    assert terminal("agents", "show", agent_id).exit_code == 1


@pytest.mark.parametrize("verb", ["update", "enable", "delete"])
def test_a_change_of_an_older_version_is_refused(terminal: Terminal, verb: str) -> None:
    agent_id = make_agent(terminal.app, make_user(terminal.app, account_id=terminal.account_id))
    terminal("agents", "update", agent_id, "--description", "Newer")
    yes = ["--yes"] if verb == "delete" else []

    result = terminal("agents", verb, agent_id, "--version", "1", *yes)

    assert (result.exit_code, result.stdout) == (1, "")
    assert "It is now at version 2." in result.stderr


@pytest.mark.parametrize("verb", ["show", "update", "disable", "enable", "clone", "delete"])
def test_a_missing_agent_and_one_of_another_account_are_refused_with_the_same_sentence(
    terminal: Terminal, verb: str
) -> None:
    foreign = make_agent(terminal.app, make_user(terminal.app))
    reason = ["--reason", "x"] if verb == "disable" else []

    for agent_id in (foreign, uuid4()):
        result = terminal("agents", verb, agent_id, *reason)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == "Error: There is no agent with this id.\n"
    assert terminal("agents", verb, "7", *reason).exit_code == 2


def test_a_list_is_searched_filtered_and_sorted(terminal: Terminal) -> None:
    maker = make_user(terminal.app, account_id=terminal.account_id)
    for name in ("Beta sales", "alpha sales", "Gamma"):
        make_agent(terminal.app, maker, name=name)
    make_agent(terminal.app, maker, name="Delta sales", connection_type="POWERBI")

    def names(*words: str) -> list[str]:
        return [item["name"] for item in terminal.json("agents", "list", "--sort", "name", *words)["items"]]

    assert names() == ["alpha sales", "Beta sales", "Delta sales", "Gamma"]
    assert names("--connection-type", "DB", "--search", "ALPHA sales") == ["alpha sales"]
    assert names("--connection-type", "POWERBI") == ["Delta sales"]
    assert names("--status", "disabled") == []
    assert names("--created-by", str(maker.user_id), "--limit", "1") == ["alpha sales"]


def test_labels_are_given_as_options_replaced_together_and_filtered(terminal: Terminal) -> None:
    maker = make_user(terminal.app, account_id=terminal.account_id)
    agent_id = str(make_agent(terminal.app, maker, labels={"team": "sales"}, environment="staging"))

    terminal("agents", "update", agent_id, "--labels", "team=finance", "--labels", "region=emea", "--owner", "Ada")
    found = terminal.json("agents", "list", "--label", "team:finance", "--environment", "staging")["items"]

    assert [(item["id"], item["labels"]) for item in found] == [(agent_id, {"team": "finance", "region": "emea"})]
    assert "  region=emea, team=finance\n" in terminal("agents", "show", agent_id).stdout
    assert terminal("agents", "update", agent_id, "--labels", "finance").stderr.splitlines()[1:] == [
        "  labels: Write each label as name=value, such as team=finance."
    ]
    refused = terminal("agents", "update", agent_id, "--labels", "team=", "--labels", "a b=c").stderr
    assert ("  labels.team: Write a value for the label team" in refused, "  labels.a b: " in refused) == (True, True)
    terminal("agents", "update", agent_id, "--clear", "labels", "--clear", "environment")
    cleared = terminal.json("agents", "show", agent_id)
    assert (cleared["labels"], cleared["environment"], cleared["owner"]) == ({}, None, "Ada")


def test_a_list_follows_its_pages_unless_one_is_asked_for(terminal: Terminal) -> None:
    maker = make_user(terminal.app, account_id=terminal.account_id)
    for number in range(201):
        make_agent(terminal.app, maker, name=f"Agent {number}")

    everything = terminal.json("agents", "list")
    first = terminal.json("agents", "list", "--limit", "200")
    second = terminal.json("agents", "list", "--cursor", first["next_cursor"])

    assert everything["next_cursor"] is second["next_cursor"] is None
    assert everything["items"] == first["items"] + second["items"]
    assert f"--cursor {first['next_cursor']}" in terminal("agents", "list", "--limit", "200").stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--limit", "0"), "  limit: Limit must be between 1 and 200."),
        (("--search", "x" * 201), "  search: Use at most 200 characters."),
        (("--status", "failing"), "  status: Choose one of: active, disabled."),
        (("--created-by", "me"), "  created_by: Write a UUID, such as 12345678-9abc-def0-1234-56789abcdef0."),
    ],
)
def test_an_invalid_query_is_refused(terminal: Terminal, words: tuple[str, str], sentence: str) -> None:
    result = terminal("agents", "list", *words)

    assert (result.exit_code, result.stdout, result.stderr.splitlines()[1]) == (1, "", sentence)


def test_control_characters_of_an_agent_are_not_printed(terminal: Terminal) -> None:
    text = "Sales \x9b2J\x1b]0;title\x07 figures\nby week"
    values = agent_values(name="Sales\x9b2J", description=text)
    made = terminal("agents", "create", "--file", "-", stdin=json.dumps(values)).stdout.strip()

    words = (("show", made), ("list",), ("enable", made), ("show", made, "--json"))
    printed = [terminal("agents", *line) for line in words]

    assert not [result.output for result in printed if set("\x07\x1b\x9b") & set(result.output)]
    assert "\N{REPLACEMENT CHARACTER}2J" in printed[0].output
    assert terminal.json("agents", "show", made)["description"] == text


def test_where_there_are_several_accounts_one_must_be_named(terminal: Terminal) -> None:
    make_user(terminal.app)
    nobody = terminal("agents", "list", "--account", "Nobody", account=False)
    either = terminal("agents", "list", account=False)

    assert (nobody.exit_code, either.exit_code) == (1, 1)
    assert nobody.stderr.startswith("Error: No account is called Nobody. Use --account")
    assert either.stderr.startswith("Error: There is more than one account. Use --account")


def test_an_account_name_that_is_not_unique_is_refused(terminal: Terminal) -> None:
    make_account(terminal.app, "Twins")
    make_account(terminal.app, "Twins")

    result = terminal("agents", "list", "--account", "Twins", account=False)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: There is more than one account. Use --account")


def test_the_operator_is_named_as_who_changed_it(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "otto")
    made = terminal("agents", "create", *DATABASE_OPTIONS)

    agent = terminal.json("agents", "show", made.stdout.strip())

    assert (agent["updated_by"], agent["created_by"]) == ("otto (terminal)", None)


def test_a_list_is_printed_as_a_table(terminal: Terminal) -> None:
    agent_id = make_agent(terminal.app, make_user(terminal.app, account_id=terminal.account_id), name="Umsätze 会社")

    heading, row = terminal("agents", "list").stdout.splitlines()

    assert heading.startswith("ID ")
    assert row.split("  ")[0] == str(agent_id)
    assert row.endswith("Umsätze 会社")


@pytest.mark.parametrize("spelled", ["{{{}}}", "\ufeff{}", "{}\u200b", "urn:uuid:{}", '"{}",'])
def test_an_id_is_accepted_in_every_spelling_and_other_text_is_refused(terminal: Terminal, spelled: str) -> None:
    agent_id = make_agent(terminal.app, make_user(terminal.app, account_id=terminal.account_id))

    assert terminal("agents", "show", spelled.format(agent_id)).exit_code == 0
    assert terminal("agents", "show", spelled.format("x")).exit_code == 2


def test_a_secret_in_a_public_field_is_stored_with_a_warning_on_standard_error(terminal: Terminal) -> None:
    made = terminal("agents", "create", *DATABASE_OPTIONS, "--description", "The password is hunter2.")
    agent_id = made.stdout.strip()
    changed = terminal("agents", "update", agent_id, "--model-type", "gpt-5-mini")
    copied = terminal("agents", "clone", agent_id)

    for result in (made, changed, copied):
        assert result.exit_code == 0
        assert "Warning: description: This text contains what looks like a password." in result.stderr
        assert "hunter2" not in result.stdout + result.stderr
    assert terminal.json("agents", "show", agent_id)["description"] == "The password is hunter2."
