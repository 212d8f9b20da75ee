"""One session with a PostgreSQL server over psycopg2, which sends the password as a SCRAM proof only, never itself.

Text of the server is not read: libpq is set to report the SQLSTATE in place of the text of an error.
"""

import ctypes
import re
import select
import time
from collections.abc import Sequence
from types import UnionType
from typing import Any

from agents_app.probes.faults import UNREADABLE, own_fault
from agents_app.probes.recorder import ProbeFailed

PQERRORS_SQLSTATE = 3
SQLSTATE = re.compile("[0-9A-Z]{5}")
CODE = re.compile(rf":\s+({SQLSTATE.pattern})\s*\Z")
CAUSES = {
    "28P01": "postgresql_login",
    "28000": "postgresql_host_rule",
    "3D000": "postgresql_database",
    "42501": "postgresql_connect_right",
    "55000": "postgresql_database_closed",
    "53300": "postgresql_too_many",
    **dict.fromkeys(("57P01", "57P02", "57P03"), "postgresql_starting"),
}
# Texts of libpq itself, which has no translations here: what the server did, if it sent no SQLSTATE.
SEEN = {
    "requested a hashed password": "postgresql_old_password",
    "requested a cleartext password": "postgresql_clear_password",
    "requested GSSAPI": "postgresql_other_method",
    "requested SSPI": "postgresql_other_method",
    "did not complete authentication": "postgresql_no_password",
    "authentication method": "postgresql_other_method",
    "closed the connection unexpectedly": "connection_lost",
    "closed unexpectedly": "connection_lost",
    "SSL SYSCALL error": "connection_lost",
    "over a non-SSL connection": "postgresql_not_understood",
    "certificate": "database_certificate_not_trusted",
    "SSL": "tls_failed",
}
CANCELLED = "57014"
# The settings of every session. The password is sent as a SCRAM proof only.
SAFE = {
    "require_auth": "scram-sha-256",
    "gssencmode": "disable",
    "sslcertmode": "disable",
    "client_encoding": "UTF8",
    "application_name": "agent-console-test",
}


class Session:
    """A session in which one statement runs at a time. A statement ends at the deadline, or before it."""

    def __init__(self, connection: Any, deadline: float, host: str, port: int) -> None:
        self._connection, self.deadline = connection, deadline
        self._host, self._port = host, port

    def rows(self, statement: str, *columns: type | UnionType, **values: Any) -> list[tuple[Any, ...]]:
        """The rows of one statement, with columns of these types.

        Raises ProbeFailed if the server refuses the statement, or answers with something else.
        """
        import psycopg2

        with self._connection.cursor() as cursor:
            try:
                cursor.execute(statement, values or None)
                _wait(self._connection, self.deadline)
                rows: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
            except psycopg2.Error as error:
                raise self._refusal(error) from None
            except TimeoutError:
                raise ProbeFailed("postgresql_slow") from None
            except UNREADABLE as error:
                raise ProbeFailed("postgresql_unreadable", **own_fault(error)) from None
        if not all(len(row) == len(columns) and all(map(isinstance, row, columns)) for row in rows):
            raise ProbeFailed("postgresql_unreadable")
        return rows

    def row(self, statement: str, *columns: type | UnionType, **values: Any) -> tuple[Any, ...]:
        """The only row of a statement."""
        rows = self.rows(statement, *columns, **values)
        if len(rows) != 1:
            raise ProbeFailed("postgresql_unreadable")
        return rows[0]

    def _refusal(self, error: Any) -> ProbeFailed:
        if error.pgcode is None:
            # The driver itself reports it.
            is_lost = any(part in str(error) for part, code in SEEN.items() if code == "connection_lost")
            facts = {"host": self._host, "port": self._port}
            return ProbeFailed("connection_lost" if is_lost else "postgresql_unreadable", **facts)
        code = "postgresql_slow" if error.pgcode == CANCELLED else "postgresql_statement"
        # A server can send any text in its place.
        return ProbeFailed(code, sqlstate=error.pgcode if SQLSTATE.fullmatch(error.pgcode) else "unknown")

    def close(self) -> None:
        """End the session."""
        self._connection.close()


def sign_in(settings: dict[str, Any], deadline: float) -> Session:
    """Start a session. Raises ProbeFailed with what the server answered."""
    import psycopg2

    connection = None
    try:
        connection = psycopg2.connect(**settings, **SAFE, async_=True)
        _report_codes_only(connection)
        _wait(connection, deadline)
    except psycopg2.Error as error:
        failure = _failure(str(error), settings, has_begun=connection is not None and connection.info.used_password)
    except TimeoutError:
        # With TLS, the server has answered before.
        code = "server_silent" if settings["sslmode"] == "disable" else "server_slow"
        failure = ProbeFailed(code, host=settings["host"], port=settings["port"])
    except UNREADABLE as error:
        failure = _failure("", settings)
        failure.facts |= own_fault(error)
    else:
        return Session(connection, deadline, settings["host"], settings["port"])
    if connection is not None:
        connection.close()
    raise failure


def _report_codes_only(connection: Any) -> None:
    """Replace the text of errors by the SQLSTATE, which psycopg2 itself does not report of a refused connection."""
    import psycopg2

    # The library that psycopg2 itself has loaded.
    libpq = ctypes.CDLL(psycopg2._psycopg.__file__)
    libpq.PQsetErrorVerbosity.argtypes = [ctypes.c_void_p, ctypes.c_int]
    libpq.PQsetErrorVerbosity(connection.pgconn_ptr, PQERRORS_SQLSTATE)


def _wait(connection: Any, deadline: float) -> None:
    """Wait until the driver has nothing more to wait for. Raises TimeoutError at the deadline."""
    from psycopg2.extensions import POLL_OK, POLL_READ

    while (state := connection.poll()) != POLL_OK:
        waits: tuple[Sequence[Any], Sequence[Any]] = ([connection], []) if state == POLL_READ else ([], [connection])
        if not any(select.select(*waits, [], max(0.0, deadline - time.monotonic()))):
            raise TimeoutError


def _failure(text: str, settings: dict[str, Any], *, has_begun: bool = False) -> ProbeFailed:
    """The failure of a sign-in. `has_begun` says that the server asked for a proof of the password."""
    facts = {"host": settings["host"], "port": settings["port"]}
    facts |= {"username": settings["user"], "database": settings["dbname"]}
    if found := CODE.search(text):
        code = CAUSES.get(found[1], "postgresql_refused")
        # The rules of the server let the user in as far as the password.
        code = "postgresql_no_login" if has_begun and code == "postgresql_host_rule" else code
        return ProbeFailed(code, sqlstate=found[1], **facts)
    code = next((code for part, code in SEEN.items() if part in text), "postgresql_not_understood")
    # The server has to prove that it knows the password as well, and did something else.
    code = "postgresql_not_proved" if has_begun and code != "connection_lost" else code
    return ProbeFailed(code, **facts)
