"""Checks the encoding of a database. Only UTF-8 can store every name."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from agents_app.database.quoting import quote_if_needed
from agents_app.errors import Unavailable

NEW_FILE = "Name a new file in DATABASE_URL."


def database_encoding(connection: Connection) -> str:
    """Return the encoding of the database, such as UTF8. PostgreSQL reports it when a connection opens."""
    if connection.dialect.name != "postgresql":
        return str(connection.exec_driver_sql("PRAGMA encoding").scalar())
    driver: Any = connection.connection.dbapi_connection
    # A pooler may not pass it on.
    reported = driver.info.parameter_status("server_encoding")
    return str(reported or connection.scalar(sa.text("SHOW server_encoding")))


def require_utf8(connection: Connection) -> None:
    """Raise Unavailable, with what to do, unless the database stores text in UTF-8."""
    encoding = database_encoding(connection)
    if encoding.replace("-", "").upper() == "UTF8":
        return
    advice = NEW_FILE
    if connection.dialect.name == "postgresql":
        name = quote_if_needed(f"{connection.scalar(sa.text('SELECT current_database()'))}_utf8")
        role = quote_if_needed(str(connection.scalar(sa.text("SELECT current_user"))))
        advice = f"Create another database: CREATE DATABASE {name} OWNER {role} ENCODING 'UTF8' TEMPLATE template0"
    problem = f"The database stores text as {encoding}, and the console needs UTF-8."
    raise Unavailable(f"{problem} {advice}", code="database_encoding")
