"""An encrypted value can be decrypted only with its key, in its place and unchanged."""

import base64

import pytest

from agents_app.encryption import CannotDecrypt, Keyring, parse_keys
from tests.make import KEYS

OTHER = "k2:9Yz4m1Xq8w6Bd3Ht5Rn7Vc2Kj0Lp4Fs6Ga8Ue1Ti3Co="
KEYRING = Keyring(parse_keys(KEYS["ENCRYPTION_KEYS"]))
PLACE = ("account", "agent", "/api_key")


def encrypted() -> str:
    return KEYRING.encrypt("correct horse", *PLACE)


@pytest.mark.parametrize(
    "place",
    [
        ("other", "agent", "/api_key"),
        ("account", "other", "/api_key"),
        ("account", "agent", "/other"),
        ("account", "agent"),
        ("accountagent", "/api_key"),
        ("account", "agent/api_key"),
        (),
    ],
)
def test_a_value_cannot_be_decrypted_in_another_place(place: tuple[str, ...]) -> None:
    with pytest.raises(CannotDecrypt):
        KEYRING.decrypt(encrypted(), *place)


@pytest.mark.parametrize(
    "damage",
    [
        lambda value: "",
        lambda value: "correct horse",
        lambda value: value.replace("v1:", "v2:"),
        lambda value: value.replace(":k1:", ":k9:"),
        lambda value: value[:-4],
        lambda value: value[:6],
        lambda value: value + "AAAA",
        lambda value: value[:10] + ("A" if value[10] != "A" else "B") + value[11:],
        lambda value: value + ":x",
        lambda value: value + "ä",
    ],
)
def test_a_changed_value_cannot_be_decrypted(damage) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(CannotDecrypt):
        KEYRING.decrypt(damage(encrypted()), *PLACE)


def test_another_key_with_the_same_name_cannot_decrypt() -> None:
    wrong = Keyring(parse_keys(OTHER.replace("k2:", "k1:")))

    with pytest.raises(CannotDecrypt):
        wrong.decrypt(encrypted(), *PLACE)


def test_the_first_key_encrypts_and_all_decrypt() -> None:
    both = Keyring(parse_keys(f"{OTHER},{KEYS['ENCRYPTION_KEYS']}"))

    assert both.encrypt("x", *PLACE).startswith("v1:k2:")
    assert both.decrypt(encrypted(), *PLACE) == "correct horse"


def test_the_same_text_is_encrypted_differently_each_time() -> None:
    assert encrypted() != encrypted()


@pytest.mark.parametrize("text", ["", "a", "Grüße 😀", "x" * 100_000, "\0"])
def test_any_text_can_be_encrypted_and_decrypted(text: str) -> None:
    assert KEYRING.decrypt(KEYRING.encrypt(text, *PLACE), *PLACE) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "k1",
        "k1:",
        ":" + OTHER[3:],
        "k 1:" + OTHER[3:],
        "k1:not base64!",
        "k1:" + base64.b64encode(b"short").decode(),
        "k1:" + base64.b64encode(b"\0" * 32).decode(),
        "k1:" + base64.b64encode(b"0123456789abcdef" * 2).decode(),
        f"{OTHER},{OTHER}",
        f"{OTHER},",
    ],
)
def test_weak_or_unreadable_keys_are_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as refusal:
        parse_keys(text)

    assert str(refusal.value)[-1] in ".2"
    assert OTHER[3:20] not in str(refusal.value)
