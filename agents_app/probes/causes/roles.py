"""Warnings about the rights of a user of a database: what the user could change, although an agent should only read."""

from agents_app.probes.causes.cause import Cause, Responsible

REMOVE = "Ask the database administrator to run the statements of this test, or enter a user that can only read."
ANOTHER = (
    "Ask the database administrator for another user, which can only read. docs/connections.md shows how to create one."
)


def excess(what: str) -> Cause:
    """The warning about rights of a user that the agent does not need."""
    return Cause(what, REMOVE, Responsible.DATABASE_ADMIN, without_statements=ANOTHER)


CAUSES = {
    "role_superuser": excess("The user {role} is a superuser or can become one, and can do everything on this server."),
    "role_attributes": excess("The user {role} has attributes that an agent does not need: {attributes}."),
    "role_memberships": excess("The user {role} is a member of roles that can change data or the server: {roles}."),
    "role_writes": excess("The user {role} can change data: {objects}."),
    "role_owns": excess("The user {role} owns objects, so the user can change, drop and grant them: {objects}."),
    "role_creates": excess("The user {role} can create objects: {objects}."),
    "role_will_write": excess("The user {role} will be able to change objects that others create later: {objects}."),
    "role_runs": excess("The user {role} can run functions that act with the rights of another user: {objects}."),
    "role_uses_servers": excess(
        "The user {role} can use foreign servers, where it has the rights of another user: {objects}."
    ),
    "role_changes_settings": excess(
        "The user {role} can change settings that only a superuser should change: {objects}."
    ),
    "role_reads_all": excess(
        "The user {role} is a member of pg_read_all_data, so it can read every table, also the one with the hashes of "
        + "all passwords."
    ),
    "role_reads_more": excess(
        "The user {role} can also read tables that the allow lists of the agent do not include: {objects}."
    ),
    "schemas_missing": Cause(
        "Allowed schemas do not exist in the database, or are hidden from the user: {names}.",
        "Correct the field Allowed schemas. If it is right, ask the database administrator to give the user access. "
        + "Until then, a test gives no statements for the rights of the user.",
        Responsible.YOU,
    ),
    "tables_missing": Cause(
        "Allowed tables do not exist in the database, or are hidden from the user: {names}.",
        "Correct the field Allowed tables. If it is right, ask the database administrator to give the user access. "
        + "Until then, a test gives no statements for the rights of the user.",
        Responsible.YOU,
    ),
    "tables_unreadable": Cause(
        "The user {role} cannot read these allowed tables: {names}.",
        "Ask the database administrator to run the statements of this test.",
        Responsible.DATABASE_ADMIN,
        without_statements="Ask the database administrator to grant the right to read them.",
    ),
    "nothing_readable": Cause(
        "The user {role} can read no table of the database {database}.",
        "Ask the database administrator to grant the right to read the tables of the agent.",
        Responsible.DATABASE_ADMIN,
    ),
}
