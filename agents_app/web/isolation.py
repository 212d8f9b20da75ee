"""Names in any writing direction: each is isolated, so that it cannot change the order of the text around it."""

import re

from markupsafe import Markup, escape

from agents_app.values.text import DIRECTION_MARKS

FIRST_STRONG, POP = "\u2068", "\u2069"
# Letters that are written from right to left: Hebrew, Arabic, Syriac, Thaana, NKo and others.
RIGHT_TO_LEFT = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff"
WORD = rf"[{RIGHT_TO_LEFT}](?:[^\s“”{FIRST_STRONG}{POP}]*[{RIGHT_TO_LEFT}0-9])?"
# What is isolated in a sentence: an isolated name, a quoted text, words from right to left.
PART = re.compile(rf"{FIRST_STRONG}(.*?){POP}|(?<=“)([^”]+)(?=”)|({WORD}(?:\s+{WORD})*)", re.DOTALL)


def isolated(name: object) -> str:
    """A name for a plain text, such as a title: between the characters that isolate it."""
    return f"{FIRST_STRONG}{DIRECTION_MARKS.sub('', str(name))}{POP}"


def sentence(text: str) -> Markup:
    """A sentence whose names are in <bdi>: isolated names, quoted texts, and words that are written from right to left.

    Direction marks, which earlier releases stored, are left out.
    """
    parts, end = [], 0
    for found in PART.finditer(text):
        part = _escaped(found[found.lastindex or 0])
        parts += [_escaped(text[end : found.start()]), Markup("<bdi>{}</bdi>").format(part)]
        end = found.end()
    return Markup("").join([*parts, _escaped(text[end:])])


def _escaped(text: str) -> Markup:
    return escape(DIRECTION_MARKS.sub("", text))
