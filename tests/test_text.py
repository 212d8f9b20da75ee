"""The normal form of stored texts, and their folding for search."""

import unicodedata

import pytest

from agents_app.values import text

FOUND = {
    "istanbul": "\u0130stanbul",
    "ISTANBUL": "\u0131stanbul",
    "\u0130STANBUL": "istanbul",
    "strasse": "Stra\u00dfe",
    "STRASSE": "stra\u1e9ee",
    "cafe\u0301": "caf\u00e9",
    "cafe": "CAF\u00c9",
    "caf\u00e9": "cafe",
    "\uff43\uff41\uff46\uff45": "cafe",
    "office": "o\ufb03ce",
    "data": "da\u200bta\ufeff",
    "lodz": "\u0141\u00f3d\u017a",
    "\u03bf\u03b4\u03bf\u03c3": "\u039f\u0394\u039f\u03a3",
    "\uac00": "\u1100\u1161",
    "2": "\u00b2",
}
APART = {"\u304b": "\u304c", "\u0915\u0941\u0932": "\u0915\u0932", "a": "b"}


@pytest.mark.parametrize(("asked", "stored"), FOUND.items())
def test_search_reads_both_sides_alike(asked: str, stored: str) -> None:
    assert text.fold_for_search(asked) == text.fold_for_search(stored)


@pytest.mark.parametrize(("one", "other"), APART.items())
def test_a_mark_that_is_a_letter_in_its_script_distinguishes_words(one: str, other: str) -> None:
    assert text.fold_for_search(one) != text.fold_for_search(other)


def test_every_letter_folds_alike_in_each_case_and_spelling_and_only_once() -> None:
    letters = [char for char in map(chr, range(0x2FFFF)) if unicodedata.category(char)[0] in "LNS" and char < "\u2e80"]

    for char in letters:
        folded = text.fold_for_search(char)
        forms = [unicodedata.normalize(form, char) for form in ("NFC", "NFD", "NFKC", "NFKD")]
        others = {text.fold_for_search(other) for other in (*forms, char.upper(), char.lower(), char.title(), folded)}
        assert others == {folded}, hex(ord(char))


def test_many_marks_on_one_letter_are_kept_and_take_little_time() -> None:
    heap = "a" + "\u0301\u0323" * 100_000

    # Sorting them by their combining class would take minutes.
    kept = (text.to_nfc(heap), text.normalise_text(heap), text.spellings(heap), text.fold_for_search(heap))

    assert kept == (heap, heap, [heap], heap)


def test_invisible_characters_around_a_text_are_removed() -> None:
    assert text.normalise_text(" \ufeffcafe\u0301\u200b\u00a0\r\n") == "caf\u00e9"
