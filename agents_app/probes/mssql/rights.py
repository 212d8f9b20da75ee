"""What a SQL Server user may do, and the statements that leave the user what the agent needs.

No SQL Server runs in the tests of this project, so the statements are marked as not run.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from agents_app.probes.quoting import quote_mssql
from agents_app.probes.recorder import Recorder
from agents_app.probes.table_names import shorten, split_tables

Failures = Callable[[], AbstractContextManager[None]]
NOT_RUN = "-- The tests of Agent Console did not run these statements. Read them before you run them."
SERVER_ROLES = "sysadmin securityadmin serveradmin setupadmin processadmin diskadmin dbcreator bulkadmin".split()
DATABASE_ROLES = "db_owner db_securityadmin db_accessadmin db_backupoperator db_ddladmin db_datawriter".split()
WRITING_ROLES = {"db_ddladmin", "db_datawriter"}
WRITING = {"INSERT", "UPDATE", "DELETE", "ALTER", "CONTROL", "TAKE OWNERSHIP"}
HARMLESS = {"CONNECT", "SELECT", "SHOWPLAN", "UNMASK", "REFERENCES"}
DEFAULT_SCHEMA = "dbo"
# What another server answers is not copied into a statement.
KINDS = {"SCHEMA", "OBJECT"}
RIGHT = re.compile(r"[A-Z]+(?: [A-Z]+)*")
NAME = r"\[(?:[^\]]|\]\])+\]"
TARGET = re.compile(rf"{NAME}(?:\.{NAME})?")

MEMBER = "SELECT name FROM (VALUES {names}) AS roles (name) WHERE {function}(name) = 1"
ON_DATABASE = "SELECT permission_name FROM fn_my_permissions(NULL, 'DATABASE')"
# The first rights on single schemas, tables and procedures. A test after the statements were run finds the rest.
ON_OBJECTS = """
    SELECT TOP 500 class, target, permission_name FROM (
        SELECT 'SCHEMA' AS class, QUOTENAME(s.name) AS target, p.permission_name
        FROM sys.schemas s CROSS APPLY fn_my_permissions(QUOTENAME(s.name), 'SCHEMA') p
        WHERE s.schema_id < 16384 AND s.name NOT IN ('sys', 'INFORMATION_SCHEMA')
        UNION ALL
        SELECT 'OBJECT', QUOTENAME(s.name) + '.' + QUOTENAME(o.name), p.permission_name
        FROM sys.objects o JOIN sys.schemas s ON s.schema_id = o.schema_id
        CROSS APPLY fn_my_permissions(QUOTENAME(s.name) + '.' + QUOTENAME(o.name), 'OBJECT') p
        WHERE o.type IN ('U', 'V', 'P', 'FN', 'TF', 'IF') AND p.subentity_name = ''
    ) AS rights
    WHERE permission_name IN ('INSERT', 'UPDATE', 'DELETE', 'ALTER', 'CONTROL', 'TAKE OWNERSHIP', 'EXECUTE')
    ORDER BY class DESC, target, permission_name
"""
TABLES = """
    SELECT s.name, o.name, HAS_PERMS_BY_NAME(QUOTENAME(s.name) + '.' + QUOTENAME(o.name), 'OBJECT', 'SELECT')
    FROM sys.objects o JOIN sys.schemas s ON s.schema_id = o.schema_id WHERE o.type IN ('U', 'V')
"""


@dataclass(frozen=True)
class Excess:
    """Something that the user can do and the agent does not need: how it is shown, and what takes it away.

    The statement is empty if the answer of the server is not one of SQL Server.
    """

    code: str
    words: str
    statement: str


def check(connection: Any, values: Mapping[str, Any], recorder: Recorder, failures: Failures) -> None:
    """Run the steps `read_only` and `tables`. `failures` makes causes of the exceptions of the driver."""
    user = values["username"]
    with recorder.step("read_only"), failures():
        cursor = connection.cursor()
        found = [*_roles(cursor, user), *_rights(cursor, user)]
        is_reader = values.get("read_only", True)
        if not is_reader:
            found = [one for one in found if one.code != "role_writes"]
        for code in dict.fromkeys(one.code for one in found):
            recorder.warn(code, role=user, objects=shorten(one.words for one in found if one.code == code))
        if is_reader:
            recorder.know(read_only=not found)
    with recorder.step("tables"), failures():
        is_right = _check_tables(cursor, values, recorder)
    # With wrong allow lists, they could take away what the user needs. They give before they take.
    if found and is_right:
        grants = [f"GRANT SELECT ON {target} TO {quote_mssql(user)};" for target in _targets(values)]
        changes = dict.fromkeys(one.statement for one in found if one.statement)
        recorder.suggest(NOT_RUN, *grants, *changes)


def _roles(cursor: Any, user: str) -> Iterable[Excess]:
    for name in _member_of(cursor, SERVER_ROLES, "IS_SRVROLEMEMBER"):
        yield Excess(
            "mssql_administers", name, f"ALTER SERVER ROLE {quote_mssql(name)} DROP MEMBER {quote_mssql(user)};"
        )
    for name in _member_of(cursor, DATABASE_ROLES, "IS_ROLEMEMBER"):
        code = "role_writes" if name in WRITING_ROLES else "mssql_administers"
        yield Excess(code, name, f"ALTER ROLE {quote_mssql(name)} DROP MEMBER {quote_mssql(user)};")


def _member_of(cursor: Any, names: list[str], function: str) -> list[str]:
    values = ", ".join(f"('{name}')" for name in names)
    found = {row[0] for row in _rows(cursor, MEMBER.format(names=values, function=function))}
    return [name for name in names if name in found]


def _rights(cursor: Any, user: str) -> Iterable[Excess]:
    on_database = {str(row[0]) for row in _rows(cursor, ON_DATABASE)}
    for right in sorted(on_database - HARMLESS):
        if not right.startswith("VIEW "):
            yield Excess(_code(right), f"{right} on the database", _revoke(right, "", user))
    for kind, target, right in _rows(cursor, ON_OBJECTS):
        # A right on the database is also one on everything in it.
        if right not in on_database:
            is_known = kind in KINDS and TARGET.fullmatch(target)
            statement = _revoke(right, f" ON {kind}::{target}", user) if is_known else ""
            yield Excess(_code(right), f"{right} on {target}", statement)


def _revoke(right: str, place: str, user: str) -> str:
    return f"REVOKE {right}{place} FROM {quote_mssql(user)};" if RIGHT.fullmatch(right) else ""


def _code(right: str) -> str:
    if right == "EXECUTE":
        return "role_runs"
    return "role_writes" if right in WRITING else "mssql_administers"


def _targets(values: Mapping[str, Any]) -> list[str]:
    schemas, tables = values.get("schema_allow_list") or [DEFAULT_SCHEMA], values.get("table_allow_list") or []
    on_tables = [
        f"OBJECT::{quote_mssql(schema)}.{quote_mssql(table)}" for schema, table in split_tables(tables, DEFAULT_SCHEMA)
    ]
    return on_tables or [f"SCHEMA::{quote_mssql(schema)}" for schema in schemas]


def _check_tables(cursor: Any, values: Mapping[str, Any], recorder: Recorder) -> bool:
    """Check the allow lists, and say whether everything in them exists."""
    user, schemas = values["username"], values.get("schema_allow_list") or []
    tables = split_tables(values.get("table_allow_list") or [], DEFAULT_SCHEMA)
    # The names of most databases do not depend on upper and lower case.
    seen = {(row[0].casefold(), row[1].casefold()): row[2] == 1 for row in _rows(cursor, TABLES)}
    missing = [".".join(pair) for pair in tables if _fold(pair) not in seen]
    unreadable = [".".join(pair) for pair in tables if seen.get(_fold(pair)) is False]
    unseen = [name for name in schemas if name.casefold() not in {schema for schema, _ in seen}]
    for code, names in (("schemas_missing", unseen), ("tables_missing", missing), ("tables_unreadable", unreadable)):
        if names:
            recorder.warn(code, role=user, names=shorten(names))
    if not any(seen.values()):
        recorder.warn("nothing_readable", role=user, database=values["database"])
    recorder.know(readable_tables=sum(seen.values()))
    return not missing and not unseen


def _fold(pair: tuple[str, str]) -> tuple[str, str]:
    return pair[0].casefold(), pair[1].casefold()


def _rows(cursor: Any, query: str) -> list[Any]:
    cursor.execute(query)
    return list(cursor.fetchall())
