"""fill_agent_version_doors

Create Date: 2026-11-27 04:55:00+00:00
"""
from collections import defaultdict

import sqlalchemy as sa
from alembic import op

revision = '7b19e4c2f8d5'
down_revision = 'c17e5ab3f860'
branch_labels = None
depends_on = None

BATCH = 500
EVENTS = sa.table(
    'events',
    sa.column('id', sa.Uuid()),
    sa.column('account_id', sa.Uuid()),
    sa.column('action', sa.Text()),
    sa.column('door', sa.Text()),
    sa.column('target_id', sa.Uuid()),
    sa.column('details', sa.JSON()),
)
VERSIONS = sa.table(
    'agent_versions',
    sa.column('agent_id', sa.Uuid()),
    sa.column('version', sa.Integer()),
    sa.column('account_id', sa.Uuid()),
    sa.column('action', sa.Text()),
    sa.column('door', sa.Text()),
)
ACTS = ('created', 'updated', 'cloned', 'enabled', 'disabled', 'deleted', 'restored')
ACTIONS = [f'agent.{act}' for act in ACTS]
KEY = sa.tuple_(VERSIONS.c.agent_id, VERSIONS.c.version, VERSIONS.c.account_id, VERSIONS.c.action)
# For `--sql`. The history then shows these doors as unknown.
SCRIPT = '/* The door of a version of an earlier release is filled from its event. Without this it is unknown. */'


def event_batches(connection):
    query = sa.select(EVENTS).where(EVENTS.c.action.in_(ACTIONS)).order_by(EVENTS.c.id).limit(BATCH)
    rows = connection.execute(query).all()
    while rows:
        yield rows
        rows = connection.execute(query.where(EVENTS.c.id > rows[-1].id)).all()


def versions_by_door(events):
    found = defaultdict(list)
    for event in events:
        number = event.details.get('version') if isinstance(event.details, dict) else None
        if type(number) is int and 0 < number < 2**31 and event.target_id and event.account_id:
            found[event.door].append((event.target_id, number, event.account_id, event.action))
    return found


def fill_doors(connection: sa.Connection) -> int:
    """Each statement is committed. A second run fills what is left."""
    unknown = VERSIONS.c.door.is_(None)
    filled = 0
    if connection.scalar(sa.select(VERSIONS.c.version).where(unknown).limit(1)) is None:
        return filled
    for events in event_batches(connection):
        for door, keys in versions_by_door(events).items():
            filled += connection.execute(VERSIONS.update().where(unknown, KEY.in_(keys)).values(door=door)).rowcount
    return filled


def upgrade() -> None:
    op.fill_table('agent_versions', fill_doors, SCRIPT)


def downgrade() -> None:
    pass  # The step before this one drops the column.
