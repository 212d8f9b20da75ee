"""add_agent_attention_indexes

Create Date: 2026-11-26 12:32:00+00:00
"""
from alembic import op

revision = 'e83b7a05d4f6'
down_revision = 'c60f28e4a9d1'
branch_labels = None
depends_on = None

# The columns of each index, and the condition of its rows.
INDEXES = {
    'ix_agents_account_id_status': (['account_id', 'status'], None),
    'ix_agents_account_id_attention_date': (['account_id', 'attention_date'], None),
    'ix_agents_account_id_secret_key_ids': (['account_id', 'secret_key_ids'], None),
    'ix_agents_account_id_not_examined': (['account_id'], 'CAST(examined_version <> version AS INTEGER) = 1'),
}


def upgrade() -> None:
    for name, (columns, condition) in INDEXES.items():
        op.create_index_concurrently(name, 'agents', columns, where=condition)


def downgrade() -> None:
    for name in reversed(INDEXES):
        op.drop_index_concurrently(name, 'agents')
