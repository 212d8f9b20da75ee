"""Removes what surrounds a pasted value, and names a character that does not belong in it.

This is for ids, host names and keys. A password is never changed.
"""

import re
import unicodedata
from uuid import UUID

from agents_app.values.fields import EDGES
from agents_app.values.text import DIRECTION_MARKS, INVISIBLE, describe_character
from agents_app.values.text import UNSEEN as NO_WIDTH

# A text that is copied from a page or a dialog may have direction marks at its ends.
UNSEEN = EDGES + "\u00ad\u034f\u061c\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "„": "“", "\u2018": "\u2019", "«": "»", "<": ">"}
BRACKETS = {"{": "}", "(": ")", "[": "]"}
# No value has more layers of quotes, and each layer costs a copy of a long text.
LAYERS = 4
# A longer text is not a key. It is left as it is, and refused for its length.
READ_MAX = 4_000
# Two quotes are around the whole text. Four are around a name and a value.
QUOTED = 2
DASHES = re.compile("[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
SPELLED_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}", re.IGNORECASE)
# The name before a key, as in environment files, shells, JSON, YAML and request headers. A colon needs a space or a
# quote after it, unless the name is that of a header: some keys contain colons.
ASSIGNED = re.compile(
    r"""
    (export\s+|set\s+|\$env:)? ["']? ([a-z0-9]+[_.-]){0,8} [a-z0-9]{0,40}? (key|token|secret) ["']? \s*
    (=(?!=*$)\s*|:\s+|:(?=["'])|(?<=api[_-]key):|(?<=apikey):)
    """,
    re.IGNORECASE | re.VERBOSE,
)
# The name of a setting without a value, such as an empty setting in a sample file.
UNASSIGNED = re.compile(
    r"(export\s+|set\s+|\$env:)?(([a-z0-9]+[_.-]){1,8}|[a-z]{0,8}api)(key|token|secret)\s*[=:]", re.IGNORECASE
)
# A JSON object in braces is not a key.
BRACED = re.compile(r"""\{([^{}"':,]+)\}""")
ENDS = "\"'`“”„\u2018\u2019«»"
BEARER = re.compile(r"(?:Authorization\s*:\s*)?Bearer\s+", re.IGNORECASE)


def unwrap(text: str, *, brackets: bool = False) -> str:
    """A text without the quotes, commas, semicolons and invisible characters around it."""
    pairs = QUOTES | BRACKETS if brackets else QUOTES
    for _ in range(LAYERS):
        text = text.strip(UNSEEN).rstrip(",;" + UNSEEN)
        if len(text) < 2 or pairs.get(text[0]) != text[-1]:
            break
        text = text[1:-1]
    return text.strip(UNSEEN)


def without_invisible(text: str) -> str:
    """A text without the characters in it that have no width, such as format characters."""
    if text.isascii():
        return text
    return "".join(char for char in NO_WIDTH.sub("", text) if unicodedata.category(char) != "Cf")


def read_uuid(text: str) -> str | None:
    """A UUID in its usual spelling. None if the text is not a UUID."""
    text = unwrap(text, brackets=True)
    bare = "" if DIRECTION_MARKS.search(text) else DASHES.sub("-", without_invisible(text))
    if bare[:9].lower() == "urn:uuid:":
        bare = unwrap(bare[9:], brackets=True)
    return str(UUID(bare)) if SPELLED_UUID.fullmatch(bare) else None


def unwrap_key(text: str) -> str:
    """A key without the name of its setting or header, the word Bearer, and quotes."""
    if len(text) > READ_MAX:
        return text
    # Both are tried twice: the quotes may be around the key only, or around the name too.
    for _ in range(2):
        text = text.strip(UNSEEN)
        text = unwrap(text) if text[:1] in QUOTES and text.count(text[0]) == QUOTED else text
        named = ASSIGNED.match(text) or BEARER.match(text)
        text = unwrap(text[named.end() :] if named else text)
        text = braced[1] if (braced := BRACED.fullmatch(text)) else text
    return "" if UNASSIGNED.fullmatch(text) else text


def advice_on_surroundings(text: str) -> str | None:
    """What to do about a comment after a key, or a quote at one end. None if there is neither."""
    if re.search(r"\s#", text):
        return "Paste only the key, without the comment after it."
    if text[:1] in ENDS or text[-1:] in ENDS:
        return "There is a quote at one end only. Paste only the key, without quotes."
    return None


def find_invisible(text: str) -> str | None:
    """A description of the first invisible character of a line that is not a space, with its position."""
    unseen = (at for at, char in enumerate(text) if char != " " and unicodedata.category(char) in INVISIBLE)
    return next((describe_character(text, at) for at in unseen), None)


def name_odd_character(sentence: str, text: str) -> str:
    """A refusal that also names the first character that is a space or not printable ASCII, if there is one."""
    found = next((at for at, char in enumerate(text) if not "!" <= char <= "~"), None)
    return sentence if found is None else f"{sentence} This has {describe_character(text, found)}."
