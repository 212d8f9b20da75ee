"""A test connects only to addresses that were checked, whatever their spelling and whatever DNS answers."""

import socket
from typing import Any

import pytest

from agents_app.probes.causes import CAUSES
from agents_app.probes.network.addresses import AddressRules, resolve
from agents_app.probes.recorder import ProbeFailed

PORT = 5432
# Nothing allows these addresses.
BLOCKED = (
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "169.254.1.1",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "fe80::1",
    "FE80::1",
    "fec0::1",
    "ff02::1",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "fd00:42::42",
    "fd00:c1::a9fe:a9fe",
    "fd00:a9fe:a9fe::1",
    "fd00:100::100:200",
    "[fd00:ec2::254]",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "[::FFFF:169.254.169.254]",
    "::169.254.169.254",
    "::ffff:0:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::a9fe:a9fe",
    "64:ff9b:1:a9fe:a9:fe00::",
    "64:ff9b:1:12a9:fe:a9fe:808:808",
    "64:ff9b:1:0:a9:fea9:fe00:0",
    "2001:db8::5efe:169.254.169.254",
    "fd00::200:5efe:a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "2001:0:a9fe:a9fe::1",
    "2001:0:0808:0808:0:0:5601:5601",
    "100::1",
    "4000::1",
)
LOOPBACK = (
    "localhost",
    "LOCALHOST",
    "127.0.0.1",
    "127.255.0.1",
    "::1",
    "[::1]",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
)
# Other programs read these as addresses.
INVALID = (
    "127.0.0.1.",
    "169.254.169.254.",
    "2130706433",
    "2852039166",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "0251.0376.0251.0376",
    "127.1",
    "127.0.1",
    "0",
    "169.254.43518",
    "fe80::1%lo",
    "fe80::1%25lo",
    "::1%lo,192.0.2.1",
    "[127.0.0.1]",
    "::1]",
    "127.0.0.1:5432",
    "localhost,192.0.2.1",
    "user@localhost",
    "\uff11\uff12\uff17.0.0.1",
    "\u2460\u2461\u2466.0.0.1",
    "l\u00f6calhost",
    "localhost\u3002",
    "local host",
    "localhost\x00",
    "/var/run/postgresql",
    "",
    ".",
)
USABLE = (
    *("10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "8.8.8.8", "fd12:3456::1", "2a00:1450::1"),
    # 10.1.2.3, translated with prefixes of 48, 56, 64 and 96 bits, and inside ISATAP.
    *("64:ff9b:1:a01:2:300::", "64:ff9b:1:a:1:203::", "64:ff9b:1:0:a:102:300:0", "64:ff9b:1::a01:203"),
    "fd00::5efe:a01:203",
)


def refusal(host: str, rules: AddressRules, port: int = PORT) -> str:
    with pytest.raises(ProbeFailed) as caught:
        resolve(host, port, rules)
    assert caught.value.facts.keys() >= {"host"}
    return caught.value.code


@pytest.mark.parametrize("host", BLOCKED)
def test_an_address_that_is_no_server_of_a_database_is_blocked_by_every_rule(host: str) -> None:
    networks = AddressRules(networks=("0.0.0.0/0", "::/0"), allows_loopback=True)

    assert refusal(host, AddressRules(allows_loopback=True)) == "address_blocked"
    assert refusal(host, networks) == "address_blocked"


@pytest.mark.parametrize("host", LOOPBACK)
def test_loopback_is_blocked_unless_it_is_allowed(host: str) -> None:
    assert refusal(host, AddressRules()) == "address_blocked"
    assert refusal(host, AddressRules(networks=("0.0.0.0/0", "::/0"))) == "address_blocked"
    assert resolve(host, PORT, AddressRules(allows_loopback=True))


@pytest.mark.parametrize("host", INVALID)
def test_an_unusual_spelling_of_an_address_is_not_a_host(host: str) -> None:
    assert refusal(host, AddressRules(allows_loopback=True)) == "host_invalid"


@pytest.mark.parametrize("host", USABLE)
def test_private_and_public_networks_are_allowed_unless_the_operator_names_networks(host: str) -> None:
    assert resolve(host, PORT, AddressRules()) == [host]
    assert refusal(host, AddressRules(networks=("203.0.113.0/24",))) == "network_not_allowed"
    assert resolve(host, PORT, AddressRules(networks=("203.0.113.0/24", f"{host}"))) == [host]


def test_a_translated_address_is_not_in_the_network_of_the_address_inside_it() -> None:
    rules = AddressRules(networks=("10.0.0.0/8",))

    assert refusal("64:ff9b::10.0.0.1", rules) == "network_not_allowed"
    assert refusal("2002:a00:1::1", rules) == "network_not_allowed"
    assert resolve("::ffff:10.0.0.1", PORT, rules) == ["::ffff:10.0.0.1"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1", "::ffff:127.0.0.1"])
def test_the_database_of_the_console_is_blocked_at_every_address_of_its_machine(host: str) -> None:
    rules = AddressRules(allows_loopback=True, blocked=(("localhost", PORT),))

    assert refusal(host, rules) == "port_blocked"
    assert resolve(host, PORT + 1, rules)


@pytest.mark.parametrize("host", ["db.example.org", "DB.example.org."])
def test_the_name_of_the_consoles_database_is_blocked_whatever_dns_answers(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = (f"10.0.0.{number}" for number in range(1, 100))

    def name_server(*given: Any, **named: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), PORT))]

    monkeypatch.setattr(socket, "getaddrinfo", name_server)
    rules = AddressRules(blocked=(("db.example.org", PORT),))

    assert refusal(host, rules) == "port_blocked"
    assert resolve(host, PORT + 1, rules)


@pytest.mark.parametrize("host", ["64:ff9b::10.0.0.7", "64:ff9b:1:0:a:0:700:0", "2002:a00:7::1", "::ffff:10.0.0.7"])
def test_a_translated_address_of_the_consoles_database_is_blocked(host: str) -> None:
    rules = AddressRules(blocked=(("10.0.0.7", PORT),))

    assert refusal(host, rules) == "port_blocked"
    assert resolve(host, PORT + 1, rules)


def test_an_own_address_of_the_machine_leads_to_its_database_too() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        try:
            route.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("This machine has no address but loopback")
        own = route.getsockname()[0]

    assert refusal(own, AddressRules(blocked=(("localhost", PORT),))) == "port_blocked"
    assert refusal(own, AddressRules(blocked=((own, PORT),))) == "port_blocked"
    assert resolve(own, PORT + 1, AddressRules(blocked=((own, PORT),))) == [own]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["10.0.0.1", "169.254.169.254"], "address_blocked"),
        (["10.0.0.1", "::1"], "address_blocked"),
        (["fe80::1%eth0"], "address_blocked"),
        (socket.EAI_NONAME, "host_unknown"),
        (socket.EAI_AGAIN, "dns_failed"),
        (socket.EAI_FAIL, "dns_failed"),
    ],
)
def test_every_answer_of_dns_is_checked(answers: Any, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def name_server(*given: Any, **named: Any) -> list[Any]:
        if not isinstance(answers, list):
            raise socket.gaierror(answers, "text of the system")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answer, PORT)) for answer in answers]

    monkeypatch.setattr(socket, "getaddrinfo", name_server)

    assert refusal("db.example.org", AddressRules()) == expected
    assert expected in CAUSES


def test_the_rules_survive_the_way_to_the_child_process() -> None:
    rules = AddressRules(("10.0.0.0/8",), True, (("localhost", PORT),))

    assert AddressRules.from_json(rules.to_json()) == rules
