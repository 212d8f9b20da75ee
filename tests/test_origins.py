"""Origins: which texts are refused, and which spellings are the same."""

import pytest

from agents_app.config import load
from agents_app.values import origins

NONE = [
    "",
    "null",
    "https",
    "https://",
    "//a.example",
    "ftp://a.example",
    "chrome-extension://abcdef",
    "https:a.example",
    "https://a.example/",
    "https://a.example?x",
    "https://a.example#x",
    "https://a.example\\x",
    "https://a.example b.example",
    "https://a.example, https://b.example",
    "https://u@a.example",
    "https://u:p@a.example",
    "https://a..example",
    "https://a.example..",
    "https://.",
    "https://-a.example",
    "https://a.example:0",
    "https://a.example:65536",
    "https://a.example:٣",
    "https://a.example:8:8",
    "https://127.1",
    "https://0x7f.1",
    "https://2130706433",
    "https://256.1.1.1",
    "https://::1",
    "https://[::1",
    "https://[127.0.0.1]",
    "https://[a.example]",
    "https://[fe80::1%25eth0]",
    "https://zero\u200bwidth.example",
    "https://a\u3002example",
    # The time of its Punycode grows with the square of its length.
    "https://" + "\u00fc" * 100_000,
]
SAME = {
    "https://a.example": [
        "HTTPS://A.Example",
        "https://a.example:443",
        "https://a.example:",
        "https://a.example:0443",
        "https://a.example.",
        "https://A.EXAMPLE.:443",
    ],
    "http://a.example": ["http://a.example:80", "HTTP://a.example."],
    "http://a.example:443": ["http://A.example:443"],
    "http://a_b:8000": ["http://A_B:8000"],
    "https://[2001:db8::1]:8443": ["https://[2001:DB8::1]:8443", "https://[2001:0db8:0:0:0:0:0:1]:8443"],
    "http://[::1]": ["http://[0:0:0:0:0:0:0:1]:80"],
    "http://[::ffff:7f00:1]": ["http://[::FFFF:127.0.0.1]"],
    "https://xn--bcher-kva.example": [
        "https://bücher.example",
        "https://BÜCHER.example",
        "https://bu\u0308cher.example",
    ],
    "https://xn--strae-oqa.example": ["https://straße.example"],
    "https://xn--ls8h.example": ["https://💩.example"],
}


@pytest.mark.parametrize("text", NONE)
def test_an_invalid_origin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^This is "):
        origins.read(text)


@pytest.mark.parametrize(("usual", "other"), [(usual, other) for usual, others in SAME.items() for other in others])
def test_other_spellings_of_an_origin_are_the_same(usual: str, other: str) -> None:
    assert origins.read(other) == origins.read(usual)
    assert str(origins.read(other)) == str(origins.read(usual))


@pytest.mark.parametrize(
    "text", ["http://a.example", "https://a.example:80", "https://b.example", "https://a.example:8443"]
)
def test_another_scheme_host_or_port_is_another_origin(text: str) -> None:
    assert origins.read(text) != origins.read("https://a.example")


@pytest.mark.parametrize(
    "text", ["https://bücher.example", "https://BÜCHER.example:443/", "https://xn--bcher-kva.example."]
)
def test_a_public_url_is_kept_in_its_normal_spelling(text: str) -> None:
    assert load({"PUBLIC_URL": text}, None).public_url == "https://xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("bind", "address"),
    [("[::1]:8000", "http://[::1]:8000"), ("127.0.0.2:80", "http://127.0.0.2"), ("0:0::1:8000", "http://[::1]:8000")],
)
def test_the_address_of_a_local_console_is_where_it_listens(bind: str, address: str) -> None:
    assert load({"BIND": bind}, None).base_url == address
