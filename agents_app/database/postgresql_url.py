"""Reads the address of a PostgreSQL database into a URL of SQLAlchemy. It means what it means to libpq, or is refused.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING. As in SQLAlchemy, a `+` behind the question
mark is a space, a port may stand behind the host there, and a password may hold `/`, `?`, `:` and a lone `%`.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from psycopg2 import ProgrammingError
from psycopg2.extensions import parse_dsn
from sqlalchemy.engine import URL

Parameters = dict[str, str]

DRIVER = "postgresql+psycopg2"
HOST = r"(?:\[[^\[\]/@]*\]|[^\[\]/:,@?]*)(?::[0-9]*)?"
ADDRESS = re.compile(rf"(?P<hosts>{HOST}(?:,{HOST})*)(?:/(?P<dbname>[^?]*))?(?:\?(?P<query>.*))?")
# A host that needs no other place than the one before the path: a name, or an address without a zone.
PLAIN_HOST = re.compile(r"[\w.-]+|[0-9A-Fa-f.:]+", re.ASCII)
WITH_PORT = re.compile(r"(?P<host>[A-Za-z0-9.-]+):(?P<port>[0-9]+)")
NOT_A_URL = "is not a database URL; write postgresql://user:password@host:5432/dbname."
NOT_AN_ADDRESS = (
    "must have host:5432/dbname behind the @ (in a password write %40 for @), and [ ] around an IPv6 address."
)
NO_DATABASE = "must name the database; write postgresql://user:password@host:5432/dbname."

# Names are shown. A `/` in a password may end it too early, and so may an address inside another one: the rest would be
# read as a name. A user may be `name@server`, and a host that begins with @ is an abstract socket.
NO_NAMES = {
    "dbname": ("a database name", re.compile(r"@|://|=")),
    "user": ("a user name", re.compile(r"://|:.*@", re.DOTALL)),
    "host": ("a host", re.compile(r"://|[^,]@")),
}
NO_NAME = "has {} that holds a piece of another address; in a password write %2F for / and %40 for @."

# What libpq itself would refuse only when it connects.
CHOICES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "channel_binding": ("disable", "prefer", "require"),
    "gssencmode": ("disable", "prefer", "require"),
    "load_balance_hosts": ("disable", "random"),
}
NUMBERS = ("connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count")
FILES = ("sslcert", "sslkey", "sslrootcert", "sslcrl", "sslcrldir", "passfile")


def read_uri(text: str, root: Path) -> URL:
    """The URL of `postgresql://…`. Relative paths start at `root`. Raises ValueError, which repeats no secret."""
    rest = text.partition("://")[2]
    ends = [-1, *(found.start() for found in re.finditer("@", rest))]
    # The first place behind which an address can be read: passwords and parameters may hold more.
    found = next(((end, address) for end in ends if (address := ADDRESS.fullmatch(rest, end + 1))), None)
    if found is None:
        raise ValueError(NOT_AN_ADDRESS)
    end, address = found
    user, _, password = rest[: max(end, 0)].partition(":")
    if "@" in password:
        raise ValueError("has more than one @; in a password write %40 for it.")
    before = {"user": user, "password": password, "dbname": address["dbname"] or "", **_hosts(address["hosts"])}
    return _url({name: _decoded(part) for name, part in before.items()} | _query(address["query"] or ""), root)


def read_dsn(text: str, root: Path) -> URL:
    """The URL of `host=… dbname=…`. Relative paths start at `root`. Raises ValueError, which repeats no secret."""
    try:
        return _url(parse_dsn(text), root)
    except (ProgrammingError, UnicodeDecodeError):
        raise ValueError(NOT_A_URL) from None


def _hosts(text: str) -> Parameters:
    hosts, ports = [], []
    for one in text.split(","):
        host, _, port = one[1:].partition("]") if one.startswith("[") else one.partition(":")
        hosts.append(host)
        ports.append(port.removeprefix(":"))
    return {name: ",".join(parts) for name, parts in (("host", hosts), ("port", ports)) if any(parts)}


def _query(text: str) -> Parameters:
    given: Parameters = {}
    for pair in filter(None, text.split("&")):
        name, _, value = (_decoded(part.replace("+", " ")) for part in pair.partition("="))
        if (name, value) == ("ssl", "true"):
            name, value = "sslmode", "require"
        if not _is_known(name):
            raise ValueError(f"has a parameter that PostgreSQL does not know{_named(name)}. Remove it.")
        if name in given and name != "host":
            raise ValueError(f"has the parameter {name} twice. Keep one of them.")
        given[name] = f"{given[name]},{value}" if name in given else value
    return {name: value for name, value in given.items() if value}


def _is_known(name: str) -> bool:
    try:
        return name.isidentifier() and bool(parse_dsn(f"{name}=0"))
    except ProgrammingError:
        return False


def _named(name: str) -> str:
    # What is no plain word may be a piece of a password.
    return f": {name}" if re.fullmatch(r"[A-Za-z_]{1,40}", name) else ""


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("has a % code that is not UTF-8.") from None


def _url(found: Mapping[str, str], root: Path) -> URL:
    given = {name: value for name, value in found.items() if value}
    if not (given.get("dbname") or given.get("service")):
        raise ValueError(NO_DATABASE)
    if any("\0" in value for value in given.values()):
        raise ValueError("holds a zero byte (%00), which PostgreSQL does not take.")
    _check_names(given)
    _check_values(given)
    given |= {name: _absolute(given[name], root) for name in FILES if name in given}
    user, password, database = (given.pop(name, None) for name in ("user", "password", "dbname"))
    host, port = _split(given.pop("host", ""), given.pop("port", ""))
    url = URL.create(DRIVER, user, password, database=database, query=given)
    if PLAIN_HOST.fullmatch(host or "-") and "," not in port:
        return url.set(host=host or None, port=int(port) if port else None)
    return url.update_query_dict({"host": host, **({"port": port} if port else {})})


def _check_names(given: Parameters) -> None:
    for name, (called, sign) in NO_NAMES.items():
        if sign.search(given.get(name, "")):
            raise ValueError(NO_NAME.format(called))


def _check_values(given: Parameters) -> None:
    for name, choices in CHOICES.items():
        if given.get(name, choices[0]) not in choices:
            raise ValueError(f"has a wrong {name}; it must be one of {', '.join(choices)}.")
    for name in NUMBERS:
        if not re.fullmatch(r"-?[0-9]{1,9}", given.get(name, "0")):
            raise ValueError(f"has a {name} that is not a whole number.")


def _split(host: str, port: str) -> tuple[str, str]:
    """The hosts and their ports, each with commas between: as many ports as hosts, or none."""
    hosts, ports = host.split(","), port.split(",")
    if not port and any(map(WITH_PORT.fullmatch, hosts)):
        pairs = [(found["host"], found["port"]) if (found := WITH_PORT.fullmatch(one)) else (one, "") for one in hosts]
        hosts, ports = [one for one, _ in pairs], [one for _, one in pairs]
    if any(not re.fullmatch(r"[0-9]{0,5}", one) or (one and not 1 <= int(one) <= 65535) for one in ports):
        raise ValueError("has a port that is not a number from 1 to 65535.")
    if len(ports) == 1:
        ports *= len(hosts)
    if len(ports) != len(hosts):
        raise ValueError("has another number of ports than of hosts.")
    return ",".join(hosts), ",".join(ports) if any(ports) else ""


def _absolute(text: str, root: Path) -> str:
    try:
        return text if text == "system" else str(root / Path(text).expanduser())
    except RuntimeError:
        raise ValueError("begins a path with ~ and the name of nobody here.") from None
