"""The connection type DB: a database server with host, port and user."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import model_validator

from agents_app.connections.base import Connection
from agents_app.values import limits
from agents_app.values.address_rules import DATABASE, HOST, AddressReader, host_name, plain_name
from agents_app.values.fields import field
from agents_app.values.pem import certificates
from agents_app.values.rules import boolean, calendar_date, choice, list_of_lines, secret, whole_number

PASSWORD_MAX = 1_024
NO_KEY = "A private key does not belong in the field Root certificate. Paste the certificate only."


class Dialect(StrEnum):
    """The database types."""

    POSTGRESQL = "postgresql"
    MYSQL = "mysql"
    MSSQL = "mssql"


class SslMode(StrEnum):
    """How TLS is used, as in libpq."""

    DISABLE = "disable"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


DIALECT_LABELS = {Dialect.POSTGRESQL: "PostgreSQL", Dialect.MYSQL: "MySQL or MariaDB", Dialect.MSSQL: "SQL Server"}
DEFAULT_PORTS = {Dialect.POSTGRESQL: 5432, Dialect.MYSQL: 3306, Dialect.MSSQL: 1433}
PORTS_SENTENCE = ", ".join(f"{port} for {DIALECT_LABELS[dialect]}" for dialect, port in DEFAULT_PORTS.items())
# MySQL, MariaDB and SQL Server get the password itself over TLS, so only the check of the name protects it.
DEFAULT_SSL_MODES = {
    Dialect.POSTGRESQL: SslMode.REQUIRE,
    Dialect.MYSQL: SslMode.VERIFY_FULL,
    Dialect.MSSQL: SslMode.VERIFY_FULL,
}


class DatabaseConnection(Connection):
    """A database server, one database on it, and a user, which should be read-only."""

    label: ClassVar[str] = "Database"
    summary: ClassVar[str] = "PostgreSQL, MySQL, MariaDB or SQL Server, by user name and password"
    icon: ClassVar[str] = "database"
    colour: ClassVar[str] = "indigo"
    example: ClassVar[dict[str, Any]] = {
        "dialect": "postgresql",
        "host": "warehouse.example.org",
        "database": "sales",
        "username": "agent_reader",
        "password": "the password of that user",
    }
    groups: ClassVar[dict[str, str]] = {
        "expiry": "Expiry of the password",
        "tls": "TLS",
        "limits": "Limits and allowed tables",
    }
    title_fields: ClassVar[tuple[str, ...]] = ("host", "dialect", "database")
    needed: ClassVar[Mapping[str, tuple[str, ...]]] = {"": ("password",)}
    not_tested: ClassVar[tuple[str, ...]] = ("credential_expires_at", "row_limit", "statement_timeout_ms")
    new_fields: ClassVar[tuple[str, ...]] = ("credential_expires_at",)
    statements_language: ClassVar[str] = "SQL"
    addresses: ClassVar[Mapping[str, AddressReader]] = {"host": HOST, "database": DATABASE, "username": DATABASE}

    dialect: Annotated[Dialect, choice(Dialect)] = field(
        "Database type",
        destination=True,
        missing="Choose the database type.",
        labels=DIALECT_LABELS,
        span=6,
    )
    host: Annotated[str, host_name()] = field("Host", "One host name or IP address.", destination=True, span=4)
    port: Annotated[int | None, whole_number("Port", 1, limits.PORT)] = field(
        "Port",
        f"Empty means {PORTS_SENTENCE}.",
        default=None,
        destination=True,
        width=6,
        json_hint=f"Null means {PORTS_SENTENCE}.",
    )
    database: Annotated[str, plain_name(128)] = field("Database name", destination=True)
    username: Annotated[str, plain_name(128)] = field(
        "User name", "Enter a user that can only read.", destination=True, json_hint="A user that can only read."
    )
    password: Annotated[str | None, secret(PASSWORD_MAX)] = field("Password", default=None, secret=True)
    credential_expires_at: Annotated[date | None, calendar_date()] = field(
        "Password expires on",
        "The day on which the password expires.",
        default=None,
        json_hint="The day on which the password expires, as YYYY-MM-DD.",
        group="expiry",
    )
    sslmode: Annotated[SslMode | None, choice(SslMode)] = field(
        "TLS mode",
        "verify-full also checks the server's name. Empty means require for PostgreSQL, and verify-full for others.",
        default=None,
        destination=True,
        json_hint="verify-full also checks the server's name. Null means require for PostgreSQL, and verify-full for "
        + "others.",
        group="tls",
        unset="Default of the database type",
    )
    ssl_root_cert: Annotated[str | None, certificates(NO_KEY)] = field(
        "Root certificate",
        "PEM format. Used by the TLS modes verify-ca and verify-full.",
        default=None,
        destination=True,
        group="tls",
        kind="pem",
    )
    read_only: Annotated[bool, boolean()] = field(
        "Read only", "Allow only statements that do not change data.", default=True, group="limits"
    )
    row_limit: Annotated[int, whole_number("Row limit", 1, 1_000_000)] = field(
        "Row limit", default=1_000, group="limits", width=9
    )
    statement_timeout_ms: Annotated[int, whole_number("Statement timeout", 100, 600_000)] = field(
        "Statement timeout", "In milliseconds.", default=30_000, group="limits", width=9, unit="ms"
    )
    connect_timeout_s: Annotated[int, whole_number("Connect timeout", 1, 60)] = field(
        "Connect timeout", "In seconds.", default=10, group="limits", width=9, unit="s"
    )
    schema_allow_list: Annotated[list[str], list_of_lines(128)] = field(
        "Allowed schemas",
        "One per line. Empty means all.",
        default=[],
        json_hint="An empty list means all.",
        group="limits",
    )
    table_allow_list: Annotated[list[str], list_of_lines(256)] = field(
        "Allowed tables",
        "One per line. Empty means all.",
        default=[],
        json_hint="An empty list means all.",
        group="limits",
    )

    @classmethod
    def probe_name(cls, config: Mapping[str, Any]) -> str:
        """The name of the probe: there is one for each database type."""
        return str(config["dialect"])

    @model_validator(mode="after")
    def _set_defaults_of_dialect(self) -> "DatabaseConnection":
        for name, default in self.dependent_defaults({"dialect": self.dialect}).items():
            if getattr(self, name) is None:
                setattr(self, name, default)
        return self

    @classmethod
    def dependent_defaults(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """The port and the TLS mode of the database type."""
        dialect = config.get("dialect")
        if dialect not in list(Dialect):
            return {}
        return {"port": DEFAULT_PORTS[Dialect(dialect)], "sslmode": DEFAULT_SSL_MODES[Dialect(dialect)]}

    @classmethod
    def complete(cls, stored: Mapping[str, Any]) -> dict[str, Any]:
        """The same as for every schema. A record without a TLS mode has that of the releases that could write it."""
        return super().complete({**stored, "sslmode": stored.get("sslmode") or SslMode.REQUIRE.value})

    def expires_on(self) -> date | None:
        """The day on which the password expires, as it was entered."""
        return self.credential_expires_at
