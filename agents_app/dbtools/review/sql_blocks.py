"""Reads the statements in the body of a DO block."""

from collections.abc import Iterator
from itertools import pairwise

from agents_app.dbtools.review.sql_tokens import Reader, Tokens, split_statements

# They change nothing themselves.
CONTROL = (
    *("END", "RAISE", "RETURN", "NULL", "EXIT", "CONTINUE", "GET", "ASSERT", "OPEN", "FETCH", "CLOSE", "MOVE"),
    "SET CONSTRAINTS",
)
QUERIES = ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "VALUES", "EXECUTE")


def statements_of_block(body: str, dialect: str) -> Iterator[tuple[Tokens, str | None]]:
    """The statements of a block. With EXECUTE the second value is the text that it runs, and "" if that is computed."""
    is_declaring = False
    for statement in split_statements(body, dialect):
        reader, loops = Reader(statement, dialect), list[Tokens]()
        is_declaring = _skip_control(reader, is_declaring, loops)
        for query in loops:
            yield from _executed(Reader(query, dialect))
        if is_declaring or reader.is_done or reader.has_one_of(*CONTROL) or _is_assignment(reader.rest):
            continue
        if reader.has("PERFORM"):
            yield split_statements("SELECT", dialect)[0] + reader.rest, None
        else:
            yield from _executed(reader)


def functions_in(body: str, dialect: str) -> Iterator[str]:
    """The names before a parenthesis in a block. Not all of them are functions."""
    for statement in split_statements(body, dialect):
        for token, following in pairwise(statement):
            if following.text == "(" and token.kind in ("word", "name"):
                yield token.text.lower() if token.kind == "word" else token.text


def _executed(reader: Reader) -> Iterator[tuple[Tokens, str | None]]:
    if not reader.has("EXECUTE"):
        yield reader.rest, None
        return
    rest = reader.rest
    is_whole = len(rest) == 1 or (len(rest) > 1 and rest[1].is_word("USING", "INTO"))
    yield rest, rest[0].text if rest and rest[0].kind == "literal" and is_whole else ""


def _skip_control(reader: Reader, is_declaring: bool, loops: list[Tokens]) -> bool:
    # Read what is before the first statement of a part. Return whether declarations follow. `loops` gets the queries
    # whose rows a loop reads: each may change rows.
    while not reader.is_done:
        if reader.has("< <") or reader.has("<<"):
            # The label of a block.
            reader.until(">", ">>")
            while reader.has_one_of(">", ">>"):
                pass
        elif reader.has("DECLARE"):
            is_declaring = True
        elif reader.has("BEGIN"):
            is_declaring = False
        elif is_declaring:
            return True
        elif reader.has_one_of("IF", "ELSIF", "ELSEIF", "CASE", "WHEN", "EXCEPTION WHEN"):
            reader.until("THEN")
            reader.has("THEN")
        elif reader.has_one_of("FOR", "FOREACH", "WHILE"):
            loops.extend(_query_of_loop(Reader(reader.until("LOOP"), reader.dialect)))
            reader.has("LOOP")
        elif not reader.has_one_of("ELSE", "LOOP"):
            return False
    return is_declaring


def _query_of_loop(heading: Reader) -> Iterator[Tokens]:
    heading.until("IN")
    if heading.has("IN") and heading.rest and heading.rest[0].is_word(*QUERIES):
        yield heading.rest


def _is_assignment(rest: Tokens) -> bool:
    symbols = [token.text for token in rest[1:5] if token.kind == "symbol"]
    return bool(rest) and rest[0].kind in ("word", "name") and symbols[:1] in ([":="], ["="], [":"])
