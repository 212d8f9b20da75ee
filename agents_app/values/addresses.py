"""Reads whole addresses in the formats of other programs into the parts for each field."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from agents_app.values import limits
from agents_app.values.host_names import read_host
from agents_app.values.pasted import unwrap

SCHEMES = {
    **dict.fromkeys(("postgresql", "postgres", "pgsql"), "postgresql"),
    **dict.fromkeys(("mysql", "mariadb"), "mysql"),
    **dict.fromkeys(("mssql", "sqlserver"), "mssql"),
    **dict.fromkeys(("http", "https", "tcp"), ""),
}
SETTING = re.compile(r"""\A(?:export\s+)?[A-Z][A-Z0-9_]*=\s*(?=["']?[a-z][a-z0-9+.:-]*://)""")
PLACE = re.compile(
    r"""
    ((?P<protocol>tcp|np|lpc):)? ((?P<login>[^/\\\s]+)@)? (?P<host>\[[0-9A-Fa-f:.]+\]|[^:,/\\\s\[\]@]+)
    (\\(?P<instance>[\w$\#-]+))? ([:,]\s?(?P<port>[0-9]{1,5}))? (/(?P<database>[^/?\#\s@]*))?
    """,
    re.IGNORECASE | re.VERBOSE,
)
PAIR = re.compile(r"""([^=;]+)=\s*("(?:[^"]|"")*"|'(?:[^']|'')*'|\{(?:[^}]|\}\})*\}|[^;]*?)\s*(?:;|\Z)""")
LIBPQ_PAIR = re.compile(r"(\w+)\s?=\s?('(?:[^'\\]|\\.)*'|[^\s']\S*)(?:\s+|\Z)")
# The names of the settings whose values have a field here, without spaces, underscores and capitals.
NAMES = {
    **dict.fromkeys(("server", "host", "hostname", "servername", "datasource", "addr", "address"), "host"),
    "port": "port",
    **dict.fromkeys(("database", "initialcatalog", "dbname", "databasename"), "database"),
    **dict.fromkeys(("userid", "uid", "user", "username"), "username"),
    **dict.fromkeys(("password", "pwd"), "password"),
    **dict.fromkeys(("sslmode", "ssl-mode"), "sslmode"),
    **dict.fromkeys(("encrypt", "trustservercertificate", "driver"), ""),
}
OF_SQL_SERVER = {"initialcatalog", "datasource", "encrypt", "trustservercertificate", "multipleactiveresultsets"}
TLS = {
    **dict.fromkeys(("disable", "disabled"), "disable"),
    **dict.fromkeys(("require", "required"), "require"),
    **dict.fromkeys(("verifyca",), "verify-ca"),
    **dict.fromkeys(("verifyfull", "verifyidentity"), "verify-full"),
}
YES, NO = {"true", "yes", "mandatory", "strict"}, {"false", "no", "optional"}


@dataclass(frozen=True)
class Parts:
    """The parts of an address, by the name of the field. Of a password only that there is one."""

    values: dict[str, str]
    has_password: bool = False
    has_more: bool = False
    """Whether it has a part for which there is no field."""
    instance: str = ""
    """The named instance of SQL Server. It has no field, as it is reached by its port."""


def read_connection_string(text: str) -> Parts | None:
    """The parts of a URL or of a list of settings. None if the text is neither."""
    text = unwrap(SETTING.sub("", unwrap(text), count=1))
    text = re.sub(r"\Ajdbc:", "", text, flags=re.IGNORECASE)
    if "://" in text:
        return _read_url(text)
    return _parts(_read_settings(_pairs(text))) if "=" in text else None


def read_database(text: str) -> Parts | None:
    """The parts of an address of a database in any format. None if the text is not one, or is a host only."""
    if found := read_connection_string(text):
        return found
    bare = unwrap(text)
    return None if read_host(bare) else _parts({"host": bare})


def _parts(settings: Mapping[str, str], *, has_password: bool = False) -> Parts | None:
    """The parts of an address whose `host` may include a port, a login and more. None if it is not a host."""
    found = PLACE.fullmatch(settings.get("host", ""))
    host = read_host(found["host"]) if found else None
    port = (found["port"] if found else "") or settings.get("port", "")
    if not found or not host or not re.fullmatch("[0-9]{0,5}", port) or not 0 < int(port or 1) <= limits.PORT:
        return None
    user, is_secret = _login(found["login"] or "")
    is_sql_server = found["protocol"] or found["instance"]
    values = {
        "dialect": settings.get("dialect") or ("mssql" if is_sql_server else ""),
        "host": host,
        "port": port,
        "database": settings.get("database") or unquote(found["database"] or ""),
        "username": settings.get("username") or user,
        "sslmode": settings.get("sslmode", ""),
    }
    is_secret = is_secret or has_password or bool(settings.get("password"))
    return Parts(_without_empty(values), is_secret, "more" in settings, found["instance"] or "")


def _read_url(text: str) -> Parts | None:
    scheme, _, rest = text.partition("://")
    dialect = SCHEMES.get(scheme.lower().partition("+")[0])
    cut = re.search(r"[?#;]", rest)
    head, more = (rest[: cut.start()], rest[cut.end() :]) if cut else (rest, "")
    # An at sign after the query begins may belong to a password that was not percent-encoded.
    if dialect is None or ("@" in more and "@" not in head):
        return None
    login, _, place = head.rpartition("@")
    authority, _, path = place.partition("/")
    user, is_secret = _login(login)
    if not dialect:
        return _parts(_without_empty({"host": authority, "more": path + more}), has_password=is_secret)
    settings = {"dialect": dialect, "host": authority, "database": unquote(path.strip("/")), "username": user}
    pairs = _pairs(more) if cut and cut[0] == ";" else parse_qsl(more)
    return _parts(_without_empty(settings) | _read_settings(pairs) | {"dialect": dialect}, has_password=is_secret)


def _login(text: str) -> tuple[str, bool]:
    """The user name of a login, and whether a password follows. A user name is assumed to have no colon or slash."""
    plain = unquote(text)
    user = re.split("[:/]", plain, maxsplit=1)[0]
    return user, len(plain) > len(user) + 1


def _without_empty(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def _pairs(text: str) -> list[tuple[str, str]]:
    """The settings of a list with semicolons, or with spaces as for libpq. Empty if there is any other text."""
    pattern = PAIR if ";" in text or not LIBPQ_PAIR.match(text) else LIBPQ_PAIR
    pairs, at, text = [], 0, text.strip()
    while at < len(text):
        found = pattern.match(text, at)
        if not found:
            return []
        pairs.append((found[1], found[2]))
        at = found.end()
    return pairs


def _read_settings(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """The values of settings, by the name of the field; `more` if a setting has no field."""
    given = {re.sub(r"[\s_]", "", name).lower(): value.strip("\"'{} ") for name, value in pairs}
    found = {NAMES[name]: value for name, value in given.items() if NAMES.get(name) and value}
    mode = TLS.get(re.sub(r"[-_\s]", "", found.pop("sslmode", "")).lower(), "")
    encrypt = given.get("encrypt", "").lower()
    if encrypt in YES:
        mode = "require" if given.get("trustservercertificate", "").lower() in YES else "verify-full"
    mode = "disable" if encrypt in NO else mode
    driver = given.get("driver", "").lower()
    kinds = {"sql server": "mssql", "postgres": "postgresql", "mysql": "mysql", "maria": "mysql"}
    dialect = next((kind for word, kind in kinds.items() if word in driver), "")
    dialect = dialect or ("mssql" if given.keys() & OF_SQL_SERVER else "postgresql" if "dbname" in given else "")
    has_more = bool(given.keys() - NAMES.keys()) or (not mode and "sslmode" in given)
    return found | _without_empty({"sslmode": mode, "dialect": dialect, "more": "yes" if has_more else ""})
