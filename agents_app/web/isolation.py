"""Names in any writing direction: each is isolated, so that it cannot change the order of the text around it."""

import re

from markupsafe import Markup, escape

from agents_app.values.text import DIRECTION_MARKS

FIRST_STRONG, POP = "\u2068", "\u2069"
# A name that is isolated already, or a mark that changes the order of a text.
ISOLATED_OR_MARK = re.compile(
    rf"({FIRST_STRONG}[^{FIRST_STRONG}{POP}\u202a-\u202e\u2066\u2067]*{POP})|{DIRECTION_MARKS.pattern}"
)
# Letters that are written from right to left: Hebrew, Arabic, Syriac, Thaana, NKo and others.
RIGHT_TO_LEFT = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff"
WORD = rf"[{RIGHT_TO_LEFT}](?:[^\s“”{FIRST_STRONG}{POP}]*[{RIGHT_TO_LEFT}0-9])?"
# What is isolated in a sentence: an isolated name, a quoted text, words from right to left.
PART = re.compile(rf"{FIRST_STRONG}(.*?){POP}|(?<=“)([^”]+)(?=”)|({WORD}(?:\s+{WORD})*)", re.DOTALL)


def without_direction_marks(value: object) -> object:
    """What a template prints for a value: a text without the direction marks that earlier releases stored.

    Jinja calls this for each printed value. Inputs print exactly what is stored, with the filter `e`.
    """
    if type(value) is not str or value.isascii():
        return value
    return ISOLATED_OR_MARK.sub(lambda found: found[1] or "", value)


def isolated(name: object) -> str:
    """A name for a plain text, such as a title: between the characters that isolate it."""
    text = str(name)
    return f"{FIRST_STRONG}{text if text.isascii() else DIRECTION_MARKS.sub('', text)}{POP}"


def bdi(name: object) -> Markup:
    """A name in <bdi>, without direction marks."""
    return Markup("<bdi>{}</bdi>").format(_escaped(str(name)))


def sentence(text: str) -> Markup:
    """A sentence whose names are in <bdi>: isolated names, quoted texts, and words that are written from right to left.

    Direction marks, which earlier releases stored, are left out.
    """
    parts, end = [], 0
    for found in PART.finditer(text):
        parts += [_escaped(text[end : found.start()]), bdi(found[found.lastindex or 0])]
        end = found.end()
    return Markup("").join([*parts, _escaped(text[end:])])


def _escaped(text: str) -> Markup:
    return escape(DIRECTION_MARKS.sub("", text))
