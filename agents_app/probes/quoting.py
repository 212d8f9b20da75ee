"""Quotes names for the SQL of the databases that are tested. Anyone who creates an object there chooses its name."""

import re


def quote_postgresql(name: str) -> str:
    """A name in quotes. Characters that nobody sees, such as marks of direction, are written as their numbers."""
    if name.isprintable():
        return '"' + name.replace('"', '""') + '"'
    shown = (char if char.isprintable() and char != "\\" else f"\\+{ord(char):06X}" for char in name.replace('"', '""'))
    return f'U&"{"".join(shown)}"'


def quote_mysql(name: str, *, is_pattern: bool = False) -> str:
    """A name in backticks. In a pattern, `_` and `%` mean themselves."""
    if is_pattern:
        name = re.sub(r"([_%\\])", r"\\\1", name)
    return f"`{name.replace('`', '``')}`"


def quote_mssql(name: str) -> str:
    """A name in brackets."""
    return f"[{name.replace(']', ']]')}]"
