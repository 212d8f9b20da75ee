"""Results of tests hide a secret only in text of the server that got it: what is hidden must not answer a guess."""

import threading
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from agents_app.operations import connection_tests
from agents_app.operations.permissions import Actor
from agents_app.operations.tested_values import Subject, without_secrets
from agents_app.probes.results import Finding, Result
from agents_app.probes.table_names import shorten
from agents_app.schemas.agents import API_KEY, draft_of_new
from tests.authority import Authority
from tests.make import agent_values, make_agent
from tests.operations.tested_agents import KEY, PASSWORD, SilentServer, make_tested
from tests.probes.local_server import Reply, running
from tests.probes.mysql.mysql_server import Conversation

GUESS, SIMILAR, VERSION = "mdl-guess-1", "mdl-guess-2", "110.120.130"
OWN_KEY = "sk-of-the-editor-0001"
PRIVATE_KEY = "/connection_config/private_key_pem"


def greet(server: SilentServer, version: str, connections: int) -> None:
    """Send a version, and refuse the sign-in, on so many connections."""
    for _ in range(connections):
        with server.accept() as client:
            conversation = Conversation(client, None)
            conversation.greet("mysql_native_password", version)
            conversation.refuse(1045)


def model_cause(console: Flask, actor: Actor, agent_id: UUID, port: int) -> Any:
    """What a test says of a model of the editor's own server, to which the editor's own key is sent."""
    changes = {"model_base_url": f"http://127.0.0.1:{port}/v1", "model_type": SIMILAR, "api_key": OWN_KEY}
    with console.app_context():
        return connection_tests.run(actor, agent_id, changes)["parts"][1]["cause"]


def test_the_model_part_does_not_answer_a_guess_of_the_password(
    console: Flask, admin: Actor, tmp_path: Path, closed_port: int
) -> None:
    model = {"model_provider": "openai_compatible", "model_base_url": "https://models.example.org/v1", "api_key": KEY}
    config = {"host": "127.0.0.1", "port": closed_port}
    ids = [
        make_agent(console, admin, connection_config={**config, "password": one}, **model) for one in (GUESS, PASSWORD)
    ]
    with running(None, tmp_path) as server:
        server.answer = lambda _: Reply(body={"data": [{"id": GUESS}]})
        found = [model_cause(console, admin, agent_id, server.port) for agent_id in ids]

    assert f"Similar names: {GUESS}." in str(found[0])
    assert found[0] == found[1]


def test_the_connection_part_does_not_answer_a_guess_of_the_api_key(
    console: Flask, admin: Actor, silent: SilentServer, closed_port: int
) -> None:
    agent_id = make_tested(console, admin, closed_port, api_key=VERSION)
    own = {"dialect": "mysql", "sslmode": "disable", "port": silent.port, "password": "of-the-editor"}
    threading.Thread(target=greet, args=[silent, VERSION, 1], daemon=True).start()

    with console.app_context():
        result = connection_tests.run(admin, agent_id, {"connection_config": own})

    assert result["parts"][0]["facts"]["server"] == f"MySQL {VERSION}"


def test_a_part_that_is_not_tested_hides_nothing(console: Flask, admin: Actor, closed_port: int) -> None:
    config = {"host": "127.0.0.1", "port": closed_port, "password": "Enter the model"}
    values = agent_values(connection_config=config, model_provider="openai_compatible")

    with console.app_context():
        result = connection_tests.run_unsaved(admin, values)

    assert result["parts"][1]["cause"]["code"] == "incomplete"
    assert "Enter the model base URL" in str(result["parts"][1])


def subject_with(secrets: dict[str, str], **changes: Any) -> Subject:
    """What a test of an agent with these secrets is about."""
    draft = draft_of_new(agent_values(**changes))
    return Subject(draft.fields, draft.config, secrets)


@pytest.mark.parametrize(
    "secret", ['say "friend" now', "back\\slash-77", "correct, horse", "cafe.latte.77", "plain-word-77"]
)
@pytest.mark.parametrize(
    "written",
    [
        lambda guess: [guess],
        lambda guess: [f"{guess[:5]}\u200b{guess[5:]}"],
        lambda guess: [f"{guess[:5]}\u00a0{guess[5:]}"],
        lambda guess: guess.split(", "),
        lambda guess: [f"sales.{guess}"],
    ],
)
def test_an_allow_list_does_not_answer_a_guess_of_the_password(secret: str, written: Any) -> None:
    """A value that the caller sent is shown as it is shown when the password is another one."""
    names = written(secret)
    found = Result((), warnings=(Finding("tables_missing", {"names": shorten(names), "role": "reader"}),))
    subjects = [
        subject_with({"/connection_config/password": one}, connection_config={"table_allow_list": names})
        for one in (secret, PASSWORD)
    ]

    assert [without_secrets("connection", found, subject) for subject in subjects] == [found, found]


def test_a_value_with_quotes_is_public() -> None:
    subject = subject_with({API_KEY: 'a "quoted" word'}, description='Has a "quoted" word.')
    found = Result((), Finding("model_unknown", {"similar": ' a "quoted" word'}))

    assert without_secrets("model", found, subject) == found


def test_a_secret_of_few_letters_is_hidden() -> None:
    subject = subject_with({API_KEY: '"".."",,""'})
    found = Result((), Finding("model_unknown", {"similar": ' Similar names: "".."",,"".'}))

    assert without_secrets("model", found, subject).cause == Finding(
        "model_unknown", {"similar": " Similar names: [secret]."}
    )


def test_nothing_is_left_of_a_secret_that_begins_with_another_one() -> None:
    secrets = {"/connection_config/private_key_password": "begins-so", PRIVATE_KEY: "begins-so-and-ends"}
    draft = draft_of_new(agent_values(connection_type="POWERBI"))
    subject = Subject(draft.fields, {**draft.config, "auth_method": "certificate"}, secrets)
    found = Result((), facts={"similar": "begins-so-and-ends"})

    assert without_secrets("connection", found, subject).facts == {"similar": "[secret]"}


@pytest.mark.parametrize("password", ["Sommer-2026-Shop", "PostgreSQL", "SQL Server", "REVOKE INSERT"])
def test_names_of_a_database_and_statements_do_not_answer_a_guess_of_the_password(password: str) -> None:
    """Any user of the database who can create a table there chooses its name."""
    tables = f"INSERT on table public.{password}, INSERT on table public.Sommer-2026-Shoq"
    found = Result(
        (),
        Finding("schemas_missing", {"names": password, "role": password}),
        (Finding("role_writes", {"role": "reader", "objects": tables}),),
        {"server": f"{password} 15", "open_databases": f"`{password}`", "dataset_name": password},
        (f'REVOKE INSERT ON TABLE "public"."{password}" FROM "reader";',),
    )
    subject = subject_with({"/connection_config/password": password})

    assert without_secrets("connection", found, subject) == found


def test_a_version_of_a_server_does_not_answer_a_guess_of_the_password(
    console: Flask, admin: Actor, silent: SilentServer
) -> None:
    """It is numbers, and the server sends it before anything of the password."""
    config = {"dialect": "mysql", "sslmode": "disable", "host": "127.0.0.1", "port": silent.port, "password": VERSION}
    agent_id = make_agent(console, admin, connection_config=config)
    threading.Thread(target=greet, args=[silent, VERSION, 1], daemon=True).start()

    with console.app_context():
        result = connection_tests.run(admin, agent_id)

    assert result["parts"][0]["facts"]["server"] == f"MySQL {VERSION}"


def test_a_connection_is_tested_with_the_secrets_of_its_way_to_sign_in_only() -> None:
    values = agent_values(connection_type="POWERBI")
    key = Authority().issue("localhost").key
    secrets = {API_KEY: KEY, "/connection_config/client_secret": PASSWORD, PRIVATE_KEY: key}
    draft = draft_of_new(values)
    ways = {
        way: Subject(draft.fields, {**draft.config, "auth_method": way}, secrets)
        for way in ("client_secret", "certificate")
    }

    assert ways["client_secret"].secrets_of("connection") == {"client_secret": PASSWORD}
    assert ways["certificate"].secrets_of("connection") == {"private_key_pem": key}
    assert ways["certificate"].secrets_of("model") == {"api_key": KEY}
