"""Settings: an invalid one stops the start with a sentence that names it and does not repeat its value."""

import base64
import os
import secrets
import string
from collections.abc import Callable
from pathlib import Path

import pytest

from agents_app.config import KEY_SETTINGS, Settings, load, load_with_errors
from agents_app.errors import ConfigurationError
from agents_app.weak_keys import is_weak, is_weak_text
from tests.make import KEYS

CANARY = "canary5Xy8Qm1TtLw6"
BAD = [
    ("DATABASE_URL", f"mysql://root:{CANARY}@localhost/db"),
    ("DATABASE_URL", f"{CANARY}"),
    ("DATABASE_URL", "sqlite://"),
    ("DATABASE_URL", "sqlite:///:memory:"),
    ("DATABASE_URL", "sqlite:////tmp/console.db?mode=ro"),
    ("DATABASE_URL", "sqlite:///~nobody-of-that-name/console.db"),
    ("DATABASE_URL", "postgres://"),
    ("DATABASE_URL", "postgresql://"),
    ("DATABASE_URL", f"postgresql://u:{CANARY}@host:5432/"),
    ("DATABASE_URL", f"postgresql://u:half@{CANARY}@host:5432/db"),
    ("DATABASE_URL", f"postgresql://u:{CANARY}@host:port/db"),
    ("PUBLIC_URL", "agents.example.org"),
    ("PUBLIC_URL", "ftp://agents.example.org"),
    ("PUBLIC_URL", "https://agents.example.org//console"),
    ("PUBLIC_URL", "https://agents.example.org/console//"),
    ("PUBLIC_URL", "https://agents.example.org/../console"),
    ("PUBLIC_URL", "https://agents.example.org/console/."),
    ("PUBLIC_URL", "https://agents.example.org/c%6fnsole"),
    ("PUBLIC_URL", "https://agents.example.org/my console"),
    ("PUBLIC_URL", "https://agents.example.org/console?a=b"),
    ("PUBLIC_URL", "https://agents.example.org/console#x"),
    ("PUBLIC_URL", f"https://root:{CANARY}@agents.example.org"),
    ("PUBLIC_URL", "https://"),
    ("PUBLIC_URL", "https://[::1"),
    ("PUBLIC_URL", "https://::1]"),
    ("PUBLIC_URL", "https://[::1::]"),
    ("PUBLIC_URL", "https://[127.0.0.1]"),
    ("PUBLIC_URL", "https://agents.example.org:port"),
    ("PUBLIC_URL", "https://agents.example.org:65536"),
    ("PUBLIC_URL", "https://agents.example.org?a=b"),
    ("PUBLIC_URL", "https://agents example.org"),
    ("BIND", "8000"),
    ("BIND", "localhost:8000"),
    ("BIND", "127.0.0.1:0"),
    ("BIND", "127.0.0.1:65536"),
    ("BIND", "0.0.0.0:8000"),
    ("BIND", "[::1:8000"),
    ("BIND", "::1]:8000"),
    ("BIND", "[[::1]]:8000"),
    ("BIND", "[127.0.0.1]:8000"),
    ("BIND", "[]:8000"),
    ("BIND", "::1%lo:8000"),
    ("WORKERS", "0"),
    ("WORKERS", "two"),
    ("WORKERS", "٣"),
    ("POOL_SIZE", "-1"),
    ("POOL_SIZE", "9" * 5_000),
    ("PROXY_HOPS", "6"),
    ("SESSION_IDLE", "0"),
    ("TOKEN_DAYS", "3651"),
    ("API_DOCS_PUBLIC", "maybe"),
    ("API_RATE_LIMIT", "-1"),
    ("API_DOCS_PATH", "api-docs"),
    ("API_DOCS_PATH", "/"),
    ("API_DOCS_PATH", "//api-docs"),
    ("API_DOCS_PATH", "/api-docs/"),
    ("API_DOCS_PATH", "/api docs"),
    ("API_DOCS_PATH", "/<path>"),
    ("LOG_LEVEL", "loud"),
    ("LOG_FORMAT", f"text-{CANARY}"),
    ("BACKUP_FOLDER", "~nobody-of-that-name/backups"),
    ("CONNECTION_TESTS", "false"),
    ("CONNECTION_TEST_NETWORKS", "10.0.0.0/8,"),
]
IN_ORDER = bytes(range(32))
WEAK = [
    "Xk9-2z",
    "changeme" * 5,
    "a" * 64,
    "0123456789" * 5,
    "secret-" + "x" * 40,
    "your-secret-key-goes-here-1234567890",
    "<a long random text that you make up yourself>",
    "<base64 of 32 random bytes goes in here>",
    "Please CHANGE ME to a long random value!",
    "django-insecure-8f)2k!xq0w7e3h5t9z#m1c6v4b",
    "CHANGE_ME_TO_A_COMPLEX_RANDOM_SECRET",
    "abcdefghijklmnopqrstuvwxyz0123456789",
    "ZYXWVUTSRQPONMLKJIHGFEDCBA9876543210",
    "qwertyuiopasdfghjklzxcvbnmqwerty1234",
    "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
    "c292a0a3aa32397cdb050e233733900f",
    IN_ORDER.hex(),
    base64.b64encode(IN_ORDER).decode(),
    base64.urlsafe_b64encode(bytes(range(1, 33))).decode().rstrip("="),
    base64.b64encode(b"change me change me and once more").decode(),
]
WEAK_BYTES = {
    "zeros": bytes(32),
    "0 to 31": IN_ORDER,
    "1 to 32": bytes(range(1, 33)),
    "31 to 0": IN_ORDER[::-1],
    "every third": bytes(7 + 3 * number for number in range(32)),
    "past the last byte": bytes((240 + number) % 256 for number in range(32)),
    "one piece again": os.urandom(16) * 2,
    "digits": b"0123456789abcdef0123456789abcdef",
    "the alphabet": b"abcdefghijklmnopqrstuvwxyz012345",
    "words": b"my super secret key of 32 bytes!",
    "a placeholder": b"<32 random bytes in base64 here>",
    "a standard's example": bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"),
}
# What people and programs make random keys with.
RANDOM = {
    "base64": lambda: secrets.token_bytes(32),
    "hex of 16 bytes": lambda: secrets.token_hex(16),
    "hex of 32 bytes": lambda: secrets.token_hex(32),
    "base64 for addresses": lambda: secrets.token_urlsafe(32),
    "letters and digits": lambda: "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(32)),
    "any sign": lambda: "".join(secrets.choice(string.printable.strip()) for _ in range(40)),
    "digits": lambda: "".join(secrets.choice(string.digits) for _ in range(40)),
}


def refusal_of(**texts: str) -> str:
    """The sentence with which settings are refused."""
    with pytest.raises(ConfigurationError) as refusal:
        assert load(texts, None).keys
    return refusal.value.detail


@pytest.mark.parametrize(("name", "text"), BAD)
def test_an_invalid_setting_is_named_and_its_value_is_not_repeated(name: str, text: str) -> None:
    sentence = refusal_of(**{**KEYS, name: text})

    assert sentence.startswith(f"{name} ")
    assert CANARY not in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("10.91.0.1/16", "has 10.91.0.1/16, which is an address and not a network. Did you mean 10.91.0.0/16?"),
        ("::ffff:10.91.0.0/112", "has ::ffff:10.91.0.0/112, which no address matches. Did you mean 10.91.0.0/16?"),
        ("fe80::1%eth0", "has fe80::1 with a zone (%), which no address of a test has."),
        ("fd00::/8, fe80::/10", "has fe80::/10, where tests never connect"),
        (f"10.0.0.0/8, {CANARY}", "has a part that is not a network: part 2 of 2."),
    ],
)
def test_a_network_that_no_address_matches_is_refused_with_the_reason(text: str, sentence: str) -> None:
    refused = refusal_of(**{**KEYS, "CONNECTION_TEST_NETWORKS": text})

    assert refused.startswith(f"CONNECTION_TEST_NETWORKS {sentence}")
    assert CANARY not in refused


@pytest.mark.parametrize("name", KEY_SETTINGS)
def test_a_missing_key_is_named_in_the_refusal(name: str) -> None:
    known = {key: text for key, text in KEYS.items() if key != name}

    assert refusal_of(**known).startswith(f"{name} is not set")


@pytest.mark.parametrize("text", WEAK)
def test_a_weak_secret_key_is_refused(text: str) -> None:
    sentence = refusal_of(**{**KEYS, "SECRET_KEY": text})

    assert sentence.startswith("SECRET_KEY ")
    assert text not in sentence


@pytest.mark.parametrize("key", WEAK_BYTES.values(), ids=WEAK_BYTES)
@pytest.mark.parametrize("name", ["ENCRYPTION_KEYS", "TOKEN_PEPPERS"])
def test_weak_keys_are_refused(name: str, key: bytes) -> None:
    text = base64.b64encode(key).decode()

    sentence = refusal_of(**{**KEYS, name: f"k1:{text}"})

    assert sentence.startswith(f"{name} contains a key called k1 that is easy to guess")
    assert text not in sentence


@pytest.mark.parametrize("name", ["ENCRYPTION_KEYS", "TOKEN_PEPPERS"])
def test_a_placeholder_is_refused_as_a_key(name: str) -> None:
    assert refusal_of(**{**KEYS, name: "k1:<base64 of 32 random bytes>"}).startswith(f"{name} ")


def test_a_random_key_with_the_signs_and_letters_of_a_placeholder_is_not_weak() -> None:
    assert not is_weak_text("!@8.<miRhjz[rx{SRVf\\Yb;[yourjx>(A/@DBzfD")


@pytest.mark.long
@pytest.mark.parametrize("make", RANDOM.values(), ids=RANDOM)
def test_a_random_key_is_never_refused(make: Callable[[], str | bytes]) -> None:
    refused = [
        key for key in (make() for _ in range(15_000)) if (is_weak if isinstance(key, bytes) else is_weak_text)(key)
    ]

    assert refused == []


def test_one_key_cannot_be_used_in_two_settings() -> None:
    assert refusal_of(**{**KEYS, "TOKEN_PEPPERS": KEYS["ENCRYPTION_KEYS"]}).startswith("TOKEN_PEPPERS ")
    for name in ("ENCRYPTION_KEYS", "TOKEN_PEPPERS"):
        used = KEYS[name].partition(":")[2]
        assert refusal_of(**{**KEYS, "SECRET_KEY": used}).startswith("SECRET_KEY is also a key")


@pytest.mark.parametrize("name", ["ENCRYPTION_KEYS", "TOKEN_PEPPERS"])
def test_a_new_key_must_differ_from_the_old_one(name: str) -> None:
    old = KEYS[name].partition(":")[2]

    assert refusal_of(**{**KEYS, name: f"x2:{old},x1:{old}"}).startswith(f"{name} contains the same key twice")


def test_session_idle_is_not_longer_than_session_max() -> None:
    assert refusal_of(SESSION_IDLE="60", SESSION_MAX="30").startswith("SESSION_IDLE ")


def test_every_invalid_setting_is_reported_and_the_others_are_used(tmp_path: Path) -> None:
    bad = dict(reversed(BAD))
    found, wrong = load_with_errors({**KEYS, **bad, "TOKEN_DAYS": "5", "SECRET_KEY_FILE": str(tmp_path / "none")}, None)

    assert set(wrong) == {*bad, "SECRET_KEY"} - {"TOKEN_DAYS"}
    assert all(sentence.startswith(name) for name, sentence in wrong.items())
    assert (found.token_days, found.workers, found.bind[0]) == (5, 1, "127.0.0.1")
    with pytest.raises(ConfigurationError) as refusal:
        load({**KEYS, **bad}, None)
    assert refusal.value.detail == wrong["DATABASE_URL"]


@pytest.mark.parametrize(("length", "is_valid"), [(63, True), (64, False)])
def test_the_name_of_a_schema_has_at_most_63_characters_as_postgresql_shortens_longer_ones(
    length: int, is_valid: bool
) -> None:
    texts = {"DATABASE_URL": "postgresql://console@db.example.org/console", "DATABASE_SCHEMA": "s" * length}

    assert ("DATABASE_SCHEMA" not in load_with_errors(texts, None)[1]) == is_valid


def test_an_invalid_setting_causes_no_error_of_another_one(tmp_path: Path) -> None:
    assert set(load_with_errors({"PUBLIC_URL": "nonsense", "BIND": "0.0.0.0:8000"}, None)[1]) == {"PUBLIC_URL"}
    assert set(load_with_errors({"DATABASE_URL": "nonsense", "DATABASE_SCHEMA": "own"}, None)[1]) == {"DATABASE_URL"}
    (tmp_path / ".env").mkdir()
    assert load_with_errors({"WORKERS": "2"}, tmp_path / ".env")[0].workers == 2


def test_every_misspelled_name_and_every_unclear_value_is_reported(tmp_path: Path) -> None:
    lines = ["DATABSE_URL=sqlite:///a.db", "WORKERS=2", "WORKERS=3", "PUBLIC_URL=${HOST}", "POOL_SZIE=1"]
    (tmp_path / ".env").write_text("\n".join(lines))

    wrong = load_with_errors({"SECRET_KY": CANARY}, tmp_path / ".env")[1]

    assert set(wrong) == {"DATABSE_URL", "WORKERS", "PUBLIC_URL", "POOL_SZIE", "SECRET_KY"}
    assert CANARY not in str(wrong)


def test_a_value_with_an_error_in_its_file_is_not_checked_and_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = ["BIND=${HOST}:80", "WORKERS=2", "WORKERS=none", "SECRET_KEY=${KEY}", f"TOKEN_DAYS_FILE={tmp_path}/${{X}}"]
    (tmp_path / ".env").write_text("\n".join(lines))

    found, wrong = load_with_errors({}, tmp_path / ".env")

    assert {name: sentence.partition(".env")[0] for name, sentence in wrong.items()} == {
        "BIND": "BIND in ",
        "WORKERS": "WORKERS is set twice in ",
        "SECRET_KEY": "SECRET_KEY in ",
        "TOKEN_DAYS_FILE": "TOKEN_DAYS_FILE in ",
    }
    assert (found.bind, found.workers, found.secret_key, found.token_days) == (("127.0.0.1", 8000), 1, None, 90)


def test_every_invalid_key_is_reported() -> None:
    weak = {"SECRET_KEY": "short", "ENCRYPTION_KEYS": "k1:none"}

    assert list(load(weak, None).key_errors) == list(KEY_SETTINGS)
    assert list(load({**KEYS, "TOKEN_PEPPERS": ""}, None).key_errors) == ["TOKEN_PEPPERS"]
    assert load(KEYS, None).key_errors == {}


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert refusal_of(SECRET_KEY_FILE=str(tmp_path / "none")).startswith("SECRET_KEY_FILE cannot be read")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert refusal_of(SECRET_KEY_FILE=str(tmp_path / "binary")).startswith("SECRET_KEY_FILE cannot be read")


def test_a_setting_and_its_file_cannot_both_be_set(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"SECRET_KEY={KEYS['SECRET_KEY']}\n")

    with pytest.raises(ConfigurationError, match="SECRET_KEY and SECRET_KEY_FILE are both set"):
        load({"SECRET_KEY_FILE": str(tmp_path / "secret")}, tmp_path / ".env")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"DATABASE_URL postgresql://u:canary@h/db", "has a line that is not NAME=value: line 2."),
        (b"DATABASE_URL", "has a line that is not NAME=value: line 2."),
        (b'SECRET_KEY="canary', "has a line that is not NAME=value: line 2."),
        (b"SECRET_KEY=canary\xff", "cannot be read: line 2 is not UTF-8. Save it as UTF-8."),
    ],
)
def test_an_invalid_line_of_the_file_is_not_ignored(tmp_path: Path, line: bytes, why: str) -> None:
    (tmp_path / ".env").write_bytes(b"WORKERS=2\n" + line + b"\n")

    with pytest.raises(ConfigurationError) as refusal:
        load({}, tmp_path / ".env")

    assert refusal.value.detail == f"{tmp_path / '.env'} {why}"


def test_the_file_can_have_a_byte_order_mark_export_and_comments(tmp_path: Path) -> None:
    text = "\N{BYTE ORDER MARK}export WORKERS=2\r\n\r\n# POOL_SIZE=3\r\nLOG_LEVEL='debug' # for now\r\n"
    (tmp_path / ".env").write_text(text, newline="")

    found = load({}, tmp_path / ".env")

    assert (found.workers, found.pool_size, found.log_level) == (2, 8, "debug")


def test_no_setting_is_required_until_keys_are_used() -> None:
    assert load({}, None).database_url.get_backend_name() == "sqlite"


def test_the_keys_of_the_example_file_are_refused() -> None:
    example = Path(__file__).parent.parent / ".env.example"

    with pytest.raises(ConfigurationError):
        assert load({}, example).keys


def test_the_environment_overrides_the_file_and_a_file_of_a_secret_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("WORKERS=2\nPOOL_SIZE=3\nTOKEN_DAYS=5\n")
    (tmp_path / "secret").write_text(KEYS["SECRET_KEY"] + "\n")
    environ = {"WORKERS": "4", "POOL_SIZE": "", "SECRET_KEY_FILE": str(tmp_path / "secret")}

    found = load(environ, tmp_path / ".env")

    assert (found.workers, found.pool_size, found.token_days) == (4, 3, 5)
    assert found.secret_key == KEYS["SECRET_KEY"]


@pytest.mark.parametrize(
    ("url", "is_https"),
    [("https://Agents.example.org", True), ("http://agents.example.org:8080/", False), ("http://[::1]:8080", False)],
)
def test_the_public_url_decides_whether_https_is_used(url: str, is_https: bool) -> None:
    found: Settings = load({"PUBLIC_URL": url, "BIND": "0.0.0.0:8000"}, None)

    assert found.public_url == url.lower().rstrip("/")
    assert found.is_https is is_https


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://Example.org/Agents/", "/Agents"),
        ("https://example.org:8443/tools/agents_1", "/tools/agents_1"),
        ("http://[::1]/..agents.~", "/..agents.~"),
        ("https://example.org/", ""),
    ],
)
def test_the_path_of_a_public_url_keeps_its_case_without_the_last_slash(url: str, path: str) -> None:
    found = load({"PUBLIC_URL": url}, None)

    assert (found.sub_path, found.base_url) == (path, f"{found.origin}{path}")


@pytest.mark.parametrize("text", ["[::1]:8000", "::1:8000"])
def test_an_ipv6_address_can_be_in_brackets(text: str) -> None:
    assert load({"BIND": text}, None).bind == ("::1", 8000)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_every_scheme_of_postgresql_is_understood(scheme: str) -> None:
    found = load({"DATABASE_URL": f"{scheme}://user:password@localhost:5432/dbname"}, None)

    assert found.database_url.drivername == "postgresql+psycopg2"


def test_the_repr_of_settings_contains_no_secret() -> None:
    found = load({**KEYS, "DATABASE_URL": f"postgresql://u:{CANARY}@localhost/db"}, None)

    shown = repr(found) + repr(found.keys)

    assert not [text for text in (*KEYS.values(), CANARY) if text in shown]
