"""Helpers for the text of an API token: `agc_<12 characters>.<40 characters><6 characters of a checksum>`.

The first part finds the row, the second is the secret. A damaged token is refused by its checksum, without a query.
"""

import hmac
import re
import string
import zlib
from uuid import UUID

from agents_app.operations import form_keys

ALPHABET = string.ascii_letters + string.digits
FORM = re.compile(r"agc_(?P<key_id>[A-Za-z0-9]{12})\.(?P<secret>[A-Za-z0-9]{40})(?P<checksum>[A-Za-z0-9]{6})")
PUNCTUATION = r"[\"'`<>(){}\[\],;.]"
SOME = rf"{PUNCTUATION}{{0,4}}"
# The punctuation may also be around the word Bearer and the token together.
WRAPPED = re.compile(rf"(?P<before>{SOME}(bearer +)?{SOME}){FORM.pattern}(?P<after>{SOME}) *", re.IGNORECASE)
KEY_ID_LENGTH, SECRET_LENGTH, CHECKSUM_LENGTH = 12, 40, 6


def derive(token_id: UUID, key: str) -> tuple[str, str]:
    """The key id and the secret of the token that a form with this key makes."""
    number = int.from_bytes(form_keys.secret("token", token_id, key))
    digits = _digits(number, KEY_ID_LENGTH + SECRET_LENGTH)
    return digits[:KEY_ID_LENGTH], digits[KEY_ID_LENGTH:]


def format_token(key_id: str, secret: str) -> str:
    """The whole text of a token."""
    body = f"agc_{key_id}.{secret}"
    return body + checksum(body)


def parse(text: str) -> tuple[str, str] | None:
    """The key id and the secret. None if the text is not a token or is damaged."""
    parts = FORM.fullmatch(text)
    if parts is None or not hmac.compare_digest(checksum(text[:-CHECKSUM_LENGTH]), parts["checksum"]):
        return None
    return parts["key_id"], parts["secret"]


def has_punctuation_around(header: str) -> bool:
    """Whether a header contains a token with quotes, brackets or other punctuation around it."""
    found = WRAPPED.fullmatch(header)
    return found is not None and re.search(PUNCTUATION, found["before"] + found["after"]) is not None


def checksum(body: str) -> str:
    """The last six characters of a token, made from those before them."""
    return _digits(zlib.crc32(body.encode()), CHECKSUM_LENGTH)


def _digits(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
