"""Operations that say which drivers of probes are installed on this server."""

from agents_app.probes.causes import CAUSES
from agents_app.probes.mssql.driver import is_installed


def missing() -> dict[str, str]:
    """What to install for the probes whose drivers are not installed, by the name of the probe."""
    cause = CAUSES["mssql_not_installed"]
    return {} if is_installed() else {"mssql": f"{cause.what} {cause.next_step}"}
