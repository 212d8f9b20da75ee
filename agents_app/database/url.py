"""Parses database URLs: the database, the schema and the session settings that a URL names. It opens no connection.

PostgreSQL takes session settings from `options`, written as on its command line: `-c name=value` or `--name=value`
(https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-OPTIONS).
"""

import re
from pathlib import Path
from urllib.parse import quote, unquote

from sqlalchemy.engine import URL

from agents_app.database import postgresql_url
from agents_app.database.quoting import quote_for_setting
from agents_app.paths import HOME

SETTING = re.compile(r"(?:-c\s*|--)(?P<name>[A-Za-z_][\w.-]*)=(?P<value>(?:\\.|\S)*)", re.DOTALL)
POSTGRESQL = ("postgresql", "postgres", "postgresql+psycopg2")
SQLITE = ("sqlite", "sqlite+pysqlite")
# libpq also accepts `host=… dbname=…`.
DSN = re.compile(r"[a-z_]+\s*=")
# Other address formats, by their beginning, and what to write instead.
OTHER_FORMATS = {
    re.compile(r"psql\s"): "begins with psql. Write only the address that follows it.",
    re.compile(r"jdbc:"): "begins with jdbc:, which is the Java format. Remove jdbc:.",
    re.compile(r"(postgres(ql)?|sqlite)\+(?!psycopg2:|pysqlite:)"): (
        "names a driver that the console does not use. Write postgresql:// or sqlite:/// without a driver."
    ),
    re.compile(r"[A-Za-z ]+=[^;=]*;[A-Za-z ]+="): (
        "has the .NET format, with semicolons. Write postgresql://user:password@host:5432/dbname."
    ),
}
SQLITE_FORM = "such as sqlite:///instance/console.db (below the project's root) or sqlite:////srv/console.db."
# The first name of a `search_path`: in double quotes (a quote inside is doubled), or unquoted in upper or lower case.
FIRST_SCHEMA = re.compile(r'\s*(?:"(?P<quoted>(?:[^"]|"")*)"|(?P<plain>[^,\s]*))')
UNQUOTED_NAME = re.compile(r"[a-z_][a-z0-9_]*")
# The schema with the name of the role. It is the first one of PostgreSQL's default search path.
USER_SCHEMA = "$user"


def parse_url(text: str) -> URL:
    """Parse a database URL. The result uses psycopg2 for PostgreSQL, and an absolute path for SQLite.

    Paths are relative to the project's root. Raises ValueError with a message without secrets.
    """
    text = text.strip()
    for pattern, advice in OTHER_FORMATS.items():
        if pattern.match(text):
            raise ValueError(advice)
    scheme = text.partition(":")[0].lower()
    if scheme in SQLITE:
        return _sqlite_file_url(text)
    if "://" in text and scheme in POSTGRESQL:
        return _keep_first_schema(postgresql_url.parse_uri(text, HOME))
    if DSN.match(text):
        return _keep_first_schema(postgresql_url.parse_key_value(text, HOME))
    raise ValueError("must begin with postgresql:// or sqlite:///." if "://" in text else postgresql_url.NOT_A_URL)


def _sqlite_file_url(text: str) -> URL:
    rest = text[text.index(":") :]
    path = unquote(rest.removeprefix(":///"))
    if not rest.startswith(":///"):
        raise ValueError(f"must have three slashes and then the path, {SQLITE_FORM}")
    if not path or path == ":memory:" or path.endswith("/") or "?" in path:
        raise ValueError(f"must name a file for SQLite and nothing else, {SQLITE_FORM}")
    if re.match(r"file:|[A-Za-z]:|.*\\", path) or "\0" in path:
        raise ValueError(f"must contain a plain path, without file: or a drive letter, {SQLITE_FORM}")
    try:
        return URL.create("sqlite", database=str(HOME / Path(path).expanduser()))
    except RuntimeError:
        raise ValueError("begins with ~ and a user name that does not exist.") from None


def _keep_first_schema(url: URL) -> URL:
    # Tables in the other schemas of the search path belong to other programs, so they must not be found.
    schema = schema_of(url)
    if schema is None or "," not in session_settings(url)["search_path"]:
        return url
    option = _search_path_option(schema)
    options = SETTING.sub(lambda match: option if _setting_name(match) == "search_path" else match[0], _options(url))
    return url.update_query_dict({"options": options})


def _search_path_option(schema: str) -> str:
    quoted = re.sub(r"([\s\\])", r"\\\1", quote_for_setting(schema))
    return f"-csearch_path={schema if UNQUOTED_NAME.fullmatch(schema) else quoted}"


def session_settings(url: URL) -> dict[str, str]:
    """Return the session settings in `options`, by name. If a name is set twice, the last value counts."""
    settings = SETTING.finditer(_options(url))
    return {_setting_name(setting): re.sub(r"\\(.)", r"\1", setting["value"]) for setting in settings}


def _options(url: URL) -> str:
    given = url.query.get("options", "")
    return given if isinstance(given, str) else " ".join(given)


def _setting_name(setting: re.Match[str]) -> str:
    return setting["name"].lower().replace("-", "_")


def schema_of(url: URL) -> str | None:
    """Return the first schema of `search_path` in this URL; None if the URL sets none, or sets `$user`."""
    first = FIRST_SCHEMA.match(session_settings(url).get("search_path", ""))
    if first is None:
        return None
    name = first["plain"].lower() if first["quoted"] is None else first["quoted"].replace('""', '"')
    return None if name in ("", USER_SCHEMA) else name


def with_schema(url: URL, schema: str) -> URL:
    """Return the URL with `search_path` set to this schema. Raises ValueError if the URL does not allow it."""
    if url.get_backend_name() != "postgresql":
        raise ValueError("names an SQLite file, which has no schemas. Remove DATABASE_SCHEMA.")
    if schema_of(url) == schema:
        return url
    path = session_settings(url).get("search_path")
    if path is not None:
        raise ValueError(f"sets search_path={path} in its options and DATABASE_SCHEMA is {schema}. Keep one of them.")
    return url.update_query_dict({"options": f"{_options(url)} {_search_path_option(schema)}".strip()})


def printable_url(url: URL) -> str:
    """Return the URL as text for messages, without its passwords."""
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{url.database}"
    query = {name: "***" if "password" in name else value for name, value in url.query.items()}
    shown = url.set(drivername=url.get_backend_name(), query=query).render_as_string(hide_password=True)
    for sign in ("***", ",", "/"):
        shown = shown.replace(quote(sign, safe=""), sign)
    return shown
