"""Reads from the catalogue of a PostgreSQL database what a role could do, and which tables it can read.

Everything counts that was granted to the role, to a role that it can become, or to PUBLIC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents_app.probes.postgresql.server_rights import read_server_rights
from agents_app.probes.postgresql.session import Session
from agents_app.probes.recorder import ProbeFailed

# No list has more objects than this. A test after the statements were run finds the others.
OBJECTS_MAX = 2_000
ATTRIBUTES = ("SUPERUSER", "CREATEDB", "CREATEROLE", "REPLICATION", "BYPASSRLS")
BOOTSTRAP = 10
"""The object ID of the superuser that initdb created. It cannot lose its attributes."""
# Whether the allow lists include the table of this schema and name.
ALLOWED = """(
    (cardinality(%(schemas)s::text[]) = 0 OR space = ANY(%(schemas)s))
    AND (cardinality(%(tables)s::text[]) = 0 OR name = ANY(%(tables)s) OR space || '.' || name = ANY(%(tables)s))
)"""
ROLES = """
    WITH RECURSIVE reach(oid, root) AS (
        SELECT oid, NULL::oid FROM pg_roles WHERE rolname = current_user
        UNION SELECT roleid, coalesce(root, roleid) FROM pg_auth_members JOIN reach ON member = reach.oid
    )
    SELECT reach.oid::int8, role.rolname, root.rolname, role.rolsuper, role.rolcreatedb, role.rolcreaterole,
           role.rolreplication, role.rolbypassrls
    FROM reach JOIN pg_roles role ON role.oid = reach.oid LEFT JOIN pg_roles root ON root.oid = reach.root
"""
MEMBERSHIPS = """
    SELECT pg_get_userbyid(roleid), CASE grantor WHEN 10 THEN '' ELSE pg_get_userbyid(grantor) END
    FROM pg_auth_members WHERE pg_get_userbyid(member) = current_user
"""
# Functions that do more than the role itself may do, and aggregates of them: for those it is the owner of the aggregate
# who needs the right to run the function.
FUNCTIONS = """
    WITH single(oid) AS (
        SELECT function.oid FROM pg_proc function JOIN pg_language language ON language.oid = prolang
        WHERE prosecdef OR NOT (lanpltrusted OR lanname IN ('internal', 'c')) OR (proacl IS NOT NULL AND proname ~
            '^(lo_import|lo_export|pg_(read|write|ls|file|log|rotate|reload|switch|create|drop|promote))')
    )
    SELECT oid FROM single UNION SELECT aggfnoid::oid FROM pg_aggregate JOIN single ON single.oid IN (aggtransfn,
        aggfinalfn, aggcombinefn, aggserialfn, aggdeserialfn, aggmtransfn, aggminvtransfn, aggmfinalfn)
"""
# The rights that an agent needs to change data where the allow lists permit it. A sequence belongs to all tables of its
# schema.
WRITES = """(
    privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'USAGE') AND CASE kind
        WHEN 'TABLE' THEN space NOT IN ('pg_catalog', 'information_schema') AND ALLOWED
        WHEN 'SEQUENCE' THEN space IN (SELECT space FROM granted WHERE kind = 'TABLE' AND ALLOWED)
        WHEN 'LARGE OBJECT' THEN NOT %(has_lists)s
        WHEN 'DEFAULT' THEN cardinality(%(tables)s::text[]) = 0
            AND (cardinality(%(schemas)s::text[]) = 0 OR space = ANY(%(schemas)s))
        ELSE false END
)""".replace("ALLOWED", ALLOWED)
# Each right that was granted on an object of the database, or by default on later ones: what it is, its schema and
# name, what else identifies it (a column of a table, arguments of a function, owner of later objects), the right, and
# to whom.
GRANTS = (
    """
    WITH granted(kind, space, name, more, acl, owner) AS (
        SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, nspname, relname, '', relacl, relowner
        FROM pg_class JOIN pg_namespace space ON space.oid = relnamespace WHERE relkind ~ '[rpvmfS]'
        UNION ALL
        SELECT 'TABLE', nspname, relname, attname::text, attacl, relowner FROM pg_attribute
        JOIN pg_class class ON class.oid = attrelid JOIN pg_namespace space ON space.oid = relnamespace
        WHERE attacl IS NOT NULL AND NOT attisdropped
        UNION ALL
        SELECT 'SCHEMA', '', nspname, '', nspacl, nspowner FROM pg_namespace
        UNION ALL
        SELECT 'DATABASE', '', datname, '', coalesce(datacl, acldefault('d', datdba)), datdba
        FROM pg_database WHERE datname = current_database()
        UNION ALL
        SELECT 'LARGE OBJECT', '', large.oid::text, '', lomacl, lomowner FROM pg_largeobject_metadata large
        UNION ALL
        SELECT 'FUNCTION', nspname, proname, coalesce(pg_get_function_identity_arguments(function.oid), ''),
               coalesce(proacl, acldefault('f', proowner)), proowner
        FROM pg_proc function JOIN pg_namespace space ON space.oid = pronamespace
        WHERE function.oid IN (FUNCTIONS) AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
        UNION ALL
        SELECT 'DEFAULT', coalesce(nspname, ''), CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES'
               ELSE 'SCHEMAS' END, pg_get_userbyid(defaclrole), defaclacl, defaclrole
        FROM pg_default_acl LEFT JOIN pg_namespace space ON space.oid = defaclnamespace
        WHERE defaclobjtype IN ('r', 'S', 'n')
    )
    SELECT DISTINCT kind, space, name, more, privilege_type,
           CASE grantee WHEN 0 THEN '' ELSE pg_get_userbyid(grantee) END
    FROM granted, aclexplode(acl)
    WHERE grantee IN (SELECT unnest(%(roles)s::oid[]) UNION SELECT 0) AND grantee <> owner
    AND space !~ '^pg_(toast|temp)' AND name !~ '^pg_(toast|temp)' AND (space, name) <> ('pg_catalog', 'pg_settings')
    AND (privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER', 'MAINTAIN', 'CREATE', 'EXECUTE')
        OR ('SEQUENCE' IN (kind, rtrim(name, 'S')) AND kind IN ('SEQUENCE', 'DEFAULT') AND privilege_type = 'USAGE')
        OR (kind = 'TABLE' AND privilege_type = 'SELECT' AND space NOT IN ('pg_catalog', 'information_schema')
            AND %(has_lists)s AND NOT ALLOWED))
    AND NOT (%(may_write)s AND WRITES)
    ORDER BY 1, 2, 3, 4, 5 LIMIT %(most)s
""".replace("WRITES", WRITES)
    .replace("ALLOWED", ALLOWED)
    .replace("FUNCTIONS", FUNCTIONS)
)
# The owner can change, drop and grant an object, whatever was granted. What is not a table or function is described by
# the server. Default rights and user mappings have an owner there, but are no objects.
OWNED = """
    SELECT DISTINCT kind, space, name, more, pg_get_userbyid(owner) FROM (
        SELECT 'TABLE' AS kind, nspname AS space, relname::text AS name, '' AS more, relowner AS owner
        FROM pg_class JOIN pg_namespace space ON space.oid = relnamespace WHERE relkind ~ '[rpvmfSc]'
        UNION ALL SELECT 'SCHEMA', '', nspname, '', nspowner FROM pg_namespace
        UNION ALL SELECT 'DATABASE', '', datname, '', datdba FROM pg_database WHERE datname = current_database()
        UNION ALL SELECT 'LARGE OBJECT', '', large.oid::text, '', lomowner FROM pg_largeobject_metadata large
        UNION ALL SELECT 'FUNCTION', nspname, proname,
                  coalesce(pg_get_function_identity_arguments(function.oid), ''), proowner
                  FROM pg_proc function JOIN pg_namespace space ON space.oid = pronamespace
        UNION ALL SELECT '', '', pg_describe_object(classid, objid, objsubid), '', refobjid FROM pg_shdepend
                  WHERE deptype = 'o' AND refclassid = 'pg_authid'::regclass
                  AND dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
                  AND classid NOT IN ('pg_class'::regclass, 'pg_namespace'::regclass, 'pg_database'::regclass,
                      'pg_largeobject'::regclass, 'pg_proc'::regclass, 'pg_default_acl'::regclass,
                      'pg_user_mapping'::regclass)
    ) object WHERE owner = ANY(%(roles)s::oid[]) AND owner <> 10 AND space !~ '^pg_' AND name !~ '^pg_(toast|temp)'
    ORDER BY 1, 2, 3, 4 LIMIT %(most)s
"""
# The tables that the allow lists include, and whether the role can read them.
TABLES = """
    SELECT space, name, is_readable FROM (
        SELECT nspname AS space, relname AS name, (has_schema_privilege(relnamespace, 'USAGE')
               AND (has_table_privilege(class.oid, 'SELECT') OR has_any_column_privilege(class.oid, 'SELECT')))
               IS TRUE AS is_readable
        FROM pg_class class JOIN pg_namespace space ON space.oid = relnamespace WHERE relkind ~ '[rpvmf]'
    ) class WHERE space !~ '^pg_' AND space <> 'information_schema' AND ALLOWED ORDER BY 1, 2 LIMIT %(most)s
""".replace("ALLOWED", ALLOWED)
SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname = ANY(%(schemas)s)"
NEW_OWNER = """
    SELECT pg_get_userbyid(CASE WHEN datdba = ANY(%(roles)s::oid[]) THEN 10 ELSE datdba END)
    FROM pg_database WHERE datname = current_database()
"""


@dataclass(frozen=True)
class Role:
    """A role that the agent's role can become. `root` is the membership that leads there; None for the role itself."""

    oid: int
    name: str
    root: str | None
    attributes: tuple[str, ...]


@dataclass(frozen=True)
class Right:
    """A right on an object, and the role that has it: by a grant ('' is PUBLIC), or because it owns the object.

    `more` has the arguments of a function, or the column of a table. Rights on later objects have the kind DEFAULT:
    `name` is what the objects are, and `more` has their owner.
    """

    kind: str
    space: str
    name: str
    more: str
    privilege: str
    role: str

    @property
    def words(self) -> str:
        """The object in words, for a warning."""
        name = f"{self.space}{'.' if self.space else ''}{self.name}"
        if self.kind == "DEFAULT":
            return f"later {self.name.lower()} of {self.more}{' in ' if self.space else ''}{self.space}"
        if self.kind == "FUNCTION":
            return f"function {name}({self.more})"
        column = f"column {self.more} of " if self.more else ""
        return f"{column}{self.kind.lower()} {name}".strip()


@dataclass(frozen=True)
class Table:
    """A table, view or foreign table that the allow lists include."""

    space: str
    name: str
    is_readable: bool


class AllowLists:
    """The allow lists of an agent, and whether it may change data in what they include.

    An entry also means its spelling in lower case and without quotes.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.may_write = not values.get("read_only", True)
        self.schemas: Sequence[str] = values.get("schema_allow_list") or []
        self.tables: Sequence[str] = values.get("table_allow_list") or []

    def parameters(self) -> dict[str, Any]:
        """The parameters of ALLOWED and WRITES."""
        lists = {"schemas": _all_spellings(self.schemas), "tables": _all_spellings(self.tables)}
        return {**lists, "has_lists": bool(self), "may_write": self.may_write, "most": OBJECTS_MAX}

    def __bool__(self) -> bool:
        return bool(self.schemas or self.tables)


class Catalogue:
    """The answers of the catalogue, read once."""

    def __init__(self, session: Session, lists: AllowLists) -> None:
        self._session, self._lists = session, lists
        self.roles = [
            Role(oid, name, root, tuple(label for label, is_set in zip(ATTRIBUTES, flags, strict=True) if is_set))
            for oid, name, root, *flags in session.rows(ROLES, int, str, str | None, *[bool] * len(ATTRIBUTES))
        ]
        own = [role for role in self.roles if role.root is None]
        if not own:
            raise ProbeFailed("postgresql_unreadable")
        self.own = own[0]
        found = {**lists.parameters(), "roles": [role.oid for role in self.roles]}
        rows = [*session.rows(GRANTS, *[str] * 6, **found), *read_server_rights(session, found)]
        self.granted = [Right(*row) for row in rows]
        self.owned = [
            Right(kind, space, name, more, "OWN", owner)
            for kind, space, name, more, owner in session.rows(OWNED, *[str] * 5, **found)
        ]
        self.memberships: list[tuple[str, str]] = [(role, by) for role, by in session.rows(MEMBERSHIPS, str, str)]
        (self.new_owner,) = session.row(NEW_OWNER, str, **found)

    def tables(self) -> list[Table]:
        """The tables that the allow lists include; all if there are none."""
        return [Table(*row) for row in self._session.rows(TABLES, str, str, bool, **self._lists.parameters())]

    def missing_schemas(self) -> list[str]:
        """The allowed schemas that do not exist."""
        found = {name for (name,) in self._session.rows(SCHEMAS, str, **self._lists.parameters())}
        return [entry for entry in self._lists.schemas if not found & set(_all_spellings([entry]))]

    def missing_tables(self, tables: Sequence[Table]) -> list[str]:
        """The allowed tables that do not exist in the allowed schemas."""
        found = {name for table in tables for name in (table.name, f"{table.space}.{table.name}")}
        return [entry for entry in self._lists.tables if not found & set(_all_spellings([entry]))]


def _all_spellings(entries: Sequence[str]) -> list[str]:
    bare = [entry.replace('"', "") for entry in entries]
    return list(dict.fromkeys([*entries, *bare, *(entry.lower() for entry in bare)]))
