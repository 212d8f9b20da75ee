"""Reads from the catalogue the rights of a role beyond the data of its database: foreign servers and settings."""

from typing import Any

from agents_app.probes.postgresql.session import Session

# With a user mapping, a foreign server lets the role act there with the rights of another user. Ordinary users can read
# who has one in this view only.
FOREIGN_SERVERS = """
    SELECT DISTINCT 'FOREIGN SERVER', '', srvname, '', privilege_type,
           CASE grantee WHEN 0 THEN '' ELSE pg_get_userbyid(grantee) END
    FROM pg_foreign_server server, aclexplode(srvacl)
    WHERE grantee IN (SELECT unnest(%(roles)s::oid[]) UNION SELECT 0) AND grantee <> srvowner
    AND EXISTS (SELECT 1 FROM pg_user_mappings WHERE srvid = server.oid
                AND umuser IN (SELECT unnest(%(roles)s::oid[]) UNION SELECT 0))
    ORDER BY 3, 5 LIMIT %(most)s
"""
HAS_PARAMETERS = "SELECT 1 FROM pg_class WHERE oid = to_regclass('pg_catalog.pg_parameter_acl')"
# From PostgreSQL 15 on. One setting can be a program that the server runs.
PARAMETERS = """
    SELECT DISTINCT 'PARAMETER', '', parname, '', privilege_type,
           CASE grantee WHEN 0 THEN '' ELSE pg_get_userbyid(grantee) END
    FROM pg_parameter_acl, aclexplode(paracl)
    WHERE grantee IN (SELECT unnest(%(roles)s::oid[]) UNION SELECT 0) AND grantee <> 10
    ORDER BY 3, 5 LIMIT %(most)s
"""


def read_server_rights(session: Session, found: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The rights, as the catalogue reads those on objects. `found` has the roles, and how many rights to read."""
    parameters = session.rows(PARAMETERS, *[str] * 6, **found) if session.rows(HAS_PARAMETERS, int) else []
    return [*session.rows(FOREIGN_SERVERS, *[str] * 6, **found), *parameters]
