"""The rules about domains, triggers, row-level security and settings."""

from collections.abc import Iterator
from typing import Any

from agents_app.dbtools.review import catalog, table_warnings, warnings
from agents_app.dbtools.review.facts import DatabaseFacts
from agents_app.dbtools.review.sql_operations import (
    ChangeDomainOp,
    RiskyStatementOp,
    RowSecurityOp,
    SettingOp,
    WriteHookOp,
)
from agents_app.dbtools.review.warnings import StepWarning

Found = Iterator[StepWarning]
LIMITS = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "all")
MEANINGS = ("search_path", "role", "session_replication_role", "row_security", "all")
TIME_ZONES = ("timezone", "time", "all")


def _change_domain(operation: ChangeDomainOp, _table: None, facts: DatabaseFacts) -> Found:
    tables = [name for name in catalog.tables_of_domain(facts, operation.name) if facts.is_in_use(name)]
    if tables:
        listed = " and ".join(tables)
        yield table_warnings.domain_changed(operation.name, operation.rule, listed, is_refusing=operation.is_refusing)


def _create_hook(operation: WriteHookOp, table: str, facts: DatabaseFacts) -> Found:
    if facts.is_written(table):
        yield table_warnings.hook_created(table, operation.kind, operation.name, replaces=operation.replaces)


def _row_security(operation: RowSecurityOp, table: str, facts: DatabaseFacts) -> Found:
    if not facts.is_in_use(table):
        return
    if operation.verb.startswith("DISABLE"):
        yield table_warnings.protection_removed(table, operation.verb)
    else:
        yield table_warnings.rows_hidden(table, operation.verb)


def _risky(operation: RiskyStatementOp, table: str | None, facts: DatabaseFacts) -> Found:
    if table is None or facts.is_in_use(table):
        yield warnings.risky_statement(
            operation.statement, table, operation.why, operation.instead, is_danger=operation.is_danger
        )


def _set(operation: SettingOp, _table: None, facts: DatabaseFacts) -> Found:
    facts.has_time_zone = facts.has_time_zone or operation.name in TIME_ZONES
    if operation.name in LIMITS:
        yield warnings.limit_changed(operation.statement)
    if operation.name in MEANINGS:
        yield warnings.meaning_changed(operation.statement)


RULES: dict[Any, Any] = {
    ChangeDomainOp: _change_domain,
    WriteHookOp: _create_hook,
    RowSecurityOp: _row_security,
    RiskyStatementOp: _risky,
    SettingOp: _set,
}
