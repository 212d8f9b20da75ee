"""Two texts are compared word by word: nothing is lost, changes are readable, and the work has a limit."""

import random
from difflib import Match, SequenceMatcher
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents_app.values import limits
from agents_app.values.text_comparison import FOLD_FROM, LOOK_UP, WORK_MAX, Budget, Kind, Part, compare, fold

WORDS = ["alpha", "beta", "the", "a", "of", "日本", "हिन्दी", "x1", ",", ".", "\n", "  ", "-"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join)


def shown(before: str, after: str) -> str:
    """The comparison in one line: [-removed-] and {+added+}."""
    marks = {Kind.SAME: "{}", Kind.REMOVED: "[-{}-]", Kind.ADDED: "{{+{}+}}"}
    return "".join(marks[part.kind].format(part.text) for part in compare(before, after))


def texts_of(parts: list[Part]) -> tuple[str, str]:
    """The two texts that the parts came from."""
    before = "".join(part.text for part in parts if part.kind is not Kind.ADDED)
    return before, "".join(part.text for part in parts if part.kind is not Kind.REMOVED)


@settings(deadline=None, database=None, max_examples=60)
@given(TEXTS, TEXTS)
def test_the_parts_are_both_texts_whatever_they_contain(before: str, after: str) -> None:
    parts = compare(before, after)

    assert texts_of(parts) == (before, after)
    assert texts_of(fold(parts)) == (before, after)
    assert all(part.text for part in parts)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a " * 16_000, "a b " * 8_000),
        ("\n" * 32_000, "x\n" * 16_000),
        ("." * 32_000, "-." * 16_000),
        ("a" * 32_000, "b" * 32_000),
        ("".join(f"w{n} x " for n in range(3_000)), "".join(f"w{n} y " for n in range(3_000))),
        ("".join(f"{n}\ns{n}\n" for n in range(2_000)), "".join(f"{n}\nt{n}\n" for n in range(4_000))),
    ],
    ids=["repeated word", "line ends", "marks", "one word", "every second word", "every second line"],
)
def test_the_work_of_the_longest_texts_is_limited(before: str, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    work: list[int] = []
    search = SequenceMatcher.find_longest_match

    def count(matcher: Any, alo: int, ahi: int, blo: int, bhi: int) -> Match:
        work.append(sum(LOOK_UP + len(matcher.b2j.get(word, ())) for word in matcher.a[alo:ahi]))
        return search(matcher, alo, ahi, blo, bhi)

    monkeypatch.setattr(SequenceMatcher, "find_longest_match", count)
    before, after = before[: limits.INSTRUCTIONS], after[: limits.INSTRUCTIONS]

    assert texts_of(compare(before, after)) == (before, after)
    assert sum(work) <= WORK_MAX


def test_a_few_changes_in_the_longest_paragraph_are_found_word_by_word() -> None:
    chance = random.Random(1)
    words = [f"word{chance.randrange(900)}" for _ in range(4_000)]
    before = " ".join(words)[: limits.INSTRUCTIONS]
    after = " ".join([*words[:100], "NEW", *words[101:3_000], "OTHER", *words[3_001:]])[: limits.INSTRUCTIONS]

    added = [part.text.strip() for part in compare(before, after) if part.kind is Kind.ADDED]

    assert added[:2] == ["NEW", "OTHER"]


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ("same", "same", "same"),
        ("", "new", "{+new+}"),
        ("old", "", "[-old-]"),
        ("Use any schema you need. Never guess.", "Use only one schema. Never guess.", None),
        ("Hello world", "Hello there world", "Hello{+ there+} world"),
        ("one\ntwo\nthree\n", "one\n2\nthree\n", "one\n[-two-]{+2+}\nthree\n"),
        ("from 5433 to 5432 now", "from 6000 to 6001 now", "from[- 5433 to 5432-]{+ 6000 to 6001+} now"),
        ("Answer in German.", "Nothing is as it was", "[-Answer in German.-]{+Nothing is as it was+}"),
        ("今日は晴れです", "今日は雨です", "今日は[-晴れ-]{+雨+}です"),
        ("हिन्दी में", "हिन्दी से", "हिन्दी[- में-]{+ से+}"),
    ],
)
def test_changes_are_whole_words(before: str, after: str, wanted: str | None) -> None:
    wanted = wanted or "Use[- any-]{+ only one+} schema[- you need-]. Never guess."

    assert shown(before, after) == wanted


def test_only_the_middle_of_a_long_unchanged_text_is_folded() -> None:
    long = "".join(f"Line {number} is not changed at all.\n" for number in range(40))
    parts = fold(compare(f"{long}old\n{long}", f"{long}new\n{long}"))

    assert [part.kind.value for part in parts] == ["folded", "same", "removed", "added", "same", "folded"]
    assert parts[0].size == "38 lines"
    assert parts[1].text.count("\n") == 2
    assert fold(compare("a" * FOLD_FROM, "a" * FOLD_FROM))[0].kind is Kind.SAME


def test_the_comparisons_of_one_page_share_their_work() -> None:
    budget, before, after = Budget(), "a b c " * 2_000, "b a c " * 2_000

    for _ in range(3):
        compare(before, after, budget)
    parts = compare("one two three four", "one two 3 four", budget)

    assert budget.work < 0
    assert [part.kind for part in parts].count(Kind.SAME) == 2
