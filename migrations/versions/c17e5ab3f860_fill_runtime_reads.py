"""fill_runtime_reads

Create Date: 2026-11-27 04:21:00+00:00
"""
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql, sqlite

revision = 'c17e5ab3f860'
down_revision = 'b6d2f09e4c17'
branch_labels = None
depends_on = None

BATCH = 5_000
ROWS_OF_AN_INSERT = 500
VERSION_MAX = 2**31 - 1
JSON = sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')
TIME = sa.DateTime(timezone=True)
READS = sa.table(
    'runtime_reads',
    sa.column('agent_id', sa.Uuid()),
    sa.column('token_id', sa.Uuid()),
    sa.column('account_id', sa.Uuid()),
    sa.column('version', sa.Integer()),
    sa.column('fetched_version', sa.Integer()),
    sa.column('fetch_count', sa.Integer()),
    sa.column('first_fetched_at', TIME),
    sa.column('last_fetched_at', TIME),
    sa.column('seen_at', TIME),
)
EVENTS = sa.table(
    'events',
    sa.column('id', sa.Uuid()),
    sa.column('account_id', sa.Uuid()),
    sa.column('created_at', TIME),
    sa.column('action', sa.Text()),
    sa.column('token_id', sa.Uuid()),
    sa.column('target_id', sa.Uuid()),
    sa.column('details', JSON),
)
ACCOUNTS = sa.table('accounts', sa.column('id', sa.Uuid()))
AGENTS = sa.table('agents', sa.column('id', sa.Uuid()), sa.column('account_id', sa.Uuid()))
TOKENS = sa.table('api_tokens', sa.column('id', sa.Uuid()), sa.column('account_id', sa.Uuid()))
# For `--sql`, which writes the statement without reading the events.
SCRIPT = "/* Who runs each agent is known from the next time that a runtime fetches it. */"


def batches(connection: sa.Connection, account_id: object):
    """The events of an account, in the order of their index. Each statement reads few rows."""
    statement = (
        sa.select(EVENTS)
        .where(EVENTS.c.account_id == account_id)
        .order_by(EVENTS.c.created_at, EVENTS.c.id)
        .limit(BATCH)
    )
    here = sa.tuple_(EVENTS.c.created_at, EVENTS.c.id)
    rows = connection.execute(statement).all()
    while rows:
        yield rows
        last = sa.tuple_(sa.literal(rows[-1].created_at, TIME), sa.literal(rows[-1].id, sa.Uuid()))
        rows = connection.execute(statement.where(here > last)).all()


def reads_of(connection: sa.Connection, account_id: object) -> list[dict]:
    """The rows of an account: one for each agent and token that are still there."""
    found: dict = {}
    for rows in batches(connection, account_id):
        for row in rows:
            version = row.details.get('version') if isinstance(row.details, dict) else None
            is_read = row.action == 'agent.fetched' and row.token_id and row.target_id
            if not is_read or type(version) is not int or not 0 < version <= VERSION_MAX:
                continue
            read = found.setdefault((row.target_id, row.token_id), {'fetch_count': 0, 'version': 0, 'first': row.created_at})
            read['fetch_count'] += 1
            read['version'] = max(read['version'], version)
            read['last'] = row.created_at
    agents, tokens = (
        set(connection.scalars(sa.select(table.c.id).where(table.c.account_id == account_id)))
        if found else set()
        for table in (AGENTS, TOKENS)
    )
    return [
        {
            'agent_id': agent_id,
            'token_id': token_id,
            'account_id': account_id,
            'version': read['version'],
            'fetched_version': read['version'],
            'fetch_count': read['fetch_count'],
            'first_fetched_at': read['first'],
            'last_fetched_at': read['last'],
            'seen_at': read['last'],
        }
        for (agent_id, token_id), read in found.items()
        if agent_id in agents and token_id in tokens
    ]


def fill_reads(connection: sa.Connection) -> int:
    """Each statement is committed. A second run continues: rows that are there are newer."""
    dialect = postgresql if connection.dialect.name == 'postgresql' else sqlite
    insert = dialect.insert(READS).on_conflict_do_nothing()
    filled = 0
    for account_id in connection.scalars(sa.select(ACCOUNTS.c.id)).all():
        rows = reads_of(connection, account_id)
        for start in range(0, len(rows), ROWS_OF_AN_INSERT):
            filled += connection.execute(insert.values(rows[start : start + ROWS_OF_AN_INSERT])).rowcount
    return filled


def upgrade() -> None:
    op.fill_table('runtime_reads', fill_reads, SCRIPT)


def downgrade() -> None:
    pass  # The step before this one drops the table.
