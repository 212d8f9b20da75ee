"""What the user of a MySQL or MariaDB server may do, read from SHOW GRANTS.

`information_schema` lists the same rights, but neither those of roles nor those to run single routines.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

# The text is that of a server, so a name and a list are never read in a second way (`++`).
NAME = r"`(?:[^`]|``)++`"
# MySQL 5 writes accounts in single quotes. A name with a backslash is not read: in a statement, the quote after it can
# be a part of the name. An anonymous account has an empty name.
QUOTED = r"'[^'\\]*'"
ACCOUNT = rf"(?:{NAME}|``|{QUOTED})(?:@(?:{NAME}|``|{QUOTED}))?"
# MySQL 5 writes columns without quotes. Any other character there could end the statement that is made of it.
COLUMNS = rf"(?: ?\((?:{NAME}|[\w$, ]++)++\))?"
RIGHT = rf"[A-Z][A-Z_ ]*[A-Z]{COLUMNS}"
KINDS = "TABLE|FUNCTION|PROCEDURE|PACKAGE BODY|PACKAGE|LIBRARY"
OBJECT = rf"(?:(?P<kind>{KINDS}) )?(?P<object>\*\.\*|{NAME}\.(?:\*|{NAME}))"
ON_OBJECT = re.compile(rf"GRANT (?P<rights>{RIGHT}(?:, ?{RIGHT})*) ON {OBJECT} TO (?P<rest>.*)", re.DOTALL)
OF_ROLES = re.compile(rf"GRANT (?P<roles>{ACCOUNT}(?:, ?{ACCOUNT})*) TO .*", re.DOTALL)
OF_PROXY = re.compile(rf"GRANT PROXY ON (?P<account>{ACCOUNT}) TO .*", re.DOTALL)
# Lines that give no right: the default role, and a right that MySQL takes away again for one schema.
WITHOUT_RIGHT = re.compile(r"(?:SET DEFAULT ROLE|REVOKE) .*", re.DOTALL)
# After the last WITH. Limits of the account are written before or after it.
WITH_GRANT_OPTION = re.compile(r"[-\w. ]*\bGRANT OPTION\b")
GRANT_OPTION, ALL, PROXY = "GRANT OPTION", "ALL PRIVILEGES", "PROXY"
EVERYTHING = "*.*"


@dataclass(frozen=True, order=True)
class Right:
    """One right, and on what the user has it.

    `target` is written as SHOW GRANTS writes it: `*.*`, a schema (a pattern, with \\ before what is not), or a table.
    `kind` is set for routines. `role` is the role that gives the right to the user, or empty.
    """

    target: str
    name: str
    columns: str = ""
    kind: str = ""
    role: str = ""

    @property
    def on(self) -> str:
        """What follows ON in a statement."""
        return f"{self.kind} {self.target}" if self.kind else self.target

    @property
    def without_role(self) -> "Right":
        """The same right, as the user would have it without the role."""
        return replace(self, role="")

    @property
    def words(self) -> str:
        """The right in words, for a warning."""
        through = f" (role {self.role})" if self.role else ""
        return f"{self.name} on {self.on}{through}"


class UnknownGrant(Exception):
    """A line of SHOW GRANTS that is not understood, so that the rights of the user are not known."""


def read_rights(lines: Iterable[str], role: str = "") -> Iterator[Right]:
    """The rights in lines of SHOW GRANTS."""
    for line in lines:
        if found := OF_PROXY.fullmatch(line):
            yield Right(found["account"], PROXY, role=role)
        elif found := ON_OBJECT.fullmatch(line):
            yield from _rights_of_line(found, role)
        elif not OF_ROLES.fullmatch(line) and not WITHOUT_RIGHT.fullmatch(line):
            raise UnknownGrant


def read_roles(lines: Iterable[str]) -> list[str]:
    """The roles in lines of SHOW GRANTS, as they are written there."""
    found = (OF_ROLES.fullmatch(line) for line in lines)
    return [role[0] for line in found if line for role in re.finditer(ACCOUNT, line["roles"])]


def _rights_of_line(line: re.Match[str], role: str) -> Iterator[Right]:
    kind = "" if line["kind"] in (None, "TABLE") else line["kind"]
    for right in re.finditer(rf"({RIGHT[: -len(COLUMNS)]})({COLUMNS})", line["rights"]):
        name = ALL if right[1] == "ALL" else right[1]
        yield Right(line["object"], name, right[2].strip(), kind, role)
    if WITH_GRANT_OPTION.match(line["rest"].rpartition(" WITH ")[2]):
        yield Right(line["object"], GRANT_OPTION, "", kind, role)
