"""The statements that give a PostgreSQL role the rights that it should have: to read the allowed tables, and no more.

An administrator copies them. Every name is quoted here, because it comes from the server.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from agents_app.probes.postgresql.catalogue import BOOTSTRAP, AllowLists, Catalogue, Right, Table

# With more tables of one schema, one statement is for all of them.
TABLES_MAX = 20
PUBLIC_NOTE = "-- This right was granted to PUBLIC, so the next statement takes it from all other roles too."


def suggest(catalogue: Catalogue, unwanted: set[str], tables: Sequence[Table], lists: AllowLists) -> list[str]:
    """The statements, in the order in which to run them. Empty if nothing has to be changed."""
    own = catalogue.own
    if own.oid == BOOTSTRAP:
        return []
    roots = {role.root for role in catalogue.roles if role.root and role.name in unwanted}
    owns = any(right.role == own.name for right in catalogue.owned)
    loses_rights = bool(roots) or owns or "SUPERUSER" in own.attributes
    needed = [table for table in tables if lists or table.is_readable]
    return [
        *([f"REASSIGN OWNED BY {_quote(own.name)} TO {_quote(catalogue.new_owner)};"] if owns else []),
        *_leave(catalogue, roots),
        *_revoke(catalogue, {table.space for table in tables}),
        *_grant(own.name, [table for table in needed if loses_rights or not table.is_readable], lists),
        *([f"ALTER ROLE {_quote(own.name)} {_negated(own.attributes)};"] if own.attributes else []),
    ]


def allow_connection(username: str, database: str) -> str:
    """The statement for a role that may not connect to the database."""
    return f"GRANT CONNECT ON DATABASE {_quote(database)} TO {_quote(username)};"


def _leave(catalogue: Catalogue, roots: set[str]) -> Iterator[str]:
    for role, grantor in catalogue.memberships:
        if role in roots:
            granted_by = f" GRANTED BY {_quote(grantor)}" if grantor else ""
            yield f"REVOKE {_quote(role)} FROM {_quote(catalogue.own.name)}{granted_by};"


def _revoke(catalogue: Catalogue, allowed_spaces: set[str]) -> Iterator[str]:
    """Take away what was granted to the role itself and to PUBLIC. Rights of other roles end with the membership."""
    rights = [right for right in catalogue.granted if right.role in ("", catalogue.own.name)]

    def by_schema(right: Right) -> tuple[str, ...]:
        return right.role, right.kind, right.space

    for (role, kind, space), group in groupby(sorted(rights, key=by_schema), by_schema):
        found = list(group)
        reads = any(right.privilege == "SELECT" for right in found)
        names = sorted({right.name for right in found})
        is_long = kind in ("TABLE", "SEQUENCE") and len(names) > TABLES_MAX and not (reads and space in allowed_spaces)
        for name in [""] if is_long else names:
            privileges = sorted({right.privilege for right in found if is_long or right.name == name})
            target = f"ALL {kind}S IN SCHEMA {_quote(space)}" if is_long else _object(kind, space, name)
            statement = f"REVOKE {', '.join(privileges)} ON {target} FROM {_quote(role) if role else 'PUBLIC'};"
            yield statement if role else f"{PUBLIC_NOTE}\n{statement}"


def _grant(role: str, tables: Sequence[Table], lists: AllowLists) -> Iterator[str]:
    for space, group in groupby(tables, lambda table: table.space):
        yield f"GRANT USAGE ON SCHEMA {_quote(space)} TO {_quote(role)};"
        names = [_object("TABLE", space, table.name) for table in group]
        for target in names if lists.tables else [f"ALL TABLES IN SCHEMA {_quote(space)}"]:
            yield f"GRANT SELECT ON {target} TO {_quote(role)};"


def _object(kind: str, space: str, name: str) -> str:
    if kind == "FUNCTION":
        # The arguments are types, which the server has quoted.
        name, _, arguments = name.partition("(")
        return f"ROUTINE {_quote(space)}.{_quote(name)}({arguments}"
    if kind == "LARGE OBJECT":
        return f"{kind} {int(name)}"
    return f"{kind} {_quote(space)}.{_quote(name)}" if space else f"{kind} {_quote(name)}"


def _negated(attributes: Sequence[str]) -> str:
    return " ".join(f"NO{attribute}" for attribute in attributes)


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
