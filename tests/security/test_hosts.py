"""Allowed hosts in every spelling. `test_requests.py` tests refused hosts too."""

import pytest

from tests.conftest import OpenConsole
from tests.security.conftest import Caller

LOCAL = [
    "localhost",
    "LOCALHOST:8000",
    "localhost.",
    "LocalHost.:8000",
    "127.0.0.1",
    "127.0.0.1:9999",
    "[::1]",
    "[::1]:8000",
    "[0:0:0:0:0:0:0:1]:8000",
]
NAMED = {
    "https://Console.example.org:8443": [
        "console.example.org",
        "console.example.org:8443",
        "CONSOLE.example.org:443",
        "console.example.org.:8443",
    ],
    "https://[2001:DB8::1]:8443": ["[2001:db8::1]", "[2001:DB8:0::0:1]:8443", "[2001:0db8:0000:0:0:0:0:0001]:1"],
    "https://bücher.example": ["xn--bcher-kva.example", "XN--BCHER-KVA.example."],
    "http://agent_console:8000": ["agent_console:8000", "Agent_Console"],
}


@pytest.mark.parametrize("host", ["127.0.0.2", "127.0.0.2:8000", "[::2]", "[::ffff:127.0.0.1]"])
@pytest.mark.parametrize("path", ["/sign-in", "/setup", "/api/v1/me"])
def test_another_host_is_refused_with_the_address_of_the_console(
    sqlite_schema_url: str, open_console: OpenConsole, host: str, path: str
) -> None:
    local = Caller(open_console(sqlite_schema_url))
    named = Caller(open_console(sqlite_schema_url, PUBLIC_URL="https://console.example.org"))

    refused = [caller.ask("GET", path, headers={"Host": host}) for caller in (local, named)]

    assert [answer.status_code for answer in refused] == [400, 400]
    assert (
        "PUBLIC_URL is not set, so the console can be used only on its own machine, at http://127.0.0.1:8000."
        in refused[0].text
    )
    assert "The URL of this console is https://console.example.org (PUBLIC_URL)" in refused[1].text


@pytest.mark.parametrize("host", ["localhost..", "a..b", "localhost:99999", "localhost:abc", "[::1"])
def test_an_invalid_host_is_refused_as_invalid(sqlite_schema_url: str, open_console: OpenConsole, host: str) -> None:
    named = Caller(open_console(sqlite_schema_url, PUBLIC_URL="https://console.example.org"))

    refused = named.ask("GET", "/sign-in", headers={"Host": host})

    assert refused.status_code == 400
    assert (
        "The header Host has no valid host and port. The URL of this console is https://console.example.org."
        in refused.text
    )


@pytest.mark.parametrize("host", LOCAL)
def test_requests_for_every_name_of_this_machine_are_answered(
    sqlite_schema_url: str, open_console: OpenConsole, host: str
) -> None:
    answer = Caller(open_console(sqlite_schema_url)).ask("GET", "/setup", headers={"Host": host})

    assert answer.status_code == 200


def test_requests_for_the_listening_address_are_answered(sqlite_schema_url: str, open_console: OpenConsole) -> None:
    caller = Caller(open_console(sqlite_schema_url, BIND="127.0.0.2:8000"))

    assert caller.ask("GET", "/setup", headers={"Host": "127.0.0.2:8000"}).status_code == 200


@pytest.mark.parametrize(("public_url", "host"), [(url, host) for url, hosts in NAMED.items() for host in hosts])
def test_requests_for_every_spelling_of_the_public_host_are_answered(
    sqlite_schema_url: str, open_console: OpenConsole, public_url: str, host: str
) -> None:
    caller = Caller(open_console(sqlite_schema_url, PUBLIC_URL=public_url))

    assert caller.client.get("/setup", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["a..b", "a..b:80", "", "evil.example"])
def test_the_health_addresses_answer_for_any_host(sqlite_schema_url: str, open_console: OpenConsole, host: str) -> None:
    answer = Caller(open_console(sqlite_schema_url)).ask("GET", "/healthz", headers={"Host": host})

    assert answer.status_code in (200, 400)
