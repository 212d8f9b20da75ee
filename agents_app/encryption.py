"""Encrypt and decrypt with named keys.

The format is AES-256-GCM, stored as `v1:<key id>:<base64url(nonce, ciphertext, tag)>`. The context (account, record,
field) is authenticated with the value, so a value that is moved to another row or field cannot be decrypted.
"""

import base64
import binascii
import json
import os
import re

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from agents_app.weak_keys import is_weak
from agents_app.wording import number_text

KEY_BYTES = 32
NONCE_BYTES = 12
FORMAT = "v1"
KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


class CannotDecrypt(Exception):
    """The value was encrypted with another key or for another context, or it was changed."""


class Keyring:
    """Named keys in order. The first encrypts, and all decrypt."""

    def __init__(self, keys: dict[str, bytes]) -> None:
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self.first_id = next(iter(keys))
        self.ids = list(keys)

    def encrypt(self, text: str, *context: str) -> str:
        """Encrypt with the first key, bound to `context`. The result has about 4/3 of the length plus 50 characters."""
        nonce = os.urandom(NONCE_BYTES)
        encrypted = self._ciphers[self.first_id].encrypt(nonce, text.encode(), _associated(context))
        return f"{FORMAT}:{self.first_id}:{base64.urlsafe_b64encode(nonce + encrypted).decode().rstrip('=')}"

    def decrypt(self, value: str, *context: str) -> str:
        """The text that was encrypted with the same context. Raises CannotDecrypt."""
        try:
            version, key_id, body = value.split(":")
            raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
            if version != FORMAT:
                raise CannotDecrypt
            return self._ciphers[key_id].decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _associated(context)).decode()
        except (ValueError, KeyError, InvalidTag, UnicodeDecodeError):
            raise CannotDecrypt from None


def key_id_of(value: str) -> str:
    """The id of the key of an encrypted value."""
    return value.split(":")[1] if value.count(":") == 2 else "?"


def parse_keys(text: str) -> dict[str, bytes]:
    """Read `id:base64,id:base64` into named keys of 32 bytes. Raises ValueError with a sentence, never the value."""
    keys: dict[str, bytes] = {}
    for part in text.split(","):
        key_id, found, encoded = part.strip().partition(":")
        if not found or not KEY_ID.fullmatch(key_id):
            raise ValueError("must be id:base64, with commas between keys, such as k1:<base64 of 32 random bytes>.")
        if key_id in keys:
            raise ValueError(f"names the key {key_id} twice.")
        key = _strong_key(key_id, encoded)
        if key in keys.values():
            # A rotation between equal keys would change nothing, but would report success.
            raise ValueError(f"contains the same key twice, the second time as {key_id}.")
        keys[key_id] = key
    return keys


def _strong_key(key_id: str, encoded: str) -> bytes:
    try:
        key = base64.b64decode(encoded.replace("-", "+").replace("_", "/") + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"contains a key called {key_id} that is not base64.") from None
    if len(key) != KEY_BYTES:
        raise ValueError(
            f"contains a key called {key_id} of {number_text(len(key))} bytes; {number_text(KEY_BYTES)} are needed."
        )
    if is_weak(key):
        raise ValueError(
            f"contains a key called {key_id} that is easy to guess; make one with: openssl rand -base64 32"
        )
    return key


def _associated(context: tuple[str, ...]) -> bytes:
    # JSON distinguishes ("a", "bc") from ("ab", "c").
    return json.dumps(context, separators=(",", ":")).encode()
