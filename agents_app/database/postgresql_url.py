"""Parses a PostgreSQL address into an SQLAlchemy URL. An address that libpq would read differently is refused.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING. As in SQLAlchemy, a `+` in the query is a
space, a `host` in the query may include a port, and a password may contain `/`, `?`, `:` and a single `%`.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from psycopg2 import ProgrammingError
from psycopg2.extensions import parse_dsn
from sqlalchemy.engine import URL

from agents_app.values import limits
from agents_app.wording import number_text

Parameters = dict[str, str]

DRIVER = "postgresql+psycopg2"
HOST = r"(?:\[[^\[\]/@]*\]|[^\[\]/:,@?]*)(?::[0-9]*)?"
ADDRESS = re.compile(rf"(?P<hosts>{HOST}(?:,{HOST})*)(?:/(?P<dbname>[^?]*))?(?:\?(?P<query>.*))?")
# A host that can be written before the path: a name, or an IP address without a zone.
PLAIN_HOST = re.compile(r"[\w.-]+|[0-9A-Fa-f.:]+", re.ASCII)
WITH_PORT = re.compile(r"(?P<host>[A-Za-z0-9.-]+):(?P<port>[0-9]+)")
NOT_A_URL = "is not a database URL; write postgresql://user:password@host:5432/dbname."
NOT_AN_ADDRESS = (
    "must have host:5432/dbname after the @ (in a password write %40 for @), and [ ] around an IPv6 address."
)
NO_DATABASE = "must name the database; write postgresql://user:password@host:5432/dbname."

# Messages show these names. A `/` in a password, or an address inside another one, can end the password too early, and
# the rest would be read as a name. A user may be `name@server`; a host that begins with @ is an abstract socket.
SUSPICIOUS_NAMES = {
    "dbname": ("a database name", re.compile(r"@|://|=")),
    "user": ("a user name", re.compile(r"://|:.*@", re.DOTALL)),
    "host": ("a host", re.compile(r"://|[^,]@")),
}
SUSPICIOUS_NAME = "has {} that contains a part of another address; in a password write %2F for / and %40 for @."

# libpq checks these values only when it connects.
CHOICES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "channel_binding": ("disable", "prefer", "require"),
    "gssencmode": ("disable", "prefer", "require"),
    "load_balance_hosts": ("disable", "random"),
}
NUMBERS = ("connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count")
FILES = ("sslcert", "sslkey", "sslrootcert", "sslcrl", "sslcrldir", "passfile")


def parse_uri(text: str, root: Path) -> URL:
    """Parse `postgresql://…`. Paths are relative to `root`. Raises ValueError with a message without secrets."""
    rest = text.partition("://")[2]
    ends = [-1, *(match.start() for match in re.finditer("@", rest))]
    # The address begins behind the first @ that one can follow: passwords and parameters may contain more of them.
    split = next(((end, address) for end in ends if (address := ADDRESS.fullmatch(rest, end + 1))), None)
    if split is None:
        raise ValueError(NOT_AN_ADDRESS)
    end, address = split
    user, _, password = rest[: max(end, 0)].partition(":")
    if "@" in password:
        raise ValueError("has more than one @; in a password write %40 for it.")
    parts = {"user": user, "password": password, "dbname": address["dbname"] or "", **_parse_hosts(address["hosts"])}
    decoded = {name: _decode(part) for name, part in parts.items()}
    return _build_url(decoded | _parse_query(address["query"] or ""), root)


def parse_key_value(text: str, root: Path) -> URL:
    """Parse `host=… dbname=…`. Paths are relative to `root`. Raises ValueError with a message without secrets."""
    try:
        return _build_url(parse_dsn(text), root)
    except (ProgrammingError, UnicodeDecodeError):
        raise ValueError(NOT_A_URL) from None


def _parse_hosts(text: str) -> Parameters:
    hosts, ports = [], []
    for part in text.split(","):
        host, _, port = part[1:].partition("]") if part.startswith("[") else part.partition(":")
        hosts.append(host)
        ports.append(port.removeprefix(":"))
    return {name: ",".join(parts) for name, parts in (("host", hosts), ("port", ports)) if any(parts)}


def _parse_query(text: str) -> Parameters:
    given: Parameters = {}
    for pair in filter(None, text.split("&")):
        name, _, value = (_decode(part.replace("+", " ")) for part in pair.partition("="))
        if (name, value) == ("ssl", "true"):
            name, value = "sslmode", "require"
        if not _is_libpq_parameter(name):
            # Anything but a plain word may be a part of a password, so it is not shown.
            shown = f": {name}" if re.fullmatch(r"[A-Za-z_]{1,40}", name) else ""
            raise ValueError(f"has a parameter that PostgreSQL does not know{shown}. Remove it.")
        if name in given and name != "host":
            raise ValueError(f"has the parameter {name} twice. Keep one of them.")
        given[name] = f"{given[name]},{value}" if name in given else value
    return {name: value for name, value in given.items() if value}


def _is_libpq_parameter(name: str) -> bool:
    try:
        return name.isidentifier() and bool(parse_dsn(f"{name}=0"))
    except ProgrammingError:
        return False


def _decode(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("has a % code that is not UTF-8.") from None


def _build_url(parsed: Mapping[str, str], root: Path) -> URL:
    given = {name: value for name, value in parsed.items() if value}
    if not (given.get("dbname") or given.get("service")):
        raise ValueError(NO_DATABASE)
    if any("\0" in value for value in given.values()):
        raise ValueError("contains a zero byte (%00), which PostgreSQL does not accept.")
    for name, (description, pattern) in SUSPICIOUS_NAMES.items():
        if pattern.search(given.get(name, "")):
            raise ValueError(SUSPICIOUS_NAME.format(description))
    _check_values(given)
    given |= {name: _absolute_path(given[name], root) for name in FILES if name in given}
    user, password, database = (given.pop(name, None) for name in ("user", "password", "dbname"))
    host, port = _match_ports_to_hosts(given.pop("host", ""), given.pop("port", ""))
    url = URL.create(DRIVER, user, password, database=database, query=given)
    if PLAIN_HOST.fullmatch(host or "-") and "," not in port:
        return url.set(host=host or None, port=int(port) if port else None)
    return url.update_query_dict({"host": host, **({"port": port} if port else {})})


def _check_values(given: Parameters) -> None:
    for name, choices in CHOICES.items():
        if given.get(name, choices[0]) not in choices:
            raise ValueError(f"has an invalid {name}; it must be one of {', '.join(choices)}.")
    for name in NUMBERS:
        if not re.fullmatch(r"-?[0-9]{1,9}", given.get(name, "0")):
            raise ValueError(f"has a {name} that is not a whole number.")


def _match_ports_to_hosts(host: str, port: str) -> tuple[str, str]:
    """Return hosts and ports, each separated by commas: as many ports as hosts, or none."""
    hosts, ports = host.split(","), port.split(",")
    if not port and any(map(WITH_PORT.fullmatch, hosts)):
        pairs = [match.groups() if (match := WITH_PORT.fullmatch(part)) else (part, "") for part in hosts]
        hosts, ports = [host for host, _ in pairs], [port for _, port in pairs]
    if any(not re.fullmatch(r"[0-9]{0,5}", part) or (part and not 1 <= int(part) <= limits.PORT) for part in ports):
        raise ValueError(f"has a port that is not a number from 1 to {number_text(limits.PORT)}.")
    if len(ports) == 1:
        ports *= len(hosts)
    if len(ports) != len(hosts):
        raise ValueError("has a different number of ports than hosts.")
    return ",".join(hosts), ",".join(ports) if any(ports) else ""


def _absolute_path(text: str, root: Path) -> str:
    try:
        return text if text == "system" else str(root / Path(text).expanduser())
    except RuntimeError:
        raise ValueError("has a path that begins with ~ and a user name that does not exist.") from None
