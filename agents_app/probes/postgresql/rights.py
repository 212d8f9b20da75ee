"""Proves that a PostgreSQL role can only read, or write only what its agent may, and checks its allow lists.

A read-only transaction is no proof: `COPY … TO PROGRAM` runs in one. So this asks what the role could do.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from agents_app.probes.postgresql.catalogue import AllowLists, Catalogue, Right
from agents_app.probes.postgresql.session import Session
from agents_app.probes.postgresql.statements import suggest
from agents_app.probes.recorder import Recorder
from agents_app.probes.table_names import shorten

# The roles of PostgreSQL itself that can do more than read tables.
DANGEROUS_ROLES = {
    "pg_checkpoint",
    "pg_create_subscription",
    "pg_execute_server_program",
    "pg_maintain",
    "pg_read_server_files",
    "pg_signal_autovacuum_worker",
    "pg_signal_backend",
    "pg_write_all_data",
    "pg_write_server_files",
}
READS_ALL = "pg_read_all_data"
# Warnings about what the user can only read.
READING = {"role_reads_all", "role_reads_more"}
# The warning about a right that was granted.
WARNINGS: dict[str, Callable[[Right], bool]] = {
    "role_writes": lambda right: (
        right.kind in ("TABLE", "SEQUENCE", "LARGE OBJECT") and right.privilege not in ("SELECT", "CREATE")
    ),
    "role_creates": lambda right: right.kind != "DEFAULT" and right.privilege == "CREATE",
    "role_will_write": lambda right: right.kind == "DEFAULT",
    "role_runs": lambda right: right.kind == "FUNCTION",
    "role_uses_servers": lambda right: right.kind == "FOREIGN SERVER",
    "role_changes_settings": lambda right: right.kind == "PARAMETER",
    "role_reads_more": lambda right: right.privilege == "SELECT",
}


def check(session: Session, values: Mapping[str, Any], recorder: Recorder) -> None:
    """The last two steps of the probe, and the statements that follow from them."""
    lists = AllowLists(values)
    with recorder.step("read_only"):
        catalogue = Catalogue(session, lists)
        role, found = shorten([catalogue.own.name]), dict(_warnings(catalogue))
        for code, facts in found.items():
            recorder.warn(code, role=role, **facts)
        if not lists.may_write:
            recorder.know(read_only=found.keys() <= READING)
    with recorder.step("tables"):
        tables = catalogue.tables()
        unreadable = [f"{table.space}.{table.name}" for table in tables if not table.is_readable]
        recorder.know(readable_tables=len(tables) - len(unreadable))
        missing = {"schemas_missing": catalogue.missing_schemas(), "tables_missing": catalogue.missing_tables(tables)}
        named = missing | {"tables_unreadable": unreadable if lists else []}
        for code, names in named.items():
            if names:
                recorder.warn(code, names=shorten(names), role=role)
        if len(unreadable) == len(tables) and not any(named.values()):
            recorder.warn("nothing_readable", role=role, database=values["database"])
    if not any(missing.values()):
        # Otherwise they could take away what the role needs: the allow lists do not say it.
        recorder.suggest(*suggest(catalogue, _unwanted_roles(catalogue), tables, lists))


def _unwanted_roles(catalogue: Catalogue) -> set[str]:
    """The roles that give the agent's role a right that it should not have. It may be one of them itself."""
    names = {right.role for right in (*catalogue.granted, *catalogue.owned)}
    return names | {
        role.name for role in catalogue.roles if role.attributes or role.name in DANGEROUS_ROLES | {READS_ALL}
    }


def _warnings(catalogue: Catalogue) -> Iterable[tuple[str, dict[str, str]]]:
    attributes = {attribute for role in catalogue.roles for attribute in role.attributes}
    if "SUPERUSER" in attributes:
        yield "role_superuser", {}
    if others := sorted(attributes - {"SUPERUSER"}):
        yield "role_attributes", {"attributes": ", ".join(others)}
    names = {role.name for role in catalogue.roles}
    if roles := sorted(names & DANGEROUS_ROLES):
        yield "role_memberships", {"roles": ", ".join(roles)}
    if READS_ALL in names:
        yield "role_reads_all", {}
    if catalogue.owned:
        yield "role_owns", {"objects": _described(catalogue.owned)}
    for code, belongs in WARNINGS.items():
        if rights := [right for right in catalogue.granted if belongs(right)]:
            yield code, {"objects": _described(rights)}


def _described(rights: Sequence[Right]) -> str:
    """The objects of these rights, each with what the role could do with it."""
    texts = []
    for what, group in groupby(rights, lambda right: right.words):
        privileges = ", ".join(sorted({right.privilege for right in group} - {"OWN"}))
        texts.append(f"{privileges} on {what}" if privileges else what)
    return shorten(texts)
