"""Invalid bodies: each is refused with its error, and none breaks the server."""

import io
import json

import pytest
from flask import Flask

from agents_app.api import ENDPOINTS
from agents_app.api.endpoint import Endpoint
from agents_app.operations.permissions import Actor
from agents_app.values import json_text
from tests.api.conftest import Client
from tests.make import agent_values, make_token

GOOD = json.dumps(agent_values())
MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "white space": b" \n ",
    "a word": b"hello",
    "half an object": b'{"name": "Sales"',
    "two objects": b"{} {}",
    "a comma too many": b'{"name": "Sales",}',
    "single quotes": b"{'name': 'Sales'}",
    "a comment": b'{"name": "Sales"} // new',
    "a form": b"name=Sales&connection_type=DB",
    "XML": b"<agent><name>Sales</name></agent>",
    "null": b"null",
    "a list": f"[{GOOD}]".encode(),
    "a text": b'"Sales"',
    "a number": b"5",
    "a truth": b"true",
    "NaN": b'{"name": NaN}',
    "Infinity": b'{"name": Infinity}',
    "minus Infinity": b'{"name": -Infinity}',
    "a number beyond all": b'{"name": 1e999}',
    "digits without end": b'{"name": ' + b"9" * 5_000 + b"}",
    "a member twice": b'{"name": "Sales", "name": "Finance"}',
    "a member twice within": b'{"connection_config": {"host": "a.example.org", "host": "b.example.org"}}',
    "a member twice by escape": b'{"name": "Sales", "n\\u0061me": "Finance"}',
    "Latin 1": '{"name": "Müller"}'.encode("latin-1"),
    "UTF-16": GOOD.encode("utf-16"),
    "UTF-32": GOOD.encode("utf-32"),
    "a byte order mark": b"\xef\xbb\xbf" + GOOD.encode(),
    "an overlong sequence": b'{"name": "\xc0\xaf"}',
    "a surrogate as bytes": b'{"name": "\xed\xa0\x80"}',
    "a raw U+0000": b'{"name": "Sa\x00les"}',
    "a raw line end in a text": b'{"name": "Sa\nles"}',
    "a bad escape": b'{"name": "\\x41"}',
    "half a pair in a name": b'{"\\ud83d": 1}',
    "21 levels": b'{"a":' * 21 + b"1" + b"}" * 21,
    "20 lists in an object": b'{"a":' + b"[" * 20 + b"]" * 20 + b"}",
    "levels without end": b"[" * 100_000,
    "objects without end": b'{"a":' * 100_000,
    "too many members": json.dumps(dict.fromkeys(map(str, range(1_001)))).encode(),
    "gzip": b"\x1f\x8b\x08\x00" + b"\x00" * 20,
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_a_body_that_is_not_a_json_object_is_malformed(api: Client, body: bytes) -> None:
    answer = api.post("/agents", data=body, content_type="application/json")

    assert (answer.status_code, answer.json["code"]) == (400, "malformed")
    assert api.get("/agents").json["items"] == []


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b" \n", "Send one JSON object."),
        (b"null", "Send one JSON object."),
        (b'{"name": "canary",\n "description": }', "The JSON is invalid at line 2, column 17."),
        (b'\xef\xbb\xbf{"name": "canary"}', "Send the JSON in UTF-8, without a byte order mark."),
        (b'{"name": "canary\xff"}', "Send the JSON in UTF-8."),
        (b'{"name": "a", "name": "canary"}', "A JSON object contains the same member twice. Remove one."),
        (b'{"name": ' + b"9" * 5_000 + b"}", "A number has too many digits."),
    ],
)
def test_the_error_names_the_position_and_repeats_no_value(api: Client, body: bytes, sentence: str) -> None:
    answer = api.post("/agents", data=body, content_type="application/json")

    assert answer.json["detail"] == sentence


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("method", ["PATCH", "disable"])
def test_every_endpoint_reads_its_body_in_the_same_way(api: Client, body: bytes, method: str) -> None:
    path = f"/agents/{api.post('/agents', agent_values()).json['id']}"
    method, path = ("PATCH", path) if method == "PATCH" else ("POST", f"{path}/disable")

    answer = api(method, path, data=body, content_type="application/json")

    assert (answer.status_code, answer.json["code"]) == (400, "malformed")


@pytest.mark.parametrize("endpoint", [one for one in ENDPOINTS if one.method != "GET"], ids=lambda one: one.operation)
def test_no_operation_ignores_a_member_that_it_does_not_know(console: Flask, admin: Actor, endpoint: Endpoint) -> None:
    api = Client(console, make_token(console, admin, "write", "runtime"))
    agent_id = api.post("/agents", agent_values(external_id="crm-1")).json["id"]
    path = endpoint.path.format(agent_id=agent_id, version=1, bulk_id=agent_id, external_id="crm-1")

    answer = api(endpoint.method, path, {"why": "Not needed."})

    assert answer.status_code in (400, 422)
    assert api.get(f"/agents/{agent_id}").json["version"] == 1


@pytest.mark.parametrize("endpoint", [one for one in ENDPOINTS if one.body_is_optional], ids=lambda one: one.operation)
def test_null_counts_as_no_body_where_a_body_is_optional(console: Flask, admin: Actor, endpoint: Endpoint) -> None:
    api = Client(console, make_token(console, admin, "write"))
    agent_id = api.post("/agents", agent_values(external_id="crm-1")).json["id"]
    done = api.post("/agents/bulk", {"act": "set_owner", "owner": "Ada", "ids": [agent_id]}).json["id"]
    path = endpoint.path.format(agent_id=agent_id, version=2, bulk_id=done, external_id="crm-1")
    if endpoint.operation == "restoreAgent":
        api.delete(f"/agents/{agent_id}")

    answer = api(endpoint.method, path, data=b" null\n", content_type="application/json")

    assert answer.status_code in (200, 201, 204)


@pytest.mark.parametrize("body", [b"nul", b"null null", b"[]", b"false", b'"null"'])
def test_an_optional_body_is_null_or_an_object(api: Client, body: bytes) -> None:
    path = f"/agents/{api.post('/agents', agent_values()).json['id']}"

    assert api.post(f"{path}/enable", data=body, content_type="application/json").status_code == 400


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "",
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin-1",
        "application/json; charset=utf-16",
        "application/jsonx",
        "application/merge-patch+json",
        "application/json, text/plain",
    ],
)
def test_other_media_types_are_refused(api: Client, kind: str | None) -> None:
    answer = api.post("/agents", data=GOOD, content_type=kind)

    assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type")


def test_a_compressed_body_is_refused(api: Client) -> None:
    answer = api.post("/agents", data=GOOD, content_type="application/json", headers={"Content-Encoding": "gzip"})

    assert answer.status_code == 415


def test_a_request_without_its_body_is_malformed(api: Client) -> None:
    assert api.post("/agents").status_code == 400


@pytest.mark.parametrize(
    "kind", ["application/json; charset=UTF-8", "Application/JSON", 'application/json;charset="utf-8"']
)
def test_the_charset_utf8_is_accepted(api: Client, kind: str) -> None:
    assert api.post("/agents", data=GOOD, content_type=kind).status_code == 201


@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
def test_a_body_that_is_too_large_is_refused_as_such(api: Client, kind: str) -> None:
    body = b'{"name": "' + b"x" * json_text.BYTES_MAX + b'"}'

    answer = api.post("/agents", data=body, content_type=kind)

    assert (answer.status_code, answer.json["code"]) == (413, "too_large")


@pytest.mark.parametrize(("length", "status"), [(json_text.BYTES_MAX - 1, 201), (json_text.BYTES_MAX + 1, 413)])
def test_a_chunked_body_has_the_same_limit(api: Client, length: int, status: int) -> None:
    body = GOOD.encode().ljust(length)

    answer = api.post(
        "/agents",
        input_stream=io.BytesIO(body),
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True},
    )

    assert answer.status_code == status


@pytest.mark.parametrize("act", ["clone", "enable"])
def test_a_member_is_refused_where_it_would_be_ignored(api: Client, act: str) -> None:
    path = f"/agents/{api.post('/agents', agent_values()).json['id']}/{act}"
    refused = api.post(path, {"name": "Other"})

    assert (refused.status_code, [error["pointer"] for error in refused.json["errors"]]) == (422, ["/name"])
    assert api.post(path, {}).status_code in (200, 201)


def test_all_invalid_members_are_named(api: Client) -> None:
    values = agent_values(**{f"member {number}": number for number in range(900)})

    answer = api.post("/agents", values)

    assert (answer.status_code, len(answer.json["errors"])) == (422, 900)


def test_twenty_levels_are_read(api: Client) -> None:
    answer = api.post("/agents", data=b'{"a":' * 20 + b"1" + b"}" * 20, content_type="application/json")

    assert answer.status_code == 422


def test_texts_are_returned_as_they_were_sent(api: Client) -> None:
    text = "Grüße 😀 \u202eabc\u202c \\ \" ' <b>&amp; \t x\nzwei"

    agent = api.post("/agents", agent_values(description=text, name="名前 😀")).json

    assert (agent["description"], agent["name"]) == (text, "名前 😀")
