"""How a database stores text: another encoding than UTF-8 does not take every name that people write."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app.database.quoting import quote_if_needed
from agents_app.errors import Unavailable

NEW_FILE = "Name a new file in DATABASE_URL."


def database_encoding(connection: Connection) -> str:
    """The encoding of the database of this connection, such as UTF8; PostgreSQL has said it already."""
    if connection.dialect.name != "postgresql":
        return str(connection.exec_driver_sql("PRAGMA encoding").scalar())
    driver: Any = connection.connection.dbapi_connection
    # A pooler need not pass it on.
    reported = driver.info.parameter_status("server_encoding")
    return str(reported or connection.scalar(sa.text("SHOW server_encoding")))


def require_utf8(connection: Connection) -> None:
    """Raise Unavailable, with what to do, unless the database stores text in UTF-8."""
    found = database_encoding(connection)
    if found.replace("-", "").upper() == "UTF8":
        return
    remedy = NEW_FILE
    if connection.dialect.name == "postgresql":
        name = quote_if_needed(f"{connection.scalar(sa.text('SELECT current_database()'))}_utf8")
        role = quote_if_needed(str(connection.scalar(sa.text("SELECT current_user"))))
        remedy = f"Make another one: CREATE DATABASE {name} OWNER {role} ENCODING 'UTF8' TEMPLATE template0"
    refusal = f"The database stores text as {found}, and the console needs UTF-8. {remedy}"
    raise Unavailable(refusal, code="database_encoding")
