"""The one reader of a database URL: what it names, and which settings of a session it asks for. Nothing is connected.

PostgreSQL takes settings of a session in `options`, written as on its command line: `-c name=value` or `--name=value`
(https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-OPTIONS).
"""

import re
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

ROOT = Path(__file__).resolve().parent.parent
SETTING = re.compile(r"(?:-c\s*|--)(?P<name>[A-Za-z_][\w.-]*)=(?P<value>(?:\\.|\S)*)", re.DOTALL)


def parse_url(text: str) -> URL:
    """A database URL as the console uses it: psycopg2 for PostgreSQL, an absolute path for SQLite.

    Relative SQLite paths start at the project's root. Raises ValueError with a sentence that repeats no secret.
    """
    try:
        url = sa.make_url(text.strip())
    except (ArgumentError, ValueError):
        raise ValueError("is not a database URL; write postgresql://user:password@host:5432/dbname.") from None
    if url.drivername in ("postgresql", "postgres", "postgresql+psycopg2"):
        return _postgresql_url(url)
    if url.drivername in ("sqlite", "sqlite+pysqlite"):
        return _sqlite_file_url(url)
    raise ValueError("must begin with postgresql:// or sqlite:///.")


def _postgresql_url(url: URL) -> URL:
    # Without a host the server is on this machine; what stands behind a question mark may name the database too.
    if not (url.database or url.query):
        raise ValueError("must name the database; write postgresql://user:password@host:5432/dbname.")
    if "@" in (url.host or ""):
        # The password's end would be shown and looked up as the name of a host.
        raise ValueError("has more than one @; in a password write %40 for it.")
    if any("\0" in str(part) for part in url):
        raise ValueError("holds a zero byte (%00), which PostgreSQL does not take.")
    return url.set(drivername="postgresql+psycopg2")


def _sqlite_file_url(url: URL) -> URL:
    if not url.database or url.database == ":memory:" or url.query:
        raise ValueError("must name a file for SQLite and nothing more, such as sqlite:///instance/console.db.")
    return url.set(drivername="sqlite", database=str(ROOT / Path(url.database).expanduser()))


def session_settings(url: URL) -> dict[str, str]:
    """What `options` sets for a session, by name; of a name that is set twice the last value counts."""
    given = url.query.get("options", "")
    text = given if isinstance(given, str) else " ".join(given)
    found = SETTING.finditer(text)
    return {one["name"].lower().replace("-", "_"): re.sub(r"\\(.)", r"\1", one["value"]) for one in found}


def schema_of(url: URL) -> str | None:
    """The schema in which this URL puts what has no schema in its name: the first of `search_path`, if it sets one."""
    first = session_settings(url).get("search_path", "").partition(",")[0].strip()
    return first.strip('"') or None


def with_schema(url: URL, schema: str) -> URL:
    """The URL whose sessions see this schema alone. Raises ValueError where that cannot be."""
    if url.get_backend_name() != "postgresql":
        raise ValueError("names an SQLite file, which has no schemas. Remove DATABASE_SCHEMA.")
    path = session_settings(url).get("search_path", schema)
    if path != schema:
        raise ValueError(f"sets search_path={path} in its options and DATABASE_SCHEMA is {schema}. Keep one of them.")
    if schema_of(url) == schema:
        return url
    given = url.query.get("options", "")
    before = given if isinstance(given, str) else " ".join(given)
    return url.update_query_dict({"options": f"{before} -csearch_path={schema}".strip()})
