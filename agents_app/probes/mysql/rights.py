"""Judges the rights of a MySQL or MariaDB user, and writes the statements that leave the user what the agent needs."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from agents_app.probes.mysql.grants import ALL, EVERYTHING, GRANT_OPTION, PROXY, Right
from agents_app.probes.quoting import quote_mysql
from agents_app.probes.recorder import PUBLIC_NOTE
from agents_app.probes.table_names import split_tables

HARMLESS = {"SHOW VIEW", "USAGE", "SHOW DATABASES", "SHOW CREATE ROUTINE", "SHOW_ROUTINE"}
WRITING = {
    *("INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "REFERENCES", "TRIGGER", "EVENT"),
    *("CREATE VIEW", "CREATE ROUTINE", "ALTER ROUTINE", "CREATE TEMPORARY TABLES", "LOCK TABLES", "DELETE HISTORY"),
}
# What ALL PRIVILEGES means on a table and on a schema, without SELECT and what is harmless.
ALL_OF_TABLE = (*"INSERT UPDATE DELETE CREATE DROP REFERENCES INDEX ALTER TRIGGER".split(), "CREATE VIEW")
ALL_OF_SCHEMA = (
    *("CREATE TEMPORARY TABLES", "LOCK TABLES", "CREATE ROUTINE", "ALTER ROUTINE", "EXECUTE", "EVENT"),
    *ALL_OF_TABLE,
)
OF_MARIADB = "DELETE HISTORY"
# Warnings about what the user can only read.
READING = {"mysql_reads_more", "mysql_sees_processes"}
NAMED_APART = {"FILE": "mysql_uses_files", "PROCESS": "mysql_sees_processes", "EXECUTE": "role_runs"}
# Accounts with which people administer the server: nothing is taken from them.
ADMINISTRATORS = {"root", "mysql", "mariadb.sys", "mysql.sys", "mysql.session", "mysql.infoschema"}
# The table of accounts, with the hashes of their passwords.
PASSWORDS = "`mysql`.`user`"
NEW_ACCOUNT = "agent_reader"
PUBLIC = "PUBLIC"
# Most views have a definer. What a function in one of them does is not known, so it is said and is no warning.
VIEWS_OF_OTHERS = """
    SELECT 1 FROM information_schema.views WHERE security_type = 'DEFINER' AND definer <> CURRENT_USER()
    AND table_schema NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys') LIMIT 1
"""
VIEWS_NOT_EXAMINED = "what views do with the rights of the users who defined them"
CHECK_NAME = "-- If USE fails, there is no such database: correct its name in the agent, and run nothing else."


@dataclass(frozen=True)
class Needs:
    """What an agent needs: to read these targets, and to write there if it is not read-only.

    `is_limited` says that the allow lists name them. Otherwise other schemas may be read too. `schemas` are those of
    the targets and of the connection.
    """

    targets: tuple[str, ...]
    schemas: tuple[str, ...]
    is_limited: bool
    may_write: bool

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Needs":
        """The needs of a connection: its allowed tables, else its allowed schemas, else its database."""
        database, schemas, tables = values["database"], values["schema_allow_list"], values["table_allow_list"]
        targets = [f"{quote_mysql(schema)}.{quote_mysql(table)}" for schema, table in split_tables(tables, database)]
        targets = targets or [f"{quote_mysql(schema, is_pattern=True)}.*" for schema in schemas or [database]]
        own = (database, *schemas, *(schema for schema, _ in split_tables(tables, database)))
        return cls(tuple(dict.fromkeys(targets)), own, bool(schemas or tables), not values["read_only"])

    def allow(self, right: Right) -> bool:
        """Whether the agent may have the right."""
        if right.name in HARMLESS or self.is_of_other_databases(right):
            return True
        is_needed = any(_contains(target, right.target) for target in self.targets)
        if right.name == "SELECT":
            return is_needed or not (self.is_limited or _contains(right.target, PASSWORDS))
        return self.may_write and is_needed and right.name in (*WRITING, ALL)

    def is_of_other_databases(self, right: Right) -> bool:
        """Whether every user of the server has the right, and only in databases that the agent does not use.

        MariaDB itself grants rights on the databases `test` and `test_…` to PUBLIC.
        """
        if right.role != PUBLIC or right.name == PROXY or right.target == EVERYTHING:
            return False
        return not any(_matches(_schema(right.target), schema) for schema in (*self.schemas, "mysql"))


def findings(rights: Iterable[Right], needs: Needs) -> Iterator[tuple[str, list[str]]]:
    """The codes of the warnings, each with the rights in words. There are none for a user who can only read."""
    grouped: dict[str, list[str]] = {}
    for right in sorted(set(rights)):
        if not needs.allow(right):
            grouped.setdefault(_code(right), []).append(right.words)
    yield from grouped.items()


def changeable_by_everyone(rights: Iterable[Right], needs: Needs) -> list[str]:
    """The databases that every user can change, and the agent does not use."""
    rights_there = (right for right in rights if needs.is_of_other_databases(right))
    return sorted({right.target for right in rights_there if right.name != "SELECT" and right.name not in HARMLESS})


def is_readable(schema: str, table: str, rights: Iterable[Right]) -> bool:
    """Whether the rights allow to read a table, or single columns of it."""
    target = f"{quote_mysql(schema)}.{quote_mysql(table)}"
    return any(right.name in ("SELECT", ALL) and _contains(right.target, target) for right in rights)


def is_writable(schema: str, table: str, rights: Iterable[Right]) -> bool:
    """Whether the rights allow to insert into a table or to update it, or single columns of it."""
    target = f"{quote_mysql(schema)}.{quote_mysql(table)}"
    return any(right.name in ("INSERT", "UPDATE", ALL) and _contains(right.target, target) for right in rights)


def _code(right: Right) -> str:
    if right.name == "SELECT":
        return "mysql_reads_more"
    is_writing = right.name in WRITING or (right.name == ALL and right.target != EVERYTHING)
    return NAMED_APART.get(right.name, "role_writes" if is_writing else "mysql_administers")


def statements(rights: Iterable[Right], needs: Needs, user: str, host: str, *, is_mariadb: bool) -> list[str]:
    """The statements that give what the agent lacks, and then take away what it does not need.

    In this order the agent has what it needs, also if one of them fails.
    """
    if user in ADMINISTRATORS:
        account = f"{quote_mysql(NEW_ACCOUNT)}@{quote_mysql(host)}"
        return [f"CREATE USER {account} IDENTIFIED BY 'choose a password';", *_grant(needs.targets, account)]
    account = f"{quote_mysql(user)}@{quote_mysql(host)}"
    held = sorted({part for right in rights for part in _parts(right, needs, is_mariadb=is_mariadb)})
    excess = [right for right in held if not needs.allow(right)]
    roles = dict.fromkeys(right.role for right in excess if right.role not in ("", PUBLIC))
    kept = [right for right in held if right not in excess and right.role not in roles]
    # A right to single columns of a table is as narrow as someone wanted it.
    readable = [right.target for right in kept if right.name in ("SELECT", ALL)]
    missing = [target for target in needs.targets if not any(_contains(one, target) for one in readable)]
    of_everyone = (f"{PUBLIC_NOTE}\n{text}" for text in _revoke(excess, PUBLIC, PUBLIC))
    of_roles = (f"REVOKE {role} FROM {account};" for role in roles)
    return [*_grant(missing, account), *_revoke(excess, "", account), *of_everyone, *of_roles]


def statements_to_enter(needs: Needs, user: str, host: str) -> list[str]:
    """The statements for a user who has no right on the database, if the database exists. Nothing is taken away.

    MySQL grants rights on a whole database whether it exists or not, so its name is checked first.
    """
    account = f"{quote_mysql(user)}@{quote_mysql(host)}"
    checks = [f"{CHECK_NAME}\nUSE {quote_mysql(schema)};" for schema in dict.fromkeys(needs.schemas)]
    return [*checks, *_grant(needs.targets, account)]


def _grant(targets: Iterable[str], account: str) -> Iterator[str]:
    yield from (f"GRANT SELECT ON {target} TO {account};" for target in targets)


def _parts(right: Right, needs: Needs, *, is_mariadb: bool) -> Iterator[Right]:
    """The rights in ALL PRIVILEGES on what the agent has to read, so that SELECT is not taken away with the others."""
    if right.name != ALL or right.role or right.target not in needs.targets or needs.allow(right):
        yield right
        return
    names = ALL_OF_SCHEMA if right.target.endswith(".*") else ALL_OF_TABLE
    for name in ("SELECT", *names, *([OF_MARIADB] if is_mariadb else [])):
        yield replace(right, name=name)


def _revoke(excess: Iterable[Right], role: str, account: str) -> Iterator[str]:
    """One statement for each target. ALL PRIVILEGES and GRANT OPTION are not written together with other rights."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for right in excess:
        if right.role == role:
            apart = right.name if right.name in (ALL, GRANT_OPTION) else ""
            grouped.setdefault((right.on, apart), []).append(f"{right.name} {right.columns}".strip())
    for (on, _), names in grouped.items():
        yield f"REVOKE {', '.join(names)} ON {on} FROM {account};"


def _contains(outer: str, inner: str) -> bool:
    """Whether a target contains another. A schema is a pattern."""
    if outer in (EVERYTHING, inner):
        return True
    return outer.endswith(".*") and inner != EVERYTHING and _matches(_schema(outer), _schema(inner))


def _schema(target: str) -> str:
    found = re.match(r"`((?:[^`]|``)*+)`", target)
    return found[1].replace("``", "`") if found else ""


def _matches(pattern: str, schema: str) -> bool:
    """Whether a name fits a pattern. What follows a `%` is looked for once, so a pattern of a server costs little."""
    between: list[str] = [""]
    for part in re.findall(r"\\.|.", pattern, re.DOTALL):
        if part == "%":
            between.append("")
        else:
            between[-1] += "." if part == "_" else re.escape(part[-1])
    first, *others = between
    ends = [*(f"(?>.*?{text})" for text in others[:-1]), *(f".*{text}" for text in others[-1:])]
    return re.fullmatch(first + "".join(ends), re.sub(r"\\(.)", r"\1", schema), re.DOTALL) is not None
