"""The statements that give a PostgreSQL role the rights that it should have on the allowed tables, and no more.

An administrator copies them, and runs them as a superuser. So every name is quoted.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from agents_app.probes.postgresql.catalogue import BOOTSTRAP, AllowLists, Catalogue, Right, Table
from agents_app.probes.quoting import quote_postgresql
from agents_app.probes.recorder import PUBLIC_NOTE

# With more tables of one schema, one statement is for all of them.
TABLES_MAX = 20
# The arguments of a function as the server writes them: names and types, quoted where they need it. The text is that of
# a server, so the expression never tries a second way to read it.
ARGUMENTS = re.compile(r'(?:[a-z0-9_ ,.\[\]]++|(?:VARIADIC|INOUT|OUT) |"(?:[^"]|"")*+")*+')
# What another server answers is not copied into a statement.
KINDS = {
    "TABLE",
    "SEQUENCE",
    "SCHEMA",
    "DATABASE",
    "FUNCTION",
    "LARGE OBJECT",
    "FOREIGN SERVER",
    "PARAMETER",
    "DEFAULT",
}
LATER = {"TABLES", "SEQUENCES", "SCHEMAS"}
OBJECT_ID = re.compile("[0-9]{1,10}")
PRIVILEGE = re.compile("[A-Z]+(?: [A-Z]+)?")


def suggest(catalogue: Catalogue, unwanted: set[str], tables: Sequence[Table], lists: AllowLists) -> list[str]:
    """The statements, in the order in which to run them. Empty if nothing has to be changed.

    What the role needs comes before what it loses, so that it has at least that if one of them fails. Only REASSIGN
    OWNED is before it, because the server rewrites the rights on the objects then.
    """
    own = catalogue.own
    if own.oid == BOOTSTRAP:
        return []
    roots = {role.root for role in catalogue.roles if role.root and role.name in unwanted}
    owns = any(right.role == own.name for right in catalogue.owned)
    loses_rights = bool(roots) or owns or "SUPERUSER" in own.attributes
    needed = [table for table in tables if lists or table.is_readable]
    return [
        *(
            [f"REASSIGN OWNED BY {quote_postgresql(own.name)} TO {quote_postgresql(catalogue.new_owner)};"]
            if owns
            else []
        ),
        *_grant(
            own.name,
            [table for table in needed if loses_rights or not table.is_readable],
            lists,
            writes=lists.may_write and loses_rights,
        ),
        *_leave(catalogue, roots),
        *_revoke(catalogue, {table.space for table in tables}),
        *([f"ALTER ROLE {quote_postgresql(own.name)} {_negated(own.attributes)};"] if own.attributes else []),
    ]


def allow_connection(username: str, database: str) -> str:
    """The statement for a role that may not connect to the database."""
    return f"GRANT CONNECT ON DATABASE {quote_postgresql(database)} TO {quote_postgresql(username)};"


def _leave(catalogue: Catalogue, roots: set[str]) -> Iterator[str]:
    for role, grantor in catalogue.memberships:
        if role in roots:
            granted_by = f" GRANTED BY {quote_postgresql(grantor)}" if grantor else ""
            yield f"REVOKE {quote_postgresql(role)} FROM {quote_postgresql(catalogue.own.name)}{granted_by};"


def _revoke(catalogue: Catalogue, allowed_spaces: set[str]) -> Iterator[str]:
    """Take away what was granted to the role itself and to PUBLIC. Rights of other roles end with the membership."""
    rights = [right for right in catalogue.granted if right.role in ("", catalogue.own.name) and _is_known(right)]

    def by_schema(right: Right) -> tuple[str, ...]:
        return right.role, right.kind, right.space, right.more if right.kind == "DEFAULT" else ""

    for (role, kind, space, _), group in groupby(sorted(rights, key=by_schema), by_schema):
        objects: dict[str, list[Right]] = {}
        for right in group:
            objects.setdefault(_object(right), []).append(right)
        everything = [right for found in objects.values() for right in found]
        reads = any(right.privilege == "SELECT" for right in everything)
        if kind in ("TABLE", "SEQUENCE") and len(objects) > TABLES_MAX and not (reads and space in allowed_spaces):
            objects = {f"ALL {kind}S IN SCHEMA {quote_postgresql(space)}": everything}
        for target, found in objects.items():
            statement = f"REVOKE {_privileges(found)} ON {target} FROM {quote_postgresql(role) if role else 'PUBLIC'};"
            yield _begin(found[0]) + statement


def _is_known(right: Right) -> bool:
    is_kind = right.kind in KINDS and (right.kind != "DEFAULT" or right.name in LATER)
    is_kind = is_kind and (right.kind != "LARGE OBJECT" or OBJECT_ID.fullmatch(right.name) is not None)
    return is_kind and PRIVILEGE.fullmatch(right.privilege) is not None


def _privileges(rights: Sequence[Right]) -> str:
    return ", ".join(sorted({right.privilege for right in rights}))


def _begin(right: Right) -> str:
    note = "" if right.role else f"{PUBLIC_NOTE}\n"
    if right.kind != "DEFAULT":
        return note
    place = f" IN SCHEMA {quote_postgresql(right.space)}" if right.space else ""
    return f"{note}ALTER DEFAULT PRIVILEGES FOR ROLE {quote_postgresql(right.more)}{place} "


def _grant(role: str, tables: Sequence[Table], lists: AllowLists, *, writes: bool) -> Iterator[str]:
    rights = "SELECT, INSERT, UPDATE, DELETE" if writes else "SELECT"
    for space, group in groupby(tables, lambda table: table.space):
        yield f"GRANT USAGE ON SCHEMA {quote_postgresql(space)} TO {quote_postgresql(role)};"
        names = [f"TABLE {quote_postgresql(space)}.{quote_postgresql(table.name)}" for table in group]
        for target in names if lists.tables else [f"ALL TABLES IN SCHEMA {quote_postgresql(space)}"]:
            yield f"GRANT {rights} ON {target} TO {quote_postgresql(role)};"
        if writes:
            yield f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {quote_postgresql(space)} TO {quote_postgresql(role)};"


def _object(right: Right) -> str:
    name = (
        f"{quote_postgresql(right.space)}.{quote_postgresql(right.name)}"
        if right.space
        else quote_postgresql(right.name)
    )
    if right.kind == "FUNCTION":
        # Without arguments it is the only function of this name, or the server refuses the statement.
        is_list = right.more.isprintable() and ARGUMENTS.fullmatch(right.more)
        return f"ROUTINE {name}({right.more})" if is_list else f"ROUTINE {name}"
    if right.kind == "LARGE OBJECT":
        return f"{right.kind} {right.name}"
    return right.name if right.kind == "DEFAULT" else f"{right.kind} {name}"


def _negated(attributes: Sequence[str]) -> str:
    return " ".join(f"NO{attribute}" for attribute in attributes)
