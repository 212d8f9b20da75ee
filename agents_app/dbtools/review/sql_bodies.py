"""Which statements contain others: the semicolons in their body do not end them."""

from collections.abc import Callable, Sequence
from typing import Protocol


class Word(Protocol):
    """A token, as far as it is needed here."""

    @property
    def text(self) -> str:
        """The text of the token."""

    def is_word(self, *words: str) -> bool:
        """Whether it is one of these keywords."""


KINDS = ("TRIGGER", "FUNCTION", "PROCEDURE", "RULE")


def is_in_body(statement: Sequence[Word], dialect: str) -> bool:
    """Whether a statement is not at its end yet, because its body is open."""
    if not statement or not statement[0].is_word("CREATE"):
        return False
    kind = next((word.text.upper() for word in statement[1:6] if word.is_word(*KINDS)), "")
    if kind == "RULE":
        return _depth(statement, lambda word: word.text == "(", lambda word: word.text == ")") > 0
    if kind == "TRIGGER" and dialect == "postgresql":
        return False
    begin = next((at for at, word in enumerate(statement) if word.is_word("BEGIN")), None)
    if not kind or begin is None:
        return False
    if kind != "TRIGGER" and not (begin + 1 < len(statement) and statement[begin + 1].is_word("ATOMIC")):
        return False
    return _depth(statement[begin:], lambda word: word.is_word("BEGIN", "CASE"), lambda word: word.is_word("END")) > 0


def _depth(statement: Sequence[Word], opens: Callable[[Word], bool], closes: Callable[[Word], bool]) -> int:
    return sum(opens(word) - closes(word) for word in statement)
