"""The databases of the programs: the console's, and copies with the same agents for the others."""

import sqlalchemy as sa

from benchmarks.migrations.rows import execute

# An index of the console would cost the others, which do not use it, when they create an agent.
DROP_INDEXES = """
DO $$
DECLARE name regclass;
BEGIN
    FOR name IN SELECT indexrelid FROM pg_index WHERE indrelid = 'agents'::regclass
        AND indexrelid NOT IN (SELECT conindid FROM pg_constraint)
    LOOP EXECUTE 'DROP INDEX ' || name; END LOOP;
END $$
"""
# The orders of the list and of the page.
OWN_INDEXES = ("CREATE INDEX ON agents (created_at, id)", "CREATE INDEX ON agents (updated_at, id)")


def create(server_url: str, name: str, template: str = "template0") -> str:
    """Create a database, and return its URL. No other connection may use the template at that time."""
    execute(server_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    return url_of(server_url, name)


def url_of(server_url: str, name: str) -> str:
    """The URL of a database."""
    return sa.make_url(server_url).set(database=name).render_as_string(hide_password=False)


def create_copy(server_url: str, name: str, template: str) -> str:
    """Create a copy for a program without tenants and history: the same agents, indexes of its own, no history."""
    url = create(server_url, name, template)
    execute(url, DROP_INDEXES, "TRUNCATE agent_versions, events CASCADE", *OWN_INDEXES, "VACUUM ANALYZE")
    return url
