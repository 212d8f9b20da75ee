"""The table of causes: for each code what is wrong, what to do, and who can do it. One module for each kind."""

from agents_app.probes.causes import (
    agent,
    entra,
    http,
    model,
    mssql,
    mysql,
    network,
    postgresql,
    power_bi,
    roles,
    tls,
)
from agents_app.probes.causes.cause import Cause

CAUSES: dict[str, Cause] = {
    **agent.CAUSES,
    **network.CAUSES,
    **tls.CAUSES,
    **http.CAUSES,
    **roles.CAUSES,
    **postgresql.CAUSES,
    **mysql.CAUSES,
    **mssql.CAUSES,
    **entra.CAUSES,
    **power_bi.CAUSES,
    **model.CAUSES,
}
"""Every cause and every warning, by its code. A code is stored, so it never changes its meaning."""
