"""What the error numbers of MySQL, MariaDB and PyMySQL mean. The text of an error is never used."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from agents_app.probes.faults import own_fault
from agents_app.probes.recorder import ProbeFailed

ACCESS_DENIED = 1045
CODES = {
    1040: "mysql_too_many_connections",
    1044: "mysql_database_denied",
    ACCESS_DENIED: "mysql_access_denied",
    1049: "mysql_database_missing",
    1053: "mysql_unavailable",
    1077: "mysql_unavailable",
    1129: "mysql_host_blocked",
    1130: "mysql_host_not_allowed",
    1203: "mysql_too_many_connections",
    1226: "mysql_too_many_connections",
    1251: "mysql_unknown_method",
    1524: "mysql_unknown_method",
    1698: "mysql_unknown_method",
    1820: "mysql_password_expired",
    1862: "mysql_password_expired",
    1969: "mysql_slow",
    3024: "mysql_slow",
    3118: "mysql_account_locked",
    3159: "mysql_tls_required",
    3955: "mysql_account_locked",
    4151: "mysql_account_locked",
    # Errors of the driver: no connection, connection lost, no TLS, no such sign-in method.
    2003: "connection_lost",
    2006: "connection_lost",
    2013: "connection_lost",
    2026: "tls_missing",
    2059: "mysql_unknown_method",
}
SERVER_ERRORS = range(1000, 2000), range(3000, 6000)


@contextmanager
def driver_errors(facts: Mapping[str, Any]) -> Iterator[None]:
    """Turn every exception of the driver into a ProbeFailed with these facts. A server can cause any exception."""
    try:
        yield
    except ProbeFailed as known:
        raise ProbeFailed(known.code, **{**facts, **known.facts}) from None
    except MemoryError:
        raise
    except Exception as error:
        raise failure(error, {**facts, **own_fault(error)}) from None


def failure(error: Exception, facts: Mapping[str, Any]) -> ProbeFailed:
    """The ProbeFailed for an exception of the driver."""
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return ProbeFailed("server_slow", **facts)
    return from_number(_number(error), facts)


def from_number(number: int, facts: Mapping[str, Any]) -> ProbeFailed:
    """The ProbeFailed for an error number."""
    if number == ACCESS_DENIED and facts["sslmode"] == "disable":
        return ProbeFailed("mysql_access_denied_without_tls", **facts)
    if number in CODES:
        return ProbeFailed(CODES[number], **facts)
    if _is_of_server(number):
        return ProbeFailed("mysql_refused", **facts, number=number)
    return ProbeFailed("mysql_protocol", **facts)


def is_refusal(error: Exception) -> bool:
    """Whether the server refused a statement, and the connection still works."""
    return _is_of_server(_number(error))


def _is_of_server(number: int) -> bool:
    return any(number in numbers for numbers in SERVER_ERRORS)


def _number(error: Exception) -> int:
    from pymysql.err import MySQLError

    number = error.args[0] if isinstance(error, MySQLError) and error.args else 0
    return number if isinstance(number, int) else 0
