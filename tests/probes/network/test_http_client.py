"""The HTTP client of the probes: what it refuses, and that it says why without the text of the server."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agents_app.probes.causes import CAUSES
from agents_app.probes.causes.cause import Responsible
from agents_app.probes.network.addresses import AddressRules
from agents_app.probes.network.http_client import Answer, Limits, Server, locate
from agents_app.probes.recorder import ProbeFailed
from tests.authority import Authority
from tests.probes.local_server import LocalServer, Reply, running, slowly, zeros

LOOPBACK = AddressRules(allows_loopback=True)
METADATA = "http://169.254.169.254/latest/meta-data"
SHORT = Limits(connect=0.5, silence=2, total=0.2)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    """An authority that the client trusts, as the file that SSL_CERT_FILE names."""
    made = Authority()
    file = tmp_path_factory.mktemp("authority") / "authority.pem"
    file.write_text(made.certificate)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(file))
        yield made


@pytest.fixture(scope="module")
def https(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    with running(authority.issue("localhost", "127.0.0.1"), tmp_path_factory.mktemp("https")) as server:
        yield server


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    with running(None, tmp_path_factory.mktemp("plain")) as server:
        yield server


def ask(url: str, headers: dict[str, str] | None = None, **options: Any) -> Answer:
    """The answer to a GET of this URL."""
    return locate(url, LOOPBACK, **options).request("GET", "/", headers)


def failure(act: Callable[[], object]) -> str:
    """The code of the failure of a call. Its sentence has all its values."""
    with pytest.raises(ProbeFailed) as caught:
        act()
    cause = CAUSES[caught.value.code]
    assert cause.what.format_map(caught.value.facts)
    assert cause.next_step.format_map(caught.value.facts)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value.code


@pytest.mark.parametrize(
    ("names", "options", "code"),
    [
        (("other.example.org",), {}, "certificate_name"),
        # The address of the server does not replace its name.
        (("127.0.0.1",), {}, "certificate_name"),
        (("localhost",), {"is_expired": True}, "certificate_expired"),
    ],
)
def test_a_certificate_must_be_valid_for_the_name(
    authority: Authority, tmp_path: Path, names: tuple[str, ...], options: dict[str, bool], code: str
) -> None:
    with running(authority.issue(*names, **options), tmp_path) as server:
        assert failure(lambda: ask(f"https://localhost:{server.port}")) == code
        assert server.requests == []


def test_a_certificate_must_come_from_a_trusted_authority(authority: Authority, tmp_path: Path) -> None:
    with running(Authority().issue("localhost"), tmp_path) as server:
        assert failure(lambda: ask(f"https://localhost:{server.port}")) == "certificate_not_trusted"
        assert server.requests == []


def test_https_to_a_server_without_tls_is_refused(plain: LocalServer) -> None:
    assert failure(lambda: ask(f"https://localhost:{plain.port}")) == "tls_failed"


def test_http_is_refused_where_the_caller_does_not_allow_it(plain: LocalServer) -> None:
    assert failure(lambda: ask(f"http://localhost:{plain.port}")) == "https_required"


@pytest.mark.parametrize(
    "url", ["https://", "https://a:b", "https://a:99999", "https://[", "https://a b", "https://a@"]
)
def test_an_address_without_a_valid_host_and_port_is_refused(url: str) -> None:
    assert failure(lambda: locate(url, LOOPBACK)) == "host_invalid"


@pytest.mark.parametrize("address", ["1.1.1.1", "169.254.1.1", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_http_to_a_public_address_is_refused(address: str) -> None:
    host = f"[{address}]" if ":" in address else address

    with pytest.raises(ProbeFailed) as caught:
        locate(f"http://{host}", LOOPBACK, allows_http=True)

    assert caught.value.code in ("https_required", "address_blocked")


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.1"])
def test_http_to_a_private_address_is_allowed_where_the_caller_allows_it(address: str) -> None:
    assert locate(f"http://{address}:8080", LOOPBACK, allows_http=True).addresses == (address,)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(https: LocalServer, status: int) -> None:
    https.answer = lambda request: Reply(status, headers={"Location": METADATA})

    assert failure(lambda: ask(f"https://localhost:{https.port}")) == "redirected"


@pytest.mark.parametrize(
    ("reply", "limits", "code"),
    [
        (Reply(stream=zeros(100)), Limits(), "answer_too_large"),
        (Reply(body=b"0" * 1_000_001), Limits(), "answer_too_large"),
        (Reply(stream=slowly), SHORT, "server_slow"),
        (Reply(stream=slowly, headers={"Content-Length": "1000"}), SHORT, "server_slow"),
        (Reply(body=b"{}", headers={"Content-Length": "1000"}), Limits(), "connection_lost"),
    ],
)
def test_an_answer_without_an_end_is_refused(https: LocalServer, reply: Reply, limits: Limits, code: str) -> None:
    https.answer = lambda request: reply

    assert failure(lambda: ask(f"https://localhost:{https.port}", limits=limits)) == code


@contextmanager
def raw_server(answer: bytes) -> Iterator[int]:
    """A port that answers each connection with these bytes, and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as connection:
                connection.recv(65_536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"", "connection_lost"),
        (b"SSH-2.0-server\r\n", "answer_not_understood"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", "answer_not_understood"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 200 + b"\r\n", "answer_not_understood"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "connection_lost"),
    ],
    ids=["nothing", "another protocol", "a long header", "many headers", "a wrong chunk"],
)
def test_an_answer_that_is_not_http_is_refused(answer: bytes, code: str) -> None:
    with raw_server(answer) as port:
        assert failure(lambda: ask(f"http://localhost:{port}", allows_http=True)) == code


def test_a_server_that_never_answers_is_left_at_the_time_limit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://localhost:{listener.getsockname()[1]}"

        assert failure(lambda: ask(url, allows_http=True, limits=SHORT)) == "server_slow"
        assert failure(lambda: ask(url, allows_http=True, limits=Limits(silence=0.1))) == "server_silent"
        assert failure(lambda: ask(url.replace("http", "https"), limits=Limits(connect=0.1))) == "server_silent"


def test_the_next_address_is_tried_and_used_again(https: LocalServer) -> None:
    https.answer = lambda request: Reply(body={})
    closed = Server("localhost", https.port, True, ("127.0.0.2",))
    both = Server("localhost", https.port, True, ("127.0.0.2", "127.0.0.1"), SHORT)

    assert failure(lambda: closed.request("GET", "/")) == "port_refused"
    assert both.request("GET", "/").status == 200
    # A silent server at the first address.
    with socket.create_server(("127.0.0.2", https.port)) as silent:
        silent.setblocking(False)
        assert both.request("GET", "/").status == 200
        with pytest.raises(BlockingIOError):
            silent.accept()


def test_a_host_that_no_person_entered_has_causes_that_do_not_ask_for_another_host(
    authority: Authority, tmp_path: Path
) -> None:
    closed = Server("localhost", 1, True, ("127.0.0.2",), is_service=True)

    assert failure(lambda: locate("https://localhost", AddressRules(), is_service=True)) == "service_blocked"
    other_network = AddressRules(("203.0.113.0/24",), allows_loopback=True)
    assert failure(lambda: locate("https://localhost", other_network, is_service=True)) == "service_not_allowed"
    assert failure(lambda: closed.request("GET", "/")) == "service_unreachable"
    with running(authority.issue("other.example.org"), tmp_path) as server:
        url = f"https://localhost:{server.port}"
        assert failure(lambda: ask(url, is_service=True)) == "service_replaced"
    assert CAUSES["service_replaced"].responsible is Responsible.NETWORK


@pytest.mark.parametrize("key", ["canary\r\nX: 1", "canary\n", "canary\x00", "canary\N{EURO SIGN}", "canar\xfd"])
def test_a_key_that_a_header_cannot_contain_is_refused_without_its_text(https: LocalServer, key: str) -> None:
    https.requests.clear()

    assert failure(lambda: ask(f"https://localhost:{https.port}", {"Authorization": key})) == "credential_not_sendable"
    assert https.requests == []


def test_a_request_goes_to_the_given_address_with_the_name_of_the_host(
    https: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    https.answer = lambda request: Reply(201, {"a": [1]}, {"Retry-After": "7"})
    https.requests.clear()

    answer = Server("localhost", https.port, True, ("127.0.0.1",)).request("POST", "/v1?x=1", {"X-A": "b"}, b"{}")

    assert (answer.status, answer.json_object(), answer.retry_after) == (201, {"a": [1]}, 7)
    (request,) = https.requests
    assert (request.method, request.path, request.body) == ("POST", "/v1?x=1", "{}")
    assert request.headers["host"] == f"localhost:{https.port}"
    assert request.headers["x-a"] == "b"
    assert request.headers["accept-encoding"] == "identity"
    assert "python" not in request.headers["user-agent"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"\xff", b"[" * 100_000, b'{"a": ' + b"9" * 5_000 + b"}"])
def test_a_body_that_is_not_a_json_object_is_an_empty_one(body: bytes) -> None:
    assert Answer(200, {}, body).json_object() == {}


@pytest.mark.parametrize(
    "text", ["", "-1", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT", "9" * 99, "\N{ARABIC-INDIC DIGIT ONE}"]
)
def test_a_retry_after_that_is_not_a_number_of_seconds_is_ignored(text: str) -> None:
    assert Answer(429, {"retry-after": text}, b"").retry_after is None
