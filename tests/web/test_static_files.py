"""Static files: their URLs, how they are compressed, and how long browsers keep them."""

import gzip
import re

import pytest
from flask import Flask

from tests.make import make_user
from tests.web.conftest import Browser

DOCS = "/gibberish-xyz-123"
FILES = ("/static/app.css", "/static/icons.svg", f"{DOCS}/swagger-ui-bundle.js")
KEPT = "public, max-age=31536000, immutable"


def urls_of(console: Flask) -> list[str]:
    """The URLs of static files on the sign-in page and in the API reference."""
    pages = [console.test_client().get(address).text for address in ("/sign-in", DOCS)]
    return sorted(set(re.findall(r'(?:src|href)="(/[^"#]+[?]v=[^"#]*)', "".join(pages))))


def test_browsers_keep_a_file_for_a_year_if_its_url_has_the_fingerprint_of_its_content(console: Flask) -> None:
    make_user(console)
    urls = urls_of(console)

    assert {url.partition("?")[0] for url in urls} >= set(FILES)
    for url in urls:
        answer = console.test_client().get(url)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, KEPT)
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "name",
    [f"{'x' * 300}.css", f"{'한' * 99}.css", "app.css/", "./app.css", "%00.css", "a%00.css", "%ff.css"],
)
@pytest.mark.parametrize("folder", ["/static", DOCS])
def test_a_name_that_no_file_has_is_not_found(folder: str, name: str, console: Flask) -> None:
    assert console.test_client().get(f"{folder}/{name}").status_code == 404


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("query", ["", "?v=", "?v=0123456789"])
def test_browsers_ask_again_for_a_file_without_its_fingerprint(path: str, query: str, console: Flask) -> None:
    assert console.test_client().get(path + query).headers["Cache-Control"] == "no-cache"


def test_browsers_ask_again_for_the_openapi_document(console: Flask) -> None:
    tag = console.test_client().get("/openapi.json").headers["ETag"].strip('"')

    assert console.test_client().get(f"/openapi.json?v={tag}").headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("path", [*FILES, "/openapi.json"])
def test_a_file_is_compressed_for_a_client_that_accepts_it(path: str, console: Flask) -> None:
    client = console.test_client()

    plain = client.get(path)
    packed = client.get(path, headers={"Accept-Encoding": "br, gzip"})

    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) * 0.4
    # The document can be for signed-in people only.
    vary = "Accept-Encoding, Cookie" if path == "/openapi.json" else "Accept-Encoding"
    assert plain.headers["Vary"] == packed.headers["Vary"] == vary
    assert plain.headers["ETag"] != packed.headers["ETag"]
    for answer in (plain, packed):
        assert int(answer.headers["Content-Length"]) == len(answer.data)


@pytest.mark.parametrize("accepted", ["", "identity", "br", "gzip;q=0", "*;q=0"])
def test_a_file_is_not_compressed_for_a_client_that_does_not_accept_it(accepted: str, console: Flask) -> None:
    answer = console.test_client().get(FILES[0], headers={"Accept-Encoding": accepted})

    assert "Content-Encoding" not in answer.headers


@pytest.mark.parametrize("accepted", ["identity", "gzip"])
def test_a_client_that_has_the_file_gets_no_body(accepted: str, console: Flask) -> None:
    client, headers = console.test_client(), {"Accept-Encoding": accepted}
    first = client.get(FILES[0], headers=headers)

    again = client.get(FILES[0], headers={**headers, "If-None-Match": first.headers["ETag"]})
    changed = client.get(FILES[0], headers={**headers, "If-None-Match": '"0123456789"'})

    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert again.headers["Vary"] == "Accept-Encoding"
    assert (changed.status_code, changed.data) == (200, first.data)


@pytest.mark.parametrize("accepted", ["identity", "gzip"])
def test_head_is_answered_with_the_headers_of_get(accepted: str, console: Flask) -> None:
    client, headers = console.test_client(), {"Accept-Encoding": accepted}

    head, get = (client.open(FILES[0], method=method, headers=headers) for method in ("HEAD", "GET"))

    assert head.data == b""
    compared = ("Content-Length", "Content-Encoding", "ETag", "Vary", "Cache-Control", "Content-Type")
    assert [head.headers.get(name) for name in compared] == [get.headers.get(name) for name in compared]


def test_a_page_is_never_compressed_because_it_has_a_csrf_value(browser: Browser) -> None:
    for address in ("/agents", "/sign-in", "/nothing"):
        answer = browser.client.get(address, headers={"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in answer.headers
