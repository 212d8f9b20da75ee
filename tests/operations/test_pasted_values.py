"""Pasted values are stored without surrounding or invisible characters. A password is stored as it was typed."""

from typing import Any

import pytest
from flask import Flask

from agents_app.errors import InvalidInput
from agents_app.operations import agent_reads, agents
from agents_app.operations.permissions import Actor
from agents_app.schemas import agents as schema
from agents_app.schemas import users
from agents_app.schemas.agents import API_KEY, CONFIG
from agents_app.schemas.tokens import TokenValues
from agents_app.values.address_rules import A_PASSWORD, DATABASE, DATASET, HOST, UNREAD
from agents_app.values.addresses import read_connection_string
from agents_app.values.fields import parse
from tests import pem
from tests.make import agent_values

UUID = "44444444-4444-4444-8444-44444444444a"
SPELLED_UUIDS = {
    "byte order mark": f"\ufeff{UUID}",
    "space of no width": f"{UUID}\u200b",
    "within too": f"{UUID[:9]}\u200b{UUID[9:]}",
    "mark of a dialog": f"\u200e{UUID}",
    "no-break space": f"\u00a0{UUID}\u00a0",
    "braces": f"{{{UUID}}}",
    "brackets": f"({UUID})",
    "quotes": f'"{UUID}"',
    "typographic quotes": f"\u201c{UUID}\u201d",
    "backquotes": f"`{UUID}`",
    "angle brackets": f"<{UUID}>",
    "a comma": f'"{UUID}",',
    "a semicolon": f"{UUID};",
    "capitals": UUID.upper(),
    "no dashes": UUID.replace("-", ""),
    "long dashes": UUID.replace("-", "\u2013"),
    "a name for a UUID": f"urn:uuid:{UUID}",
    "all at once": f"\ufeff'{{{UUID.upper()}}}',\u200b",
}
UUID_FIELDS = ("tenant_id", "client_id", "workspace_id", "dataset_id")
KEY = "sk-proj-Ab1_9x=="
SPELLED_KEYS = {
    "byte order mark": f"\ufeff{KEY}\u200b",
    "space and line end": f" {KEY}\r\n",
    "no-break space": f"{KEY}\u00a0",
    "quotes": f'"{KEY}"',
    "typographic quotes": f"\u2018{KEY}\u2019",
    "a setting": f"OPENAI_API_KEY={KEY}",
    "a quoted setting": f'"OPENAI_API_KEY={KEY}"',
    "a shell's setting": f"export OPENAI_API_KEY='{KEY}'",
    "another shell's": f'$env:OPENAI_API_KEY = "{KEY}";',
    "JSON": f'"api_key": "{KEY}",',
    "YAML": f"api_key: {KEY}",
    "a header": f"Authorization: Bearer {KEY}",
    "a header's value": f"Bearer {KEY}",
    "another header": f"x-api-key: {KEY}",
    "a header without a space": f"api-key:{KEY}",
    "braces": f"{{{KEY}}}",
    "a setting in braces": f"OPENAI_API_KEY={{{KEY}}}",
}
OWN_KEYS = ["fal-key:0123456789ab", "api-key-0123", "token0123==", "AbC=", "key", "a;b", "1234:ABC-DEF"]
HOSTS = {
    "byte order mark": "\ufeffdb.example.org",
    "soft hyphen within": "db.exam\u00adple.org",
    "quotes": '"db.example.org"',
    "angle brackets": "<db.example.org>",
    "a comma": "db.example.org,",
    "capitals": "DB.Example.org\u200b",
}
UNREAD_ADDRESSES = [
    "postgres://u:geheim-7@h1,h2/db",
    "postgresql://u:geheim-7@h:99999/db",
    "postgresql://u:ab?geheim-7@h/db",
    "postgresql://u%3Ageheim-7@h1,h2/db",
    "Server=h;Database=d;User Id=u;Password=a;geheim-7;",
    "host=h password='geheim-7' x",
    "redis://:geheim-7@h",
    "mongodb+srv://u:geheim-7@h/db",
    "jdbc:oracle:thin:u/geheim-7@h:1521:x",
    'psql "host=h password=geheim-7"',
    "PGPASSWORD=geheim-7 psql -h h",
    '{"host":"h","password":"geheim-7"}',
    "pass\u200bword: geheim-7",
    "Pwd = geheim-7",
]
PASSWORDS = [
    "Ab***9!",
    " geheim ",
    '"geheim"',
    "pass=word;",
    "cafe\u0301",
    "xxxxxxxx",
    "hidden",
    "\u200bx",
    "sk\u00a01",
    "...",
]
EMAILS = [
    "Ada <ada@example.org>",
    '"Ada L." <Ada@example.org>',
    "mailto:ada@example.org?subject=x",
    " ada@example.org; ",
]


def drafted(**config: Any) -> schema.Draft:
    """The draft of an agent with this configuration."""
    kind = "POWERBI" if set(config) & {*UUID_FIELDS, "client_secret", "certificate_pem"} else "DB"
    return schema.draft_of_new(agent_values(connection_type=kind, connection_config=config))


@pytest.mark.parametrize("text", SPELLED_UUIDS.values(), ids=SPELLED_UUIDS)
def test_an_id_is_accepted_in_every_spelling_and_stored_in_the_usual_one(text: str) -> None:
    for name in UUID_FIELDS:
        assert drafted(**{name: text}).config[name] == UUID
    token = parse(TokenValues, {"name": "ci", "scopes": ["runtime"], "agent_ids": [text]})
    assert token.agent_ids == [UUID]


@pytest.mark.parametrize("text", SPELLED_KEYS.values(), ids=SPELLED_KEYS)
def test_a_key_is_stored_without_what_surrounds_it(text: str) -> None:
    assert schema.draft_of_new(agent_values(api_key=text)).secrets[API_KEY] == KEY
    assert drafted(client_secret=text).secrets[f"/{CONFIG}/client_secret"] == KEY


@pytest.mark.parametrize("key", OWN_KEYS)
def test_a_key_that_only_looks_quoted_is_stored_as_it_is(key: str) -> None:
    assert schema.draft_of_new(agent_values(api_key=key)).secrets[API_KEY] == key


@pytest.mark.parametrize("text", HOSTS.values(), ids=HOSTS)
def test_a_host_is_stored_without_what_surrounds_it(text: str) -> None:
    assert drafted(host=text).config["host"] == "db.example.org"


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_password_is_stored_as_it_was_typed(console: Flask, admin: Actor, password: str) -> None:
    with console.app_context():
        agent_id = agents.create(admin, agent_values(connection_config={"password": password})).agent_id
        row = agent_reads.read(admin, agent_id)

    assert drafted(password=password).secrets[f"/{CONFIG}/password"] == password
    assert row["secrets_set"][f"/{CONFIG}/password"]["readable"]


@pytest.mark.parametrize("mask", ["***", "\u2022\u2022\u2022\u2022", "\u2026wxyz", "\u2026" * 3])
def test_a_mask_of_this_console_is_not_accepted_as_a_password(mask: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        drafted(password=mask)

    assert "This is a hidden form" in refusal.value.fields[0][1]


@pytest.mark.parametrize("text", ['"gpt-5-mini"', "'gpt-5-mini',", "\ufeffgpt-5-mini\u200b", "\u201cgpt-5-mini\u201d"])
def test_the_name_of_a_model_is_stored_without_quotes(text: str) -> None:
    assert schema.draft_of_new(agent_values(model_type=text)).fields["model_type"] == "gpt-5-mini"


@pytest.mark.parametrize("text", EMAILS)
def test_an_email_address_is_read_from_the_text_of_a_mail_program(text: str) -> None:
    given = {"name": "Ada", "email": text, "password": "a long pass phrase 27"}

    assert parse(users.UserValues, given).email == "ada@example.org"


def in_every_form(text: str) -> dict[str, str]:
    """A text in PEM in the forms of files, messages and settings."""
    first, *body, last = text.strip().split("\n")
    forms = {
        "line ends of Windows": text.replace("\n", "\r\n"),
        "line ends written out": text.replace("\n", "\\n"),
        "line ends written out twice": text.replace("\n", "\\\\n"),
        "JSON": f'"key": "{text}",'.replace("\n", "\\n"),
        "one line": " ".join(text.split("\n")),
        "indented": "".join(f"    {line}\n" for line in text.split("\n")),
        "no-break spaces": text.replace(" ", "\u00a0").replace("\n", "\u00a0\n"),
        "marks around": f"\ufeff{text}\u200b",
        "a setting": f"KEY='{text}'",
        "a bag": f"Bag Attributes\n    localKeyID: 01 00\nsubject=CN = a\n\nissuer=CN = b\n{text}",
    }
    return forms if "Proc-Type" in text else forms | {"one line between": f"{first}\n{''.join(body)}\n{last}"}


@pytest.mark.parametrize("kind", [*pem.keys(), "certificate"])
def test_a_text_in_pem_is_stored_with_its_line_ends_however_it_was_pasted(kind: str) -> None:
    text = pem.keys().get(kind) or pem.certificate()
    for form, pasted in in_every_form(text).items():
        given = {"certificate_pem": pem.certificate()} | {
            "certificate_pem" if kind == "certificate" else "private_key_pem": pasted
        }
        draft = drafted(auth_method="certificate", **given)

        stored = draft.config | {name.rpartition("/")[2]: value for name, value in draft.secrets.items()}
        assert stored["certificate_pem" if kind == "certificate" else "private_key_pem"] == text, form


def test_parameters_before_a_key_are_removed() -> None:
    key = pem.keys()["EC"]
    before = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"

    draft = drafted(auth_method="certificate", certificate_pem=pem.certificate(), private_key_pem=before + key)

    assert draft.secrets[f"/{CONFIG}/private_key_pem"] == key


@pytest.mark.parametrize("text", ["A" * 900_000, "A=" * 450_000, "a={b;" * 180_000, "://" * 300_000])
def test_a_value_longer_than_any_address_is_refused_by_its_length_without_a_search(text: str) -> None:
    assert {reader.parts(text) for reader in (HOST, DATABASE, DATASET)} == {None}
    for name in ("host", "database"):
        with pytest.raises(InvalidInput) as refusal:
            drafted(**{name: text})
        assert refusal.value.fields[0][1].startswith("Use at most ")


def test_the_name_of_a_setting_is_recognised_only_at_the_beginning() -> None:
    for text in ("A" * 900_000, "export " + "A" * 900_000):
        assert read_connection_string(text) is None
    assert read_connection_string("A X=postgresql://h.example.org/d") is None


@pytest.mark.parametrize("text", UNREAD_ADDRESSES)
@pytest.mark.parametrize("name", ["host", "database"])
def test_an_address_that_cannot_be_read_is_refused_and_never_repeated(name: str, text: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        drafted(**{name: text})

    # Some of them are a password with a name, and no more.
    assert refusal.value.fields in ([(f"/{CONFIG}/{name}", UNREAD)], [(f"/{CONFIG}/{name}", A_PASSWORD)])
    assert "geheim" not in (HOST if name == "host" else DATABASE).shown(text)


def test_a_login_before_a_host_is_refused_as_an_address() -> None:
    for text in ("u:geheim-7@h,h2", "u/geheim-7@h x"):
        with pytest.raises(InvalidInput) as refusal:
            drafted(host=text)
        assert refusal.value.fields == [(f"/{CONFIG}/host", UNREAD)]
        assert HOST.shown(text) == ""


@pytest.mark.parametrize("name", ["sales:2024@eu", "password", "a=b", "sales@eu", "c:/data/sales.fdb"])
def test_a_database_name_may_contain_characters_of_an_address(name: str) -> None:
    assert drafted(database=name).config["database"] == name


@pytest.mark.parametrize("login", ["u%3Ageheim-7", "u:geheim-7", "u/geheim-7", "u%2Fgeheim-7"])
def test_no_password_is_read_as_part_of_a_user_name(login: str) -> None:
    for text in (f"postgresql://{login}@h.example.org/d", f"Server={login}@h.example.org;Database=d"):
        parts = HOST.parts(text)
        if parts is None:
            continue
        assert parts.has_password
        assert parts.values["username"] == "u"
