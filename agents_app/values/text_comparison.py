"""Compares two texts word by word, with a limit on the work: all texts of one page take about half a second."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import Match, SequenceMatcher
from enum import StrEnum
from itertools import accumulate

# Without the ends of sentences, a paragraph would be one segment. The patterns of `split` have a fixed width, so that
# they read a text once.
SEGMENT_END = re.compile(r"(?<=\n)|(?<=[.!?;:] )|(?<=[\u3002\uff01\uff1f])")
# A line end, or, with the spaces before it, a letter of a script without spaces between words, a word, or a mark.
WORD = re.compile(
    r"\n|[^\S\n]*(?:[\u2e80-\u9fff\uf900-\ufaff]|[^\s!-/:-@\[-^`{-~\u2e80-\u9fff\uf900-\ufaff]+|[^\s])|[^\S\n]+"
)
# The number of pairs of equal words that the comparisons of one page read. To look a word up costs as much as some
# pairs. What is not examined by then counts as replaced.
WORK_MAX, LOOK_UP = 2_000_000, 4
# Texts that have less in common than this are shown as one replaced by the other.
LEAST_IN_COMMON = 0.3
# Equal text between two changes that is not longer than this is shown as changed with them.
ISLAND_MAX = 2
# Unchanged text is folded if it is longer. This much of it stays next to a change.
FOLD_FROM, CONTEXT, CONTEXT_LINES = 600, 240, 2


class Kind(StrEnum):
    """What happened to a part of a text."""

    SAME = "same"
    REMOVED = "removed"
    ADDED = "added"
    FOLDED = "folded"
    """Unchanged text that pages show only on request."""


@dataclass(frozen=True)
class Part:
    """A part of the comparison of two texts."""

    kind: Kind
    text: str

    @property
    def lead(self) -> str:
        """The spaces before the text, which a page does not mark. Empty if there is only space."""
        return self.text[: len(self.text) - len(self.text.lstrip(" "))] if self.text.strip() else ""

    @property
    def shown(self) -> str:
        """The text as a page marks it, after `lead`. Line ends without other text have a sign to be seen."""
        return self.text[len(self.lead) :] if self.text.strip() else self.text.replace("\n", "↵\n")

    @property
    def size(self) -> str:
        """How long the part is, for people."""
        lines, words = len(self.text.splitlines()), len(self.text.split())
        count, unit = (lines, "line") if lines > 1 else (words, "word")
        return f"{count:,} {unit}{'s' * (count != 1)}"


@dataclass(frozen=True)
class _Block:
    """Two pieces of text: the same, or one replaced by the other."""

    before: str
    after: str

    @property
    def is_same(self) -> bool:
        return self.before == self.after


class Budget:
    """How much work is left. The texts of one page share it."""

    def __init__(self, work: int = WORK_MAX) -> None:
        self.work = work

    def spend(self, work: int) -> bool:
        """Spend this much. Returns whether it was left."""
        self.work -= work
        return self.work >= 0


class _BoundedMatcher(SequenceMatcher[str]):
    """Finds no more matches after it has spent its budget. What is left then counts as replaced."""

    def __init__(self, before: Sequence[str], after: Sequence[str], budget: Budget) -> None:
        super().__init__(None, before, after, autojunk=False)
        self._budget = budget
        # One search looks up each word of `before`, and reads all places of that word in `after`.
        places = Counter(after)
        self._work = list(accumulate((LOOK_UP + places[word] for word in before), initial=0))

    def find_longest_match(self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None) -> Match:
        end = len(self._work) - 1 if ahi is None else ahi
        if not self._budget.spend(self._work[end] - self._work[alo]):
            return Match(alo, blo, 0)
        return super().find_longest_match(alo, ahi, blo, bhi)


def compare(before: str, after: str, budget: Budget | None = None) -> list[Part]:
    """The parts of both texts in order: what is in both, what was removed and what was added."""
    budget = budget or Budget()
    blocks: list[_Block] = []
    for block in _blocks(SEGMENT_END.split(before), SEGMENT_END.split(after), budget):
        blocks += [block] if block.is_same or not (block.before and block.after) else _word_blocks(block, budget)
    return list(_parts(_without_islands(blocks)))


def fold(parts: Sequence[Part]) -> list[Part]:
    """The parts, with the middle of each long unchanged part folded."""
    found: list[Part] = []
    for number, part in enumerate(parts):
        if part.kind is not Kind.SAME or len(part.text) <= FOLD_FROM:
            found.append(part)
            continue
        head = _head(part.text) if number else ""
        tail = _tail(part.text) if number < len(parts) - 1 else ""
        middle = part.text[len(head) : len(part.text) - len(tail)]
        pieces = (Part(Kind.SAME, head), Part(Kind.FOLDED, middle), Part(Kind.SAME, tail))
        found += [piece for piece in pieces if piece.text]
    return found


def _blocks(before: list[str], after: list[str], budget: Budget) -> Iterator[_Block]:
    """The blocks of two texts that are split into pieces."""
    shorter = min(len(before), len(after))
    start = next((i for i in range(shorter) if before[i] != after[i]), shorter)
    rest = shorter - start
    end = next((i for i in range(rest) if before[-1 - i] != after[-1 - i]), rest)
    inner = before[start : len(before) - end], after[start : len(after) - end]
    yield _Block("".join(before[:start]), "".join(before[:start]))
    for _, alo, ahi, blo, bhi in _BoundedMatcher(*inner, budget).get_opcodes():
        yield _Block("".join(inner[0][alo:ahi]), "".join(inner[1][blo:bhi]))
    yield _Block("".join(before[len(before) - end :]), "".join(before[len(before) - end :]))


def _word_blocks(block: _Block, budget: Budget) -> list[_Block]:
    found = list(_blocks(WORD.findall(block.before), WORD.findall(block.after), budget))
    common = sum(len("".join(one.before.split())) for one in found if one.is_same)
    longest = max(len("".join(text.split())) for text in (block.before, block.after))
    if common >= longest * LEAST_IN_COMMON:
        return found
    head, tail = (one if one.is_same else _Block("", "") for one in (found[0], found[-1]))
    return [head, _inner(block, head.before, tail.before), tail]


def _inner(block: _Block, head: str, tail: str) -> _Block:
    before, after = (text[len(head) : len(text) - len(tail)] for text in (block.before, block.after))
    return _Block(before, after)


def _without_islands(blocks: Sequence[_Block]) -> list[_Block]:
    """The blocks, in which no equal text that is too short to read interrupts a change."""
    found: list[_Block] = []
    filled = [block for block in blocks if block.before or block.after]
    for number, block in enumerate(filled):
        ends_here = not block.is_same or number + 1 == len(filled) or filled[number + 1].is_same
        if found and not found[-1].is_same and (not block.is_same or (not ends_here and _is_island(block.before))):
            found[-1] = _Block(found[-1].before + block.before, found[-1].after + block.after)
        else:
            found.append(block)
    return found


def _is_island(text: str) -> bool:
    return "\n" not in text and (len(text.strip()) <= ISLAND_MAX or not any(map(str.isalnum, text)))


def _parts(blocks: Sequence[_Block]) -> Iterator[Part]:
    same = ""
    for block in blocks:
        if block.is_same:
            same += block.before
            continue
        pieces = ((Kind.SAME, same), (Kind.REMOVED, block.before), (Kind.ADDED, block.after))
        yield from (Part(kind, text) for kind, text in pieces if text)
        same = ""
    if same:
        yield Part(Kind.SAME, same)


def _head(text: str) -> str:
    """The beginning of a text: some lines if they are short, else one, else some words."""
    lines = text.splitlines(keepends=True)
    for count in (CONTEXT_LINES, 1):
        if len(head := "".join(lines[:count])) <= CONTEXT:
            return head
    return text[: text.rfind(" ", 0, CONTEXT) + 1] or text[:CONTEXT]


def _tail(text: str) -> str:
    """The end of a text, of the same length."""
    lines = text.splitlines(keepends=True)
    for count in (CONTEXT_LINES, 1):
        if len(tail := "".join(lines[-count:])) <= CONTEXT:
            return tail
    return text[text.find(" ", len(text) - CONTEXT) + 1 or len(text) - CONTEXT :]
