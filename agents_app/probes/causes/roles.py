"""Warnings about the rights of a user of a database: what the user could change, although an agent should only read."""

from agents_app.probes.causes.cause import Cause, Responsible

REMOVE = "Ask the database administrator to run the statements of this test, or enter a user that can only read."

CAUSES = {
    "role_superuser": Cause(
        "The user {role} is a superuser or can become one, and can do everything on this server.",
        REMOVE,
        Responsible.DATABASE_ADMIN,
    ),
    "role_attributes": Cause(
        "The user {role} has attributes that an agent does not need: {attributes}.", REMOVE, Responsible.DATABASE_ADMIN
    ),
    "role_memberships": Cause(
        "The user {role} is a member of roles that can change data or the server: {roles}.",
        REMOVE,
        Responsible.DATABASE_ADMIN,
    ),
    "role_writes": Cause("The user {role} can change data: {objects}.", REMOVE, Responsible.DATABASE_ADMIN),
    "role_owns": Cause(
        "The user {role} owns objects, so the user can change, drop and grant them: {objects}.",
        REMOVE,
        Responsible.DATABASE_ADMIN,
    ),
    "role_creates": Cause("The user {role} can create objects: {objects}.", REMOVE, Responsible.DATABASE_ADMIN),
    "role_will_write": Cause(
        "The user {role} will be able to change objects that others create later: {objects}.",
        REMOVE,
        Responsible.DATABASE_ADMIN,
    ),
    "role_runs": Cause(
        "The user {role} can run functions that act with the rights of another user: {objects}.",
        REMOVE,
        Responsible.DATABASE_ADMIN,
    ),
    "role_reads_more": Cause(
        "The user {role} can also read tables that the allow lists of the agent do not include: {objects}.",
        REMOVE,
        Responsible.DATABASE_ADMIN,
    ),
    "schemas_missing": Cause(
        "Allowed schemas do not exist in the database, or are hidden from the user: {names}.",
        "Correct the field Allowed schemas. If it is right, ask the database administrator to give the user access.",
        Responsible.YOU,
    ),
    "tables_missing": Cause(
        "Allowed tables do not exist in the database, or are hidden from the user: {names}.",
        "Correct the field Allowed tables. If it is right, ask the database administrator to give the user access.",
        Responsible.YOU,
    ),
    "tables_unreadable": Cause(
        "The user {role} cannot read these allowed tables: {names}.",
        "Ask the database administrator to run the statements of this test.",
        Responsible.DATABASE_ADMIN,
    ),
    "nothing_readable": Cause(
        "The user {role} can read no table of the database {database}.",
        "Ask the database administrator to grant the right to read the tables of the agent.",
        Responsible.DATABASE_ADMIN,
    ),
}
