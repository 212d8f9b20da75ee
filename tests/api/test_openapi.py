"""The OpenAPI document is valid and complete, shows no secrets, and can be private."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from flask import Flask
from jsonschema import ValidationError
from openapi_spec_validator import validate

from agents_app import http, refusals
from agents_app.api import ENDPOINTS, PREFIX, openapi, openapi_responses
from agents_app.api.answer_components import UNKNOWN
from agents_app.api.endpoint import Endpoint
from agents_app.api.error_codes import ERROR_CODES
from agents_app.api.request_components import stem
from agents_app.connections import TYPES
from agents_app.operations import sessions
from agents_app.operations.permissions import Actor, Visitor
from agents_app.operations.read_only_members import SENTENCES
from agents_app.values.choices import ConnectionType
from tests.api.conftest import Client, document, is_valid, resolved
from tests.bad_inputs import BAD_AGENTS
from tests.conftest import OpenConsole
from tests.make import PASSWORD, agent_values, make_token, make_user

DOCS = "/gibberish-xyz-123"
DESCRIPTION = r'"description": "((?:[^"\\]|\\.)*)"'


@pytest.fixture
def closed(sqlite_schema_url: str, open_console: OpenConsole) -> Flask:
    """A console whose document is private."""
    return open_console(sqlite_schema_url, API_DOCS_PUBLIC="false")


@pytest.mark.parametrize("path", ["/openapi.json", DOCS])
def test_a_private_document_requires_a_signed_in_person(closed: Flask, path: str) -> None:
    person = make_user(closed)
    with closed.app_context():
        session_id = sessions.sign_in(Visitor("::1"), person.email, PASSWORD)
    browser = closed.test_client()

    before = browser.get(path)
    with browser.session_transaction() as cookie:
        cookie[http.SESSION_ID] = session_id
    after = browser.get(path)

    assert (before.status_code, after.status_code) == (401, 200)
    assert "Cookie" in after.headers["Vary"]


@pytest.mark.parametrize("role", ["admin", "editor", "viewer"])
def test_the_reference_says_where_tokens_are_made_or_who_makes_them(role: str, console: Flask) -> None:
    admin = make_user(console, name="Ada Lovelace")
    person = admin if role == "admin" else make_user(console, role, admin.account_id, name="Grace Hopper")
    browser = console.test_client()
    with console.app_context():
        session_id = sessions.sign_in(Visitor("::1"), person.email, PASSWORD)
    with browser.session_transaction() as cookie:
        cookie[http.SESSION_ID] = session_id

    page = browser.get(DOCS).text

    assert "Main" in page
    assert ('href="/tokens"' in page) == (role == "admin")
    assert ("Ada Lovelace" in page.partition("<main")[2]) == (role != "admin")


def test_the_reference_has_one_introduction_and_no_menu_for_visitors_who_are_not_signed_in(console: Flask) -> None:
    page = console.test_client().get(DOCS).text

    assert page.count("Send an API token with every request") == 1
    assert 'href="/sign-in"' in page
    assert 'href="/activity"' not in page


def test_a_public_document_requires_nothing_and_sets_no_cookie(console: Flask) -> None:
    for path in ("/openapi.json", DOCS, f"{DOCS}/swagger-ui.css", f"{DOCS}/swagger-ui-bundle.js"):
        with console.test_client().get(path) as answer:
            assert answer.status_code == 200
            assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("name", ["index.html", "oauth2-redirect.html", "swagger-ui.js", "..%2f__init__.py", "VERSION"])
def test_no_other_file_of_swagger_ui_is_served(console: Flask, name: str) -> None:
    assert console.test_client().get(f"{DOCS}/{name}").status_code == 404


def test_the_page_has_no_inline_scripts(console: Flask) -> None:
    answer = console.test_client().get(DOCS)

    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert "style=" not in answer.text
    assert answer.text.count("<script") == answer.text.count("<script src=")
    assert "//" not in answer.text.replace("https://127.0.0.1", "")


def test_the_api_reference_is_at_the_path_of_the_setting(sqlite_schema_url: str, open_console: OpenConsole) -> None:
    app = open_console(sqlite_schema_url, API_DOCS_PATH="/api-docs")

    assert app.test_client().get("/api-docs").status_code == 200
    assert app.test_client().get(DOCS).status_code == 404


def test_the_document_is_valid(console: Flask) -> None:
    answer = console.test_client().get("/openapi.json")

    validate(answer.json)
    assert (answer.json, answer.json["openapi"]) == (document(), "3.1.0")


def test_a_client_that_has_the_document_gets_no_body(console: Flask) -> None:
    tag = console.test_client().get("/openapi.json").headers["ETag"]

    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        answer = console.test_client().get("/openapi.json", headers={"If-None-Match": known})
        assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", tag)
    assert console.test_client().get("/openapi.json", headers={"If-None-Match": '"x-gzip"'}).status_code == 200


def test_every_api_rule_is_in_the_document(console: Flask) -> None:
    rules = {
        (method.lower(), re.sub(r"<\w+:(\w+)>", r"{\1}", rule.rule))
        for rule in console.url_map.iter_rules()
        if refusals.is_api_path(rule.rule) and rule.rule != "/openapi.json"
        for method in rule.methods - {"HEAD"}
    }

    assert rules == {(method, path) for path, methods in document()["paths"].items() for method in methods}


def test_every_endpoint_has_its_own_names_and_the_operation_is_a_verb_with_its_object() -> None:
    operations = [endpoint.operation for endpoint in ENDPOINTS]

    assert len(set(operations)) == len({endpoint.name for endpoint in ENDPOINTS}) == len(ENDPOINTS)
    assert [name for name in operations if not re.fullmatch(r"[a-z]+([A-Z][a-z]+)+", name)] == []


@pytest.mark.parametrize("endpoint", [one for one in ENDPOINTS if one.body], ids=lambda one: one.operation)
def test_the_api_accepts_the_examples(console: Flask, admin: Actor, endpoint: Endpoint) -> None:
    api = Client(console, make_token(console, admin, "write", "runtime"))
    named = {"external_id": "crm-1"} if endpoint.method == "DELETE" else {}
    agent_id = api.post("/agents", agent_values(**named)).json["id"]
    if endpoint.permission == "agents.restore_deleted":
        api.delete(f"/agents/{agent_id}")
    path = endpoint.path.replace("{agent_id}", agent_id).replace("{version}", "1")
    path = path.replace("{external_id}", "crm-1")
    if "{bulk_id}" in path:
        path = path.replace("{bulk_id}", api.post("/agents/bulk", {"act": "enable", "ids": [agent_id]}).json["id"])
    operation = document()["paths"][PREFIX + endpoint.path][endpoint.method.lower()]
    content = operation["requestBody"]["content"]["application/json"]

    for example in content["examples"].values():
        assert is_valid(example["value"], endpoint.body)
        answer = api(endpoint.method, path, example["value"])
        assert answer.status_code in endpoint.responses


def test_only_runtimes_read_secrets() -> None:
    schemas = document()["components"]["schemas"]

    assert schemas["AgentUpdate"]["properties"]["api_key"]["writeOnly"]
    for declaration in TYPES.values():
        name = stem(declaration)
        assert schemas[f"AgentCreate{name}"]["properties"]["api_key"]["writeOnly"]
        assert "api_key" not in schemas[f"Agent{name}"]["properties"]
        for secret in declaration.secret_names():
            assert schemas[f"{name}ConfigCreate"]["properties"][secret]["writeOnly"]
            assert schemas["ConnectionConfigUpdate"]["properties"][secret]["writeOnly"]
            assert secret not in schemas[f"{name}ConfigInFile"]["properties"]
            assert secret not in schemas[f"{name}Config"]["properties"]
            assert "writeOnly" not in schemas[f"Runtime{name}Config"]["properties"][secret]


def test_a_change_has_the_members_of_every_connection_type_in_one_object() -> None:
    schemas = document()["components"]["schemas"]
    change = schemas["ConnectionConfigUpdate"]

    configs = [schemas[f"{stem(declaration)}ConfigCreate"]["properties"] for declaration in TYPES.values()]
    assert set(change["properties"]) == {name for config in configs for name in config}
    assert not {"anyOf", "oneOf", "required"} & change.keys()
    # What two types have in common is said, and the limits of one of them are not.
    assert change["properties"]["row_limit"] == {"type": "integer", "minimum": 1}


@pytest.mark.parametrize("name", ["AgentCreate", "UnsavedAgent", "AgentInFile", "Agent", "SavedAgent", "RuntimeAgent"])
def test_the_connection_type_says_which_configuration_an_agent_has(name: str) -> None:
    schemas = document()["components"]["schemas"]
    options = [option["$ref"].rpartition("/")[2] for option in schemas[name]["anyOf"]]
    known = {f"{name}{stem(declaration)}": value for value, declaration in TYPES.items()}

    for option, value in known.items():
        members = schemas[option]["properties"]
        assert members["connection_type"] == {"type": "string", "const": value}
        assert stem(TYPES[ConnectionType(value)]) in members["connection_config"]["$ref"]
    # A discriminator names the known types only: clients would refuse the answers of a later release.
    others = [f"{name}{UNKNOWN}"] if name in answers() else []
    assert options == [*known, *others]
    # Some generators try the options in the order of their names, and that one accepts every type.
    assert not others or max(options) == others[0]
    mapping = {value: f"#/components/schemas/{option}" for option, value in known.items()}
    assert schemas[name].get("discriminator") == (
        None if others else {"propertyName": "connection_type", "mapping": mapping}
    )


@pytest.mark.parametrize(
    ("version", "semantic"),
    [("1.2.3", "1.2.3"), ("1.2.0.dev0", "1.2.0-dev.0"), ("1.2.0rc1", "1.2.0-rc.1"), ("1.2.0b12", "1.2.0-b.12")],
)
def test_the_version_is_one_that_the_package_managers_of_all_languages_read(version: str, semantic: str) -> None:
    assert openapi.semantic_version(version) == semantic
    assert re.fullmatch(r"\d+\.\d+\.\d+(-[a-z]+\.\d+)?", document()["info"]["version"])


def test_the_introduction_says_what_clients_must_ignore_and_who_gets_secrets(console: Flask) -> None:
    page = console.test_client().get(DOCS).text
    said = document()["info"]["description"]
    secrets = {
        path.removeprefix(PREFIX)
        for path, methods in document()["paths"].items()
        if "RuntimeAgent" in refs([one["responses"] for one in methods.values()])
    }

    assert "A client must ignore members, values and connection types that it does not know." in said
    assert set(re.findall(r"`(/[^`]+)`", said)) == secrets
    assert set(re.findall(r"<code>(/[^<]+)</code>", page)) == secrets


def test_no_name_of_an_example_is_a_keyword_that_generators_read() -> None:
    methods = [method for path in document()["paths"].values() for method in path.values()]
    bodies = [body for method in methods for body in method.get("requestBody", {"content": {}})["content"].values()]

    assert {"description", "summary", "value", "externalValue"} & {
        name for one in bodies for name in one["examples"]
    } == set()


def test_no_parameter_with_a_format_has_limits_of_its_length() -> None:
    operations = [operation for path in document()["paths"].values() for operation in path.values()]
    schemas = [part for one in operations for parameter in one["parameters"] for part in parts(parameter["schema"])]

    assert [one for one in schemas if "format" in one and {"minLength", "maxLength"} & one.keys()] == []


def answers() -> set[str]:
    """The names of the schemas that answers have, and of those in them."""
    return reached(
        one for path in document()["paths"].values() for method in path.values() for one in refs(method["responses"])
    )


def bodies() -> set[str]:
    """The names of the schemas that request bodies have, and of those in them."""
    methods = [method for path in document()["paths"].values() for method in path.values()]
    return reached(name for method in methods for name in refs(method.get("requestBody", {})))


def refs(part: Any) -> set[str]:
    """The names of the schemas to which a part of the document refers."""
    return set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(part)))


def reached(names: Iterable[str]) -> set[str]:
    """These schemas, and those to which they refer."""
    found: set[str] = set()
    waiting = set(names)
    while waiting:
        found.add(name := waiting.pop())
        waiting |= refs(document()["components"]["schemas"][name]) - found
    return found


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """The schema, and every schema inside it."""
    yield schema
    inside = [*schema.get("properties", {}).values(), *schema.get("anyOf", ())]
    inside += [schema[name] for name in ("items", "additionalProperties") if isinstance(schema.get(name), dict)]
    for part in inside:
        yield from parts(part)


def test_bodies_are_closed_and_answers_are_open_to_members_and_values_of_later_releases() -> None:
    schemas = document()["components"]["schemas"]
    unions = {name for name, schema in schemas.items() if "anyOf" in schema}

    # What a change of a whole agent has as it was read.
    as_read = reached(refs([schemas["AgentUpdate"]["properties"][name] for name in SENTENCES]))

    assert bodies() & answers() == as_read
    for name in bodies() - unions - as_read:
        assert "enum" in schemas[name] or schemas[name]["additionalProperties"] is False, name
    limits = {"enum", "maxLength", "minLength", "maximum", "minimum", "pattern", "maxItems", "minItems"}
    for name in answers():
        for part in parts(schemas[name]):
            assert part.get("additionalProperties", True) is not False
            assert not limits & part.keys(), name


def test_every_error_of_the_console_has_a_code_of_the_registry_with_its_status() -> None:
    ours = {kind.code: status for kind, status in refusals.STATUS.items()}
    framework = {code: status for status, (code, _) in refusals.FRAMEWORK_ERRORS.items()}
    listed = {code for endpoint in ENDPOINTS for code in openapi_responses.codes(endpoint)}

    assert {code: ERROR_CODES[code].status for code in ours | framework} == ours | framework
    # No operation answers these two: the first is that of another URL, and API tokens are not asked for the second.
    assert ERROR_CODES.keys() - listed == {"method_not_allowed", "forbidden"}
    for code in ERROR_CODES.values():
        assert code.meaning.endswith(".")
        assert code.remedy[-1] in ".…"


@pytest.mark.parametrize(
    ("status", "title"),
    [(413, "Content Too Large"), (422, "Unprocessable Content"), (507, "Insufficient Storage"), (404, "Not Found")],
)
def test_a_status_has_its_present_name_in_the_document_and_in_the_body(status: int, title: str) -> None:
    said = resolved(document()["paths"][f"{PREFIX}/agents/import"]["post"]["responses"].get(str(status), {}))

    assert refusals.Refusal(status, "code", "detail").title == title
    assert not said or said["description"].startswith(f"{title}\n")


def test_no_schema_has_what_generators_of_clients_trip_over() -> None:
    schemas = document()["components"]["schemas"]

    for name, schema in schemas.items():
        for part in parts(schema):
            assert "title" not in part or isinstance(part["title"], dict)
            assert "default" not in part
            assert "oneOf" not in part
            # A union is a schema with a name, or has null and nothing else next to it.
            if "anyOf" in part and part is not schema:
                assert len(part["anyOf"]) == 2
                assert {"type": "null"} in part["anyOf"]
                assert part.keys() <= {"anyOf", "description", "writeOnly"}
        # A Go file whose name ends so is a test.
        assert not name.endswith("Test")


def test_nothing_about_forms_inputs_or_source_files_is_in_the_document() -> None:
    text = json.dumps(document())
    of_forms = (
        r"\b(?:buttons?|check ?box|click|tick|paste|fields?|one per line|enter|forms?|pages?|screens?|tabs?|upload"
        + r"|choose|flask|empty means|shown? (?:here|below))\b|\.(?:py|html)\b"
    )
    # The pages of a list, the place where people find a value, and the introduction for a new client.
    allowed = (
        r"\b(?:one|first|next|previous|last) page\b|`page`|the dataset's page in Power BI|The form of a file"
        + r'|of the form `env:|on the page \\"API tokens\\"|`flask tokens create`'
    )

    said = [re.sub(allowed, "", one, flags=re.IGNORECASE) for one in re.findall(DESCRIPTION, text)]
    found = [one for one in said if re.search(of_forms, one, re.IGNORECASE)]

    assert found == []
    assert "x-console" not in text


def test_an_operation_says_which_scope_and_role_it_needs() -> None:
    operations = [operation for path in document()["paths"].values() for operation in path.values()]
    needed = {one["operationId"]: (one.get("x-required-scope"), one.get("x-required-role")) for one in operations}

    assert needed["deleteAgent"] == ("write", "admin")
    assert needed["listAgents"] == ("read", "viewer")
    assert needed["fetchAgentRuntime"] == ("runtime", None)
    assert needed["getMe"] == (None, None)


def test_connection_types_are_listed_with_their_schemas(api: Client) -> None:
    listed = {one["connection_type"]: one for one in api.get("/connection-types").json["items"]}

    assert set(listed) == set(TYPES)
    assert listed["DB"]["secrets"] == ["password"]
    assert "host" in listed["DB"]["destination"]
    assert listed["POWERBI"]["schema"]["properties"]["client_secret"]["writeOnly"]
    assert "$ref" not in str(listed["DB"]["schema"]["properties"]["host"])


@pytest.mark.parametrize("case", ["no name", "no type", "unknown member", "long name", "unknown dialect", "huge port"])
def test_the_document_and_the_api_refuse_the_same_values(case: str) -> None:
    values = next(bad.values for bad in BAD_AGENTS if bad.name == case)

    with pytest.raises(ValidationError):
        is_valid(values, "AgentCreate")


def test_me_returns_the_token_of_the_request(api: Client, admin: Actor) -> None:
    me = api.get("/me").json

    assert (me["scopes"], me["role"], me["all_agents"], me["agent_ids"]) == (["read", "write"], "admin", True, [])
    assert me["account"] == {"id": str(admin.account_id), "name": "Acme"}
    assert me["token"]["name"] == "ci"


def test_the_document_describes_the_response_to_a_repeated_request() -> None:
    creating = document()["paths"][f"{PREFIX}/agents"]["post"]

    assert "Idempotency-Replayed" in creating["responses"]["200"]["headers"]
    assert "Idempotency-Replayed" not in creating["responses"]["201"]["headers"]
    for code in ("idempotency_key_reused", "idempotency_changed", "idempotency_deleted"):
        assert code in creating["description"]
