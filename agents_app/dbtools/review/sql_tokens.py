"""Splits SQL into statements and tokens. A text, a comment or a quoted name is never taken for a part of a statement.

The tokens are those of sqlglot, which is imported only when there is SQL to read.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from agents_app.dbtools.review.sql_bodies import is_in_body

LITERALS = {"STRING", "HEREDOC_STRING", "RAW_STRING", "BYTE_STRING", "UNICODE_STRING", "NATIONAL_STRING"}


class NotUnderstood(Exception):
    """A statement has a form that this reader does not know."""


@dataclass(frozen=True)
class Token:
    """A part of a statement. `kind` is word, name (in quotes), literal or symbol; `source` is as it was written."""

    kind: str
    text: str
    source: str
    is_glued: bool

    def is_word(self, *words: str) -> bool:
        """Whether it is one of these keywords, which are in capitals."""
        return self.kind == "word" and self.text.upper() in words


@dataclass(frozen=True)
class QualifiedName:
    """The name of a table or another object, and its schema if it is written."""

    name: str
    schema: str | None = None


Tokens = tuple[Token, ...]


def split_statements(text: str, dialect: str) -> list[Tokens]:
    """The tokens of each statement of a text, without comments. Raises NotUnderstood if a quote is not closed."""
    statements: list[list[Token]] = [[]]
    for token in _tokens(text, dialect):
        if token.kind == "symbol" and token.text == ";" and not is_in_body(statements[-1], dialect):
            statements.append([])
        else:
            statements[-1].append(token)
    return [tuple(statement) for statement in statements if statement]


def source_of(tokens: Tokens) -> str:
    """The SQL of these tokens on one line, without comments."""
    parts = [("" if token.is_glued or not number else " ") + token.source for number, token in enumerate(tokens)]
    return "".join(parts).strip()


def _tokens(text: str, dialect: str) -> Iterator[Token]:
    from sqlglot.errors import TokenError

    try:
        found = _tokenizer(dialect)(text)
    except TokenError as error:
        raise NotUnderstood(text) from error
    end = -1
    for token in found:
        source, is_glued, end = text[token.start : token.end + 1], token.start == end + 1, token.end
        kind = token.token_type.name
        if kind in LITERALS:
            yield Token("literal", token.text, source, is_glued)
        elif kind == "IDENTIFIER":
            yield Token("name", token.text, source, is_glued)
        elif source[:1].isalpha() or source[:1] == "_":
            # sqlglot takes PRIMARY KEY and the like for one token.
            for number, word in enumerate(source.split()):
                yield Token("word", word, word, is_glued and not number)
        else:
            yield Token("symbol", token.text, source, is_glued)


@cache
def _tokenizer(dialect: str) -> Callable[[str], list[Any]]:
    from sqlglot import Dialect

    known = Dialect.get_or_raise("postgres" if dialect == "postgresql" else dialect)

    # sqlglot takes the rest of such a statement (DO, RESET) for one literal.
    class WholeTokenizer(known.tokenizer_class):  # type: ignore[name-defined, misc]
        COMMANDS: set[Any] = set()

    return lambda text: list(WholeTokenizer(dialect=known).tokenize(text))


class Reader:
    """Reads the tokens of one statement from left to right."""

    def __init__(self, tokens: Tokens, dialect: str) -> None:
        self.tokens, self.dialect, self._at = tokens, dialect, 0

    @property
    def is_done(self) -> bool:
        return self._at >= len(self.tokens)

    @property
    def rest(self) -> Tokens:
        """The tokens that have not been read."""
        return self.tokens[self._at :]

    def has(self, words: str) -> bool:
        """Read these keywords if they are next; return whether they were."""
        wanted = words.split()
        found = self.tokens[self._at : self._at + len(wanted)]
        if len(found) < len(wanted) or not all(
            token.is_word(word) if word[0].isalpha() else token.text == word
            for token, word in zip(found, wanted, strict=True)
        ):
            return False
        self._at += len(wanted)
        return True

    def has_one_of(self, *choices: str) -> str | None:
        """Read the first of these groups of keywords that is next, and return it."""
        return next((words for words in choices if self.has(words)), None)

    def require(self, words: str) -> None:
        """Read these keywords. Raises NotUnderstood if others are next."""
        if not self.has(words):
            raise NotUnderstood(words)

    def next(self) -> Token:
        """Read one token. Raises NotUnderstood at the end."""
        if self.is_done:
            raise NotUnderstood("end")
        self._at += 1
        return self.tokens[self._at - 1]

    def name(self) -> str:
        """Read a name: one without quotes is in small letters on PostgreSQL."""
        token = self.next()
        if token.kind not in ("word", "name") or (token.is_word("U") and self.rest[:1] and self.rest[0].text == "&"):
            raise NotUnderstood(token.source)
        is_folded = token.kind == "word" and self.dialect == "postgresql"
        return token.text.lower() if is_folded else token.text

    def qualified_name(self) -> QualifiedName:
        """Read a name with or without a schema."""
        parts = [self.name()]
        while self.has("."):
            parts.append(self.name())
        return QualifiedName(parts[-1], parts[-2] if len(parts) > 1 else None)

    def names(self) -> Iterator[QualifiedName]:
        """Read names that are separated by commas."""
        while True:
            self.has("ONLY")
            yield self.qualified_name()
            self.has("*")
            if not self.has(","):
                return

    def parentheses(self) -> Tokens:
        """Read a pair of parentheses, and return what is inside."""
        self.require("(")
        start, depth = self._at, 1
        while depth:
            token = self.next()
            if token.kind == "symbol":
                depth += (token.text == "(") - (token.text == ")")
        return self.tokens[start : self._at - 1]

    def until(self, *words: str) -> Tokens:
        """Read up to one of these keywords, or to the end. Those inside parentheses do not count."""
        start, depth = self._at, 0
        while not self.is_done:
            token = self.tokens[self._at]
            if token.kind == "symbol":
                depth += (token.text in "([") - (token.text in ")]")
            if depth <= 0 and (token.is_word(*words) or (token.kind == "symbol" and token.text in words)):
                break
            self._at += 1
        return self.tokens[start : self._at]

    def split_rest(self) -> list[Tokens]:
        """Read the rest, which commas separate."""
        parts = [self.until(",")]
        while self.has(","):
            parts.append(self.until(","))
        return parts


def split_list(tokens: Tokens, dialect: str) -> list[Tokens]:
    """The parts of a list, which commas separate."""
    return Reader(tokens, dialect).split_rest()
