"""The kinds of value there are: a line, a number, a choice, a secret, and the sentence each refuses with."""

import ipaddress
import re
import unicodedata
from datetime import date
from enum import StrEnum
from uuid import UUID

from agents_app.schemas.fields import Rule, refuse

# Stars, dots or crosses alone, a word for them, or what this console shows: an ellipsis or dots, and the last four.
MASK = re.compile(r"[*•●·…]{3,}|[•●·…]+ ?.{0,4}|[xX.]{3,}|[<\[(]?(hidden|redacted|masked)[>\])]?", re.IGNORECASE)
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
UUID_TEXT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
# What the system's resolver would read as an IPv4 address in one of its odd spellings.
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
HOST_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
# White space, and signs that only say how others are written: of them alone no name can be read.
INVISIBLE = ("Cc", "Cf", "Zs", "Zl", "Zp")


def clean_text(value: object, *, most: int, one_line: bool, strip: bool = True) -> str:
    """A text without characters that a database refuses, with LF line ends, at most `most` characters."""
    if not isinstance(value, str):
        raise refuse("Write this as text.")
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    text = text.strip() if strip else text
    if any(char == "\0" or "\ud800" <= char <= "\udfff" for char in text):
        raise refuse("Remove the characters that are not text (U+0000 or half of a pair).")
    if one_line and any(ord(char) < 32 or char in "\x7f\x85\u2028\u2029" for char in text):
        raise refuse("Write this on one line, without control characters.")
    if one_line and text and all(unicodedata.category(char) in INVISIBLE for char in text):
        raise refuse("Write something that can be seen.")
    if len(text) > most:
        raise refuse(f"Use at most {most:,} characters.")
    return text


def line(most: int) -> Rule:
    """A text on one line."""
    return Rule(lambda value: clean_text(value, most=most, one_line=True), {"maxLength": most})


def prose(most: int) -> Rule:
    """A text that may have many lines."""
    return Rule(lambda value: clean_text(value, most=most, one_line=False), {"maxLength": most})


def whole(title: str, least: int, most: int) -> Rule:
    """A whole number between two bounds, both allowed; digits in a text count, as forms send them."""

    def check(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,12}", value.strip()):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise refuse(f"{title} must be a whole number.")
        if not least <= value <= most:
            raise refuse(f"{title} must be between {least} and {most}.")
        return value

    return Rule(check, {"minimum": least, "maximum": most})


def choice(options: type[StrEnum]) -> Rule:
    """One value of an enum."""
    values = [option.value for option in options]

    def check(value: object) -> object:
        text = value.strip() if isinstance(value, str) else value
        if text not in values:
            raise refuse(f"Choose one of: {', '.join(values)}.")
        return text

    return Rule(check)


def lines(most: int, *, entries: int = 200) -> Rule:
    """A list of texts, at most `entries` of them, without repeats."""

    def check(value: object) -> list[str]:
        if not isinstance(value, list):
            raise refuse("Write this as a list of texts.")
        if len(value) > entries:
            raise refuse(f"Use at most {entries} entries.")
        texts = [clean_text(entry, most=most, one_line=True) for entry in value]
        return list(dict.fromkeys(text for text in texts if text))

    return Rule(check, {"maxItems": entries})


def secret(most: int, *, ascii_only: bool = False) -> Rule:
    """A secret's value, kept as typed; a mask is refused."""

    def check(value: object) -> str:
        if isinstance(value, dict):
            raise refuse("Send the secret itself as text; encrypted values are not taken.")
        text = clean_text(value, most=most, one_line=True, strip=False)
        if MASK.fullmatch(text):
            raise refuse("This is a mask, not a secret. Type the secret itself, or leave this empty.")
        if ascii_only and not (text.isascii() and text.isprintable() and " " not in text):
            raise refuse("Use printable ASCII characters without spaces.")
        return text

    return Rule(check, {"maxLength": most, "writeOnly": True})


def yes_or_no() -> Rule:
    """A boolean; the words true and false count, as the terminal sends them."""

    def check(value: object) -> bool:
        known = {"true": True, "false": False}
        answer = known.get(value.strip().lower()) if isinstance(value, str) else value
        if not isinstance(answer, bool):
            raise refuse("Choose true or false.")
        return answer

    return Rule(check)


def day() -> Rule:
    """A calendar day, as YYYY-MM-DD."""

    def check(value: object) -> object:
        if isinstance(value, date):
            return value
        try:
            if isinstance(value, str) and DAY.fullmatch(value.strip()):
                return date.fromisoformat(value.strip())
        except ValueError:
            pass
        raise refuse("Write the date as YYYY-MM-DD.")

    return Rule(check)


def uuid_text() -> Rule:
    """A UUID, in its usual spelling."""

    def check(value: object) -> str:
        text = clean_text(value, most=100, one_line=True)
        if not is_uuid(text):
            raise refuse("Write a UUID, such as 12345678-9abc-def0-1234-56789abcdef0.")
        return str(UUID(text))

    return Rule(check, {"format": "uuid"})


def host_name() -> Rule:
    """One DNS name in ASCII, or one IP address, in lower case."""

    def check(value: object) -> str:
        text = clean_text(value, most=253, one_line=True).lower()
        if address := ip_address(text):
            return address
        if not is_host_name(text) or NUMBER.fullmatch(text.removesuffix(".").rpartition(".")[2]):
            raise refuse("Write one host name or IP address, such as db.example.org.")
        return text

    return Rule(check, {"maxLength": 253})


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID in its usual spelling; the standard library's reader takes many more."""
    return UUID_TEXT.fullmatch(text) is not None


def is_host_name(text: str) -> bool:
    """Whether the text is a DNS name in ASCII."""
    labels = text.removesuffix(".").split(".")
    return len(text) <= 253 and all(HOST_LABEL.fullmatch(label) for label in labels)


def ip_address(text: str) -> str | None:
    """The IP address that the text is, an IPv6 address in brackets or without; None where it is none."""
    is_bracketed = text.startswith("[") and text.endswith("]")
    read = ipaddress.IPv6Address if is_bracketed else ipaddress.ip_address
    try:
        # Behind a percent sign the library takes anything, commas with further hosts too.
        return None if "%" in text else str(read(text[1:-1] if is_bracketed else text))
    except ValueError:
        return None
