"""Reads the statements in the body of a DO block."""

from collections.abc import Iterator
from itertools import pairwise

from agents_app.dbtools.review.sql_tokens import Reader, Token, Tokens, split_statements

# They change nothing themselves.
CONTROL = (
    *("END", "RAISE", "NULL", "EXIT", "CONTINUE", "GET", "ASSERT", "FETCH", "CLOSE", "MOVE"),
    *("SET CONSTRAINTS", "RETURN NEXT"),
)
QUERIES = ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES", "TABLE", "EXECUTE", "EXPLAIN", "SHOW")


def statements_of_block(body: str, dialect: str) -> Iterator[tuple[Tokens, str | None]]:
    """The statements of a block. With EXECUTE the second value is the text that it runs, and "" if that is computed."""
    is_declaring = False
    for statement in split_statements(body, dialect):
        reader, queries = Reader(statement, dialect), list[Tokens]()
        is_declaring = _skip_control(reader, is_declaring, queries)
        if is_declaring:
            queries.extend(_query_of_cursor(reader))
        for query in queries:
            yield from _executed(Reader(query, dialect))
        if not is_declaring and not reader.is_done and not is_assignment(reader.rest):
            yield from _read_statement(reader)


def _read_statement(reader: Reader) -> Iterator[tuple[Tokens, str | None]]:
    if reader.has("PERFORM"):
        yield split_statements("SELECT", reader.dialect)[0] + reader.rest, None
    elif reader.has("OPEN"):
        # OPEN c [NO SCROLL] FOR query, or OPEN c (arguments) of a cursor that is declared with its query.
        reader.until("FOR")
        if reader.has("FOR"):
            yield from _executed(reader)
    elif reader.has("RETURN QUERY") or (not reader.has_one_of(*CONTROL) and not reader.has("RETURN")):
        yield from _executed(reader)


def functions_in(body: str, dialect: str) -> Iterator[str]:
    """The names before a parenthesis in a block. Not all of them are functions."""
    for statement in split_statements(body, dialect):
        for token, following in pairwise(statement):
            if following.text == "(" and token.kind in ("word", "name"):
                yield token.text.lower() if token.kind == "word" else token.text


def is_assignment(tokens: Tokens) -> bool:
    """Whether a statement sets a variable: a name, which can have fields and subscripts, and directly `:=` or `=`."""
    if not tokens or tokens[0].kind not in ("word", "name"):
        return False
    at = 1
    while at < len(tokens) and tokens[at].text in (".", "["):
        at = at + 2 if tokens[at].text == "." else _after_subscript(tokens, at)
    return at < len(tokens) and tokens[at].kind == "symbol" and tokens[at].text in (":=", "=")


def _after_subscript(tokens: Tokens, at: int) -> int:
    depth = 0
    for place in range(at, len(tokens)):
        depth += (tokens[place].text == "[") - (tokens[place].text == "]")
        if not depth:
            return place + 1
    return len(tokens)


def _executed(reader: Reader) -> Iterator[tuple[Tokens, str | None]]:
    if not reader.has("EXECUTE"):
        yield _without_targets(reader), None
        return
    rest = reader.rest
    is_whole = len(rest) == 1 or (len(rest) > 1 and rest[1].is_word("USING", "INTO"))
    yield rest, rest[0].text if rest and rest[0].kind == "literal" and is_whole else ""


def _without_targets(reader: Reader) -> Tokens:
    # Without the variables that get the values: only PL/pgSQL has INTO STRICT, and INTO after RETURNING.
    found = [
        token for token, before in zip(reader.rest, (None, *reader.rest), strict=False) if not _is_strict(token, before)
    ]
    rest = Reader(tuple(found), reader.dialect)
    statement = rest.until("RETURNING")
    return statement + rest.until("INTO")


def _is_strict(token: Token, before: Token | None) -> bool:
    return token.is_word("STRICT") and before is not None and before.is_word("INTO")


def _skip_control(reader: Reader, is_declaring: bool, loops: list[Tokens]) -> bool:
    # Read what is before the first statement of a part. Return whether declarations follow. `loops` gets the queries
    # whose rows a loop reads: each may change rows.
    while not reader.is_done:
        if reader.has_one_of("< <", "<<"):
            # The label of a block.
            reader.until(">", ">>")
            while reader.has_one_of(">", ">>"):
                pass
        elif reader.has("#"):
            # An option of the compiler, such as `#variable_conflict use_column`.
            reader.next(), reader.next()
        elif reader.has("DECLARE"):
            is_declaring = True
        elif reader.has("BEGIN"):
            is_declaring = False
        elif is_declaring:
            return True
        elif is_assignment(reader.rest) or not _skip_heading(reader, loops):
            return False
    return is_declaring


def _skip_heading(reader: Reader, loops: list[Tokens]) -> bool:
    if reader.has_one_of("IF", "ELSIF", "ELSEIF", "CASE", "WHEN", "EXCEPTION WHEN"):
        _skip_condition(reader)
    elif reader.has("FOR"):
        loops.extend(_query_of_loop(Reader(reader.until("LOOP"), reader.dialect)))
        reader.has("LOOP")
    elif reader.has_one_of("FOREACH", "WHILE"):
        reader.until("LOOP")
        reader.has("LOOP")
    else:
        return reader.has_one_of("ELSE", "LOOP") is not None
    return True


def _skip_condition(reader: Reader) -> None:
    # To the THEN that is not one of a CASE in the condition.
    cases = 0
    while not reader.is_done:
        reader.until("CASE", "THEN", "END")
        if reader.has("CASE"):
            cases += 1
        elif reader.has("END"):
            cases -= 1
        elif reader.has("THEN") and cases <= 0:
            return


def _query_of_loop(heading: Reader) -> Iterator[Tokens]:
    heading.until("IN")
    # The rest is a range of numbers, or a cursor.
    if heading.has("IN") and _is_query(heading.rest):
        yield heading.rest


def _is_query(tokens: Tokens) -> bool:
    first = next((token for token in tokens if token.text != "("), None)
    return first is not None and first.is_word(*QUERIES)


def _query_of_cursor(declaration: Reader) -> Iterator[Tokens]:
    declaration.until("CURSOR")
    if declaration.has("CURSOR"):
        declaration.until("FOR", "IS")
        if declaration.has_one_of("FOR", "IS"):
            yield declaration.rest
