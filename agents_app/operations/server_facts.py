"""Operations that count what the metrics of the server show: numbers of all accounts. They change nothing."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

import sqlalchemy as sa

from agents_app.config import settings
from agents_app.db import db, now
from agents_app.dbtools.backup.backups import newest_backup as find_newest_backup
from agents_app.models import Agent, ApiToken, ConnectionTest
from agents_app.operations import health
from agents_app.operations.test_results import IS_OUT_OF_DATE
from agents_app.values.choices import AgentStatus, LastTest

Numbers = Mapping[tuple[str, ...], float]
"""Numbers, each by its labels."""
EXPIRY_DAYS = (7, 30)


def agents() -> Numbers:
    """The number of agents by status and last test. Raises Unavailable."""
    last_test = sa.case((IS_OUT_OF_DATE, LastTest.OUT_OF_DATE), else_=ConnectionTest.outcome)
    grouped = sa.func.coalesce(last_test, LastTest.NEVER).label("last_test")
    counted = (
        sa.select(Agent.status, grouped, sa.func.count().label("number"))
        .outerjoin(ConnectionTest, ConnectionTest.agent_id == Agent.id)
        .group_by(Agent.status, grouped)
    )
    found: dict[tuple[str, ...], float] = {(status, test): 0 for status in AgentStatus for test in LastTest}
    with db.reading() as connection:
        found |= {(row.status, row.last_test): row.number for row in connection.execute(counted)}
    return found


def expiring() -> Numbers:
    """What expires within so many days, by kind and days: credentials and model keys of active agents, API tokens.

    0 days counts what has expired. Tokens that have expired, were revoked or replaced are not counted.
    Raises Unavailable.
    """
    today, moment = now().date(), now()
    found: dict[tuple[str, ...], float] = {}
    of_agents = {"credential": Agent.credential_expires_at, "model_key": Agent.api_key_expires_at}
    counts = {
        (kind, str(days)): sa.func.count(sa.case((column <= today + timedelta(days=days), 1)))
        for kind, column in of_agents.items()
        for days in (0, *EXPIRY_DAYS)
    }
    of_tokens = {
        ("token", str(days)): sa.func.count(sa.case((ApiToken.expires_at <= moment + timedelta(days=days), 1)))
        for days in EXPIRY_DAYS
    }
    is_active = Agent.status == AgentStatus.ACTIVE
    is_used = sa.and_(ApiToken.expires_at > moment, ApiToken.revoked_at.is_(None), ApiToken.replaced_at.is_(None))
    with db.reading() as connection:
        for columns, where in ((counts, is_active), (of_tokens, is_used)):
            row = connection.execute(sa.select(*columns.values()).where(where)).one()
            found |= dict(zip(columns, row, strict=True))
    return found


def pending_migrations() -> Numbers:
    """The number of migrations that the database lacks, by the phase of a deployment. Raises Unavailable."""
    state = health.schema()
    phases = Counter(step in state.next_phase for step in state.pending)
    return {("deploy",): phases[True], ("finish",): phases[False]}


def newest_backup() -> Numbers:
    """When the newest backup in BACKUP_FOLDER was made, in seconds since 1970; 0 without a backup. Raises OSError."""
    known = settings()
    try:
        found = find_newest_backup(known.migration_url, known.backup_folder)
    except FileNotFoundError:
        found = None
    return {(): found.taken_at.timestamp() if found else 0}
