"""Warnings about the rights of a database role: what it could change, although its agent should only read."""

from agents_app.probes.causes.cause import Cause, Mender

REMOVE = "Ask the database administrator to run the statements of this test, or enter a role that can only read."

CAUSES = {
    "role_superuser": Cause(
        "The role {role} is a superuser or can become one: it can do everything on this server.",
        REMOVE,
        Mender.DATABASE_ADMIN,
    ),
    "role_attributes": Cause(
        "The role {role} has attributes that an agent does not need: {attributes}.", REMOVE, Mender.DATABASE_ADMIN
    ),
    "role_memberships": Cause(
        "The role {role} is a member of roles that can change data or the server: {roles}.",
        REMOVE,
        Mender.DATABASE_ADMIN,
    ),
    "role_writes": Cause("The role {role} can change data: {objects}.", REMOVE, Mender.DATABASE_ADMIN),
    "role_owns": Cause(
        "The role {role} owns objects, so it can change, drop and grant them: {objects}.",
        REMOVE,
        Mender.DATABASE_ADMIN,
    ),
    "role_creates": Cause("The role {role} can create objects: {objects}.", REMOVE, Mender.DATABASE_ADMIN),
    "role_will_write": Cause(
        "The role {role} will be able to change objects that others create later: {objects}.",
        REMOVE,
        Mender.DATABASE_ADMIN,
    ),
    "role_runs": Cause(
        "The role {role} can run functions that act with the rights of another user: {objects}.",
        REMOVE,
        Mender.DATABASE_ADMIN,
    ),
    "role_reads_more": Cause(
        "The role {role} can also read tables that the allow lists of the agent do not include: {objects}.",
        REMOVE,
        Mender.DATABASE_ADMIN,
    ),
    "schemas_missing": Cause(
        "Allowed schemas do not exist in the database, or are hidden from the role: {names}.",
        "Correct the field Allowed schemas. If it is right, ask the database administrator to give the role access.",
        Mender.YOU,
    ),
    "tables_missing": Cause(
        "Allowed tables do not exist in the database, or are hidden from the role: {names}.",
        "Correct the field Allowed tables. If it is right, ask the database administrator to give the role access.",
        Mender.YOU,
    ),
    "tables_unreadable": Cause(
        "The role {role} cannot read these allowed tables: {names}.",
        "Ask the database administrator to run the statements of this test.",
        Mender.DATABASE_ADMIN,
    ),
    "nothing_readable": Cause(
        "The role {role} can read no table of the database {database}.",
        "Ask the database administrator to grant the right to read the tables of the agent.",
        Mender.DATABASE_ADMIN,
    ),
}
