"""The one reader of a database URL: what it names, and which settings of a session it asks for. Nothing is connected.

PostgreSQL takes settings of a session in `options`, written as on its command line: `-c name=value` or `--name=value`
(https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-OPTIONS).
"""

import re
from pathlib import Path
from urllib.parse import quote, unquote

from sqlalchemy.engine import URL

from agents_app.database import postgresql_url
from agents_app.paths import ROOT

SETTING = re.compile(r"(?:-c\s*|--)(?P<name>[A-Za-z_][\w.-]*)=(?P<value>(?:\\.|\S)*)", re.DOTALL)
POSTGRESQL = ("postgresql", "postgres", "postgresql+psycopg2")
SQLITE = ("sqlite", "sqlite+pysqlite")
# `host=… dbname=…`, as libpq takes it too.
DSN = re.compile(r"[a-z_]+\s*=")
# Other formats of an address, by their beginning, and what to write instead.
PASTED = {
    re.compile(r"psql\s"): "begins with psql. Write only the address that stands behind it.",
    re.compile(r"jdbc:"): "begins with jdbc:, as Java writes it. Leave that out.",
    re.compile(r"(postgres(ql)?|sqlite)\+(?!psycopg2:|pysqlite:)"): (
        "names a driver that the console does not use. Write postgresql:// or sqlite:///, without one."
    ),
    re.compile(r"[A-Za-z ]+=[^;=]*;[A-Za-z ]+="): (
        "is written for .NET, with semicolons. Write postgresql://user:password@host:5432/dbname."
    ),
}
SQLITE_FORM = "such as sqlite:///instance/console.db (below the project's root) or sqlite:////srv/console.db."
# The first name of a `search_path`: in double quotes, where a quote is written twice, or without them and in any case.
FIRST = re.compile(r'\s*(?:"(?P<quoted>(?:[^"]|"")*)"|(?P<plain>[^,\s]*))')
PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
# The schema that is called like the role; a server looks for it first where nothing says otherwise.
USER_SCHEMA = "$user"


def parse_url(text: str) -> URL:
    """A database URL as the console uses it: psycopg2 for PostgreSQL, an absolute path for SQLite.

    Relative paths start at the project's root. Raises ValueError with a sentence that repeats no secret.
    """
    text = text.strip()
    for beginning, advice in PASTED.items():
        if beginning.match(text):
            raise ValueError(advice)
    scheme = text.partition(":")[0].lower()
    if scheme in SQLITE:
        return _sqlite_file_url(text)
    if "://" in text and scheme in POSTGRESQL:
        return _with_one_schema(postgresql_url.read_uri(text, ROOT))
    if DSN.match(text):
        return _with_one_schema(postgresql_url.read_dsn(text, ROOT))
    raise ValueError("must begin with postgresql:// or sqlite:///." if "://" in text else postgresql_url.NOT_A_URL)


def _sqlite_file_url(text: str) -> URL:
    rest = text[text.index(":") :]
    path = unquote(rest.removeprefix(":///"))
    if not rest.startswith(":///"):
        raise ValueError(f"must have three slashes and then the path, {SQLITE_FORM}")
    if not path or path == ":memory:" or path.endswith("/") or "?" in path:
        raise ValueError(f"must name a file for SQLite and nothing more, {SQLITE_FORM}")
    if re.match(r"file:|[A-Za-z]:|.*\\", path) or "\0" in path:
        raise ValueError(f"must name the file by its plain path, {SQLITE_FORM}")
    try:
        return URL.create("sqlite", database=str(ROOT / Path(path).expanduser()))
    except RuntimeError:
        raise ValueError("begins with ~ and a user name that does not exist.") from None


def _with_one_schema(url: URL) -> URL:
    # What is not found in the first schema must not be found in the next one: the tables there are another program's.
    schema = schema_of(url)
    if schema is None or "," not in session_settings(url)["search_path"]:
        return url
    only = _search_path(schema)
    options = SETTING.sub(lambda found: only if _name_of(found) == "search_path" else found[0], _options_of(url))
    return url.update_query_dict({"options": options})


def _search_path(schema: str) -> str:
    quoted = re.sub(r"([\s\\])", r"\\\1", '"' + schema.replace('"', '""') + '"')
    return f"-csearch_path={schema if PLAIN.fullmatch(schema) else quoted}"


def session_settings(url: URL) -> dict[str, str]:
    """What `options` sets for a session, by name; of a name that is set twice the last value counts."""
    found = SETTING.finditer(_options_of(url))
    return {_name_of(one): re.sub(r"\\(.)", r"\1", one["value"]) for one in found}


def _options_of(url: URL) -> str:
    given = url.query.get("options", "")
    return given if isinstance(given, str) else " ".join(given)


def _name_of(setting: re.Match[str]) -> str:
    return setting["name"].lower().replace("-", "_")


def schema_of(url: URL) -> str | None:
    """The schema that this URL names: the first of `search_path`, if it sets one that is not called like the role."""
    first = FIRST.match(session_settings(url).get("search_path", ""))
    if first is None:
        return None
    name = first["plain"].lower() if first["quoted"] is None else first["quoted"].replace('""', '"')
    return None if name in ("", USER_SCHEMA) else name


def with_schema(url: URL, schema: str) -> URL:
    """The URL whose sessions see this schema alone. Raises ValueError where that cannot be."""
    if url.get_backend_name() != "postgresql":
        raise ValueError("names an SQLite file, which has no schemas. Remove DATABASE_SCHEMA.")
    if schema_of(url) == schema:
        return url
    path = session_settings(url).get("search_path")
    if path is not None:
        raise ValueError(f"sets search_path={path} in its options and DATABASE_SCHEMA is {schema}. Keep one of them.")
    return url.update_query_dict({"options": f"{_options_of(url)} {_search_path(schema)}".strip()})


def printable_url(url: URL) -> str:
    """The address of a database as it may be shown: no password, wherever it stands."""
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{url.database}"
    query = {name: "***" if "password" in name else value for name, value in url.query.items()}
    shown = url.set(drivername=url.get_backend_name(), query=query).render_as_string(hide_password=True)
    for sign in ("***", ",", "/"):
        shown = shown.replace(quote(sign, safe=""), sign)
    return shown
