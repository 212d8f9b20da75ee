"""Names, comments, docstrings, messages, pages and documents use the usual words of the field."""

import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents_app.paths import ROOT

# A forbidden word, as a pattern, and what to write in its place.
WORDS = {
    "afresh|anew": "again",
    "albeit": "although",
    "amiss": "wrong",
    "amongst": "among",
    "anybody": "anyone",
    "beside": "next to, with, as well as",
    "deeds?": "action, event",
    "elsewhere": "in another place, or the place itself",
    "everybody": "everyone",
    "heard|hears?": "notified, notice",
    "heeds?": "follow, watch",
    "house": "project, codebase, or what it is",
    "is none": "is missing, is not a …",
    "lends?|lent": "provide",
    "lest": "so that … not",
    "likewise": "also",
    "meanwhile": "since then, while …",
    "mend(s|ed|ing)?": "fix, repair",
    "oneself": "yourself",
    "ought": "should",
    "put(s|ting)? back": "restore",
    "shall": "must, will",
    "somebody": "someone, or who it is",
    "stands?": "is, holds, is stored",
    "strangers?": "anonymous visitor",
    "tells|told": "say, show, report, distinguish",
    "upon": "on",
    "whilst": "while",
    "whoever": "anyone who, the person who",
}
FORBIDDEN = re.compile(rf"(?<![A-Za-z])(?:{'|'.join(WORDS)})(?![A-Za-z])", re.IGNORECASE)
FOLDERS = (".ci", "agents_app", "docs", "migrations", "static", "templates", "tests")
KINDS = (".py", ".md", ".html", ".css", ".js", ".mako")
OTHERS = (".ci/run", ".env.example", "CONTRIBUTING.md", "Makefile", "README.md", "pyproject.toml", "wsgi.py")
READ_BY_PEOPLE = {tokenize.COMMENT, tokenize.NAME, tokenize.STRING}
if sys.version_info >= (3, 12):
    READ_BY_PEOPLE.add(tokenize.FSTRING_MIDDLE)


def our_files() -> list[Path]:
    """Every file that people read. This list of words is not one of them."""
    found = {path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in KINDS}
    return sorted(found.union(ROOT / name for name in OTHERS) - {Path(__file__).resolve()})


def lines_for_people(path: Path) -> Iterator[tuple[int, str]]:
    """The numbered lines of a file; of Python only names, texts and comments, names with spaces between their words."""
    text = path.read_text()
    if path.suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in READ_BY_PEOPLE:
            words = token.string.replace("_", " ") if token.type == tokenize.NAME else token.string
            yield from enumerate(words.splitlines(), token.start[0])


def forbidden_words(path: Path) -> list[str]:
    """Each forbidden word of a file: where it is, and what to write in its place."""
    return [
        f"{path}:{number}: {match[0]}: write {replacement(match[0])}"
        for number, line in lines_for_people(path)
        # Python's `is None`, quoted in a text, is not the phrase.
        for match in FORBIDDEN.finditer(re.sub(r"is None\b", "", line))
    ]


def replacement(word: str) -> str:
    """What to write in place of a forbidden word."""
    return next(text for pattern, text in WORDS.items() if re.fullmatch(pattern, word, re.IGNORECASE))


@pytest.mark.parametrize("path", our_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_uses_the_usual_words(path: Path) -> None:
    assert forbidden_words(path) == []
    assert not FORBIDDEN.search(path.stem.replace("_", " "))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.py", '"""Written anew."""\n'),
        ("a.py", "# Written anew.\n"),
        ("a.py", 'text = f"written {1} anew"\n'),
        ("a.py", "written_anew = 1\n"),
        ("a.html", "<p>Written anew.</p>\n"),
        ("a.md", "Written Anew.\n"),
    ],
)
def test_a_forbidden_word_is_found_in_every_kind_of_text(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)

    found = forbidden_words(path)

    assert len(found) == 1
    assert found[0].endswith(": write again")
