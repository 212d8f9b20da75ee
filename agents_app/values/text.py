"""How text is stored, compared and searched: its normal form, and its folding for search."""

import re
import unicodedata
from datetime import date
from typing import Any

from agents_app.values.fields import EDGES, refusal
from agents_app.wording import number_text

# With these marks a text can be shown in another order than it is stored in.
DIRECTION_MARKS = re.compile("[\u202a-\u202e\u2066-\u2069]")
NOT_TEXT = "Write this as text."
# What a database refuses: U+0000, and a half of a pair of UTF-16.
INVALID = re.compile("[\0\ud800-\udfff]")
# The Unicode categories of white space and control characters. A name of these only is not visible.
INVISIBLE = ("Cc", "Cf", "Zs", "Zl", "Zp")
# The limit of Unicode's stream-safe text format. The time to sort the marks of one letter grows with their square.
MARKS_MAX = 30
# Control characters, and what else ends a line.
CONTROLS = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029]")
# The blocks of accents. The vowel signs of Indic and the voice marks of Japanese are letters in other blocks.
ACCENTS = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")
# Variation selectors, and letters without width that Unicode does not count as format characters.
UNSEEN = re.compile("[\u034f\ufe00-\ufe0f\U000e0100-\U000e01ef\u115f\u1160]")
# Letters that Unicode does not decompose, as people type them who do not have them on their keyboard.
PLAIN = str.maketrans(
    {"\u0131": "i", "ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ħ": "h", "ŧ": "t"}
)


def clean_text(value: object, *, most: int, one_line: bool) -> str:
    """A text in NFC, without surrounding invisible characters, with LF line ends, of at most `most` characters.

    Characters that a database refuses are refused. A text on one line can have no control characters and no direction
    marks.
    """
    text = normalise_text(require_text(value))
    if one_line:
        _check_line(text)
        if text and all(unicodedata.category(char) in INVISIBLE for char in text):
            raise refusal("Write at least one visible character.")
        refuse_direction_marks(text)
    _check_length(text, most)
    return text


def refuse_direction_marks(text: str) -> None:
    """Refuse a text that can be shown in another order than it is stored in."""
    if found := DIRECTION_MARKS.search(text):
        raise refusal(
            f"Remove the direction mark {describe_character(text, found.start())}: it changes how the text reads."
        )


def exact_text(value: object, *, most: int) -> str:
    """A text on one line that is kept as it is typed, such as a password."""
    text = require_text(value)
    _check_line(text)
    _check_length(text, most)
    return text


def require_text(value: object) -> str:
    """A text that every database takes, with LF line ends."""
    if not isinstance(value, str):
        raise refusal(NOT_TEXT)
    if INVALID.search(value):
        raise refusal("Remove the invalid characters (U+0000 or an unpaired surrogate).")
    return value.replace("\r\n", "\n").replace("\r", "\n")


def normalise_text(text: str) -> str:
    """A text as it is stored: in NFC, without surrounding white space, with LF line ends."""
    return to_nfc(text.replace("\r\n", "\n").replace("\r", "\n").strip(EDGES))


def to_nfc(text: str) -> str:
    """A text in NFC. A text with too many marks on one letter is unchanged."""
    return unicodedata.normalize("NFC", text) if _has_few_marks(text) else text


def without_direction_marks(value: Any) -> Any:
    """A value in JSON types without the direction marks in its texts, which earlier releases accepted."""
    if isinstance(value, dict):
        return {name: without_direction_marks(member) for name, member in value.items()}
    if isinstance(value, list):
        return [without_direction_marks(member) for member in value]
    return DIRECTION_MARKS.sub("", value) if isinstance(value, str) else value


def spellings(text: str) -> list[str]:
    """A text in NFC, and in the other forms in which earlier releases may have stored it."""
    if not _has_few_marks(text):
        return [text]
    return list(dict.fromkeys([to_nfc(text), text, unicodedata.normalize("NFD", text)]))


def sort_key(name: str) -> str:
    """The key by which names are sorted, without case."""
    return to_nfc(name).casefold()


def fold_for_search(text: str) -> str:
    """A text as search compares it: without case, accents, invisible characters and variants of letters."""
    if text.isascii():
        return text.lower()
    if not _has_few_marks(text):
        return text.casefold()
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold().translate(PLAIN))
    bare = UNSEEN.sub("", ACCENTS.sub("", apart))
    seen = "".join(char for char in bare if unicodedata.category(char) != "Cf")
    return unicodedata.normalize("NFC", seen.casefold())


def describe_character(text: str, index: int) -> str:
    """A character and its position, such as "U+202E (right-to-left override) at character 3"."""
    char = text[index]
    name = "byte order mark" if char == "\ufeff" else unicodedata.name(char, "without a name").lower()
    return f"U+{ord(char):04X} ({name}) at character {number_text(index + 1)}"


def _check_line(text: str) -> None:
    if CONTROLS.search(text):
        raise refusal("Write this on one line, without control characters.")


def _check_length(text: str, most: int) -> None:
    if len(text) > most:
        raise refusal(f"Use at most {number_text(most)} characters.")


def _has_few_marks(text: str) -> bool:
    marks = 0
    for char in "" if text.isascii() else text:
        marks = marks + 1 if unicodedata.combining(char) else 0
        if marks > MARKS_MAX:
            return False
    return True


MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def day_text(day: date) -> str:
    """A day as pages show it, such as 6 Dec 2026."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"
