"""Says whether the driver of SQL Server, an optional package, is installed. Pages ask this, so it imports no probe."""

from importlib.util import find_spec


def is_installed() -> bool:
    """Whether the driver of SQL Server is installed in this console. It is not imported."""
    try:
        return find_spec("mssql_python") is not None
    except ValueError:
        return False
