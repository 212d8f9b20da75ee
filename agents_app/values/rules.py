"""The rules of values: a line, a number, a choice, a secret and others, each with its refusals."""

import re
from datetime import UTC, date, datetime
from enum import StrEnum

from agents_app.values.fields import EDGES, Rule, refusal
from agents_app.values.pasted import (
    QUOTES,
    advice_on_surroundings,
    find_invisible,
    name_odd_character,
    read_uuid,
    unwrap,
    unwrap_key,
)
from agents_app.values.text import clean_text, exact_text, require_text
from agents_app.wording import number_text

# Characters in place of a secret: only those, or before its last four characters, as this console shows it.
MASK = re.compile(r"[*•●·…]{3,}|… ?.{4}")
# Other programs show crosses, dots or a word in place of a key. A password may look like that.
MASK_OF_KEY = re.compile(r"[*•●·…]{3,}|[•●·…]+ ?.{0,4}|[xX.]{3,}|[<\[(]?(hidden|redacted|masked)[>\])]?", re.IGNORECASE)
A_MASK = (
    "This is a hidden form of the secret (such as ****), not the secret. "
    + "Enter the secret, or leave this field empty."
)
# What a file of agents has in place of a secret. A program that sends one to another door would store it as the secret.
STORED = "stored"
PLACE = re.compile(r"\s*(env:[A-Za-z_][A-Za-z0-9_]*|file:\S.*)\s*", re.IGNORECASE)
A_MARKER = (
    "Only in a file of agents, this word says that the stored secret is kept. "
    + "Type the secret itself, or leave this out to keep the stored one."
)
A_PLACE = "Only in a file of agents, env:… and file:… say where a secret is. Enter the secret itself."
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
MOMENT = re.compile(
    rf"{DAY.pattern}[Tt ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}([.][0-9]{{1,6}})?)?([Zz]|[+-][0-9]{{2}}:?[0-9]{{2}})"
)
PLAN_DIGEST = re.compile(r"[0-9a-f]{64}")
NOT_A_DIGEST = "Write the digest of a plan: 64 characters from 0-9 and a-f."
UUID_TEXT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def line(most: int) -> Rule:
    """A text on one line."""
    return Rule(lambda value: clean_text(value, most=most, one_line=True), {"maxLength": most})


def model_name(most: int) -> Rule:
    """The name of a model, without the quotes around it in the file that it is copied from."""

    def check(value: object) -> str:
        text = clean_text(value, most=most, one_line=True)
        is_quoted = len(text) > 2 and text[0] in QUOTES and text[0] != "<" and unwrap(text) != text
        return unwrap(text) if is_quoted else text

    return Rule(check, {"maxLength": most})


def multiline_text(most: int) -> Rule:
    """A text that may have many lines."""
    return Rule(lambda value: clean_text(value, most=most, one_line=False), {"maxLength": most})


def whole_number(title: str, least: int, most: int) -> Rule:
    """A whole number between two bounds, which are included. A text of digits is accepted, as forms send it."""

    def check(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,12}", value.strip(EDGES)):
            value = int(value)
        elif isinstance(value, float) and value.is_integer():
            value = int(value)  # JSON has one type of number: 5.0 is the integer 5
        if isinstance(value, bool) or not isinstance(value, int):
            raise refusal(f"{title} must be a whole number.")
        if not least <= value <= most:
            raise refusal(f"{title} must be between {number_text(least)} and {number_text(most)}.")
        return value

    return Rule(check, {"minimum": least, "maximum": most})


def choice(options: type[StrEnum]) -> Rule:
    """One value of an enum."""
    values = [option.value for option in options]

    def check(value: object) -> object:
        text = value.strip(EDGES) if isinstance(value, str) else value
        if text not in values:
            raise refusal(f"Choose one of: {', '.join(values)}.")
        return text

    return Rule(check)


def list_of_lines(most: int, *, entries: int = 200) -> Rule:
    """A list of at most `entries` texts of one line, without duplicates."""

    def check(value: object) -> list[str]:
        if not isinstance(value, list):
            raise refusal("Write this as a list of texts.")
        if len(value) > entries:
            raise refusal(f"Use at most {number_text(entries)} entries.")
        texts = [clean_text(entry, most=most, one_line=True) for entry in value]
        return list(dict.fromkeys(text for text in texts if text))

    return Rule(check, {"maxItems": entries, "items": {"type": "string", "maxLength": most}})


def secret(most: int) -> Rule:
    """A secret, kept as it is typed. A mask is refused."""

    def check(value: object) -> str:
        text = exact_text(_refuse_encrypted(value), most=most)
        if MASK.fullmatch(text):
            raise refusal(A_MASK)
        _refuse_words_of_files(text)
        return text

    return Rule(check, {"maxLength": most, "writeOnly": True})


def generated_secret(most: int, *, is_ascii: bool = True) -> Rule:
    """A secret that a program generated, without what surrounds it. A mask is refused."""

    def check(value: object) -> str:
        text = exact_text(unwrap_key(require_text(_refuse_encrypted(value))), most=most)
        if MASK_OF_KEY.fullmatch(text):
            raise refusal(A_MASK)
        _refuse_words_of_files(text)
        if not text:
            raise refusal("Type the secret itself, or leave this empty.")
        if around := advice_on_surroundings(text):
            raise refusal(around)
        if is_ascii and not all("!" <= char <= "~" for char in text):
            raise refusal(name_odd_character("Use printable ASCII characters without spaces.", text))
        if unseen := find_invisible(text):
            raise refusal(f"Remove {unseen}: it is invisible.")
        return text

    return Rule(check, {"maxLength": most, "writeOnly": True})


def _refuse_words_of_files(text: str) -> None:
    if text.strip(EDGES).casefold() == STORED:
        raise refusal(A_MARKER)
    if PLACE.fullmatch(text):
        raise refusal(A_PLACE)


def _refuse_encrypted(value: object) -> object:
    if isinstance(value, dict):
        raise refusal("Send the secret itself as text; encrypted values are not accepted.")
    return value


def boolean() -> Rule:
    """A boolean. The words true and false are accepted, as the terminal sends them."""

    def check(value: object) -> bool:
        known = {"true": True, "false": False}
        answer = known.get(value.strip(EDGES).lower()) if isinstance(value, str) else value
        if not isinstance(answer, bool):
            raise refusal("Choose true or false.")
        return answer

    return Rule(check)


def flag() -> Rule:
    """A parameter that is on or off: 1 or 0, true or false."""

    def check(value: object) -> bool:
        known = {"1": True, "true": True, "0": False, "false": False}
        answer = known.get(value.strip(EDGES).lower()) if isinstance(value, str) else value
        if not isinstance(answer, bool):
            raise refusal("Write 1 or 0.")
        return answer

    return Rule(check)


def calendar_date() -> Rule:
    """A date as YYYY-MM-DD."""

    def check(value: object) -> object:
        if isinstance(value, date):
            return value
        if not isinstance(value, str) or not DAY.fullmatch(value.strip(EDGES)):
            raise refusal("Write the date as YYYY-MM-DD.")
        try:
            return date.fromisoformat(value.strip(EDGES))
        except ValueError:
            raise refusal("There is no such day. Check the year, the month and the day.") from None

    return Rule(check)


def day_or_moment() -> Rule:
    """A date as YYYY-MM-DD, or a time with its zone, which becomes an aware time in UTC."""

    def check(value: object) -> object:
        if isinstance(value, date):
            return value
        text = value.strip(EDGES) if isinstance(value, str) else ""
        if not DAY.fullmatch(text) and not MOMENT.fullmatch(text):
            raise refusal("Write a day as YYYY-MM-DD, or a time with its zone, such as 2026-11-27T09:30:00Z.")
        try:
            if DAY.fullmatch(text):
                return date.fromisoformat(text)
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
        except (OverflowError, ValueError):
            raise refusal("There is no such day or time. Check the year, the month, the day and the time.") from None

    return Rule(check)


def uuid_text() -> Rule:
    """A UUID in any spelling, stored in the usual one."""

    def check(value: object) -> str:
        text = require_text(value)
        if (found := read_uuid(text)) is None:
            raise refusal(
                name_odd_character("Write a UUID, such as 12345678-9abc-def0-1234-56789abcdef0.", unwrap(text))
            )
        return found

    return Rule(check, {"format": "uuid"})


def plan_digest() -> Rule:
    """The digest of a plan of a file of agents."""

    def check(value: object) -> str:
        text = require_text(value)
        if not PLAN_DIGEST.fullmatch(text):
            raise refusal(NOT_A_DIGEST)
        return text

    return Rule(check, {"pattern": f"^{PLAN_DIGEST.pattern}$"})


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID in its usual spelling. The standard library accepts many more."""
    return UUID_TEXT.fullmatch(text) is not None
