"""Names in SQL are quoted, and only two modules do it: one for the console's own database, one for tested databases.

This is read from the code.
"""

import ast
import re
from collections.abc import Iterator

from agents_app.database.quoting import quote_for_setting, quote_if_needed, quote_literal, quote_phrase
from agents_app.paths import ROOT
from agents_app.probes.quoting import quote_mssql, quote_mysql, quote_postgresql

QUOTING = [ROOT / "agents_app" / part / "quoting.py" for part in ("database", "probes")]
FILES = [path for path in sorted((ROOT / "agents_app").rglob("*.py")) if path not in QUOTING]
# SQL that a name follows.
WORDS = "TABLE INDEX CONCURRENTLY CONSTRAINT SCHEMA DATABASE ROLE TYPE EXTENSION COLUMN EXISTS INTO OWNER AUTHORIZATION"
BEFORE_A_NAME = re.compile(rf"\b({WORDS.replace(' ', '|')}) [\"'(]?$")
OTHER_QUOTING = re.compile("identifier_preparer|quote_identifier|" + re.escape(""".replace('"', '""')"""))


def unquoted_names(source: str) -> Iterator[str]:
    """The names in SQL that an f-string writes without quoting them. Constants are not checked."""
    tree = ast.parse(source)
    assignments = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    quoted = {ast.unparse(node.targets[0]) for node in assignments if ast.unparse(node.value).startswith("quote_")}
    for node in ast.walk(tree):
        if not isinstance(node, ast.JoinedStr):
            continue
        for text, value in zip(node.values, node.values[1:], strict=False):
            if isinstance(text, ast.Constant) and isinstance(value, ast.FormattedValue):
                name = ast.unparse(value.value)
                is_quoted = name in quoted or re.match(r"quote_\w+\(|quoted|[A-Z_]+$", name)
                if BEFORE_A_NAME.search(text.value) and not is_quoted:
                    yield name


def test_a_name_in_sql_is_quoted_by_one_of_the_two_modules() -> None:
    sources = {str(path.relative_to(ROOT)): path.read_text() for path in FILES}

    assert {path: names for path, source in sources.items() if (names := list(unquoted_names(source)))} == {}
    assert [path for path, source in sources.items() if OTHER_QUOTING.search(source)] == []


def test_an_unquoted_name_is_found() -> None:
    assert list(unquoted_names('f"DROP TABLE IF EXISTS {name}; ALTER ROLE \\"{role}\\""')) == ["name", "role"]
    assert list(unquoted_names('f"DROP TABLE {quote_if_needed(name)}"')) == []
    assert list(unquoted_names('name = quote_if_needed(table)\nf"DROP TABLE {name}"')) == []


def test_names_and_strings_are_quoted() -> None:
    assert [quote_if_needed(name) for name in ("agents", "Agents", "user", 'a"b')] == [
        "agents",
        '"Agents"',
        '"user"',
        '"a""b"',
    ]
    assert quote_if_needed("50 %") == '"50 %"'
    assert quote_for_setting('50% "a"') == '"50% ""a"""'
    assert quote_phrase('a"b') == '"a""b"'
    assert quote_literal("it's") == "'it''s'"
    assert quote_postgresql('a"b') == '"a""b"'
    assert quote_postgresql('a"\u202e\\') == 'U&"a""\\+00202E\\+00005C"'
    assert [quote_mysql("a`_"), quote_mysql("a`_\\", is_pattern=True)] == ["`a``_`", "`a``\\_\\\\`"]
    assert quote_mssql("a]b") == "[a]]b]"
