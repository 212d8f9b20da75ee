"""add_agent_list_indexes

Create Date: 2026-11-22 15:37:00+00:00
"""
from alembic import op

revision = '94d1e6b38f5a'
down_revision = '2c7f85e1a0d4'
branch_labels = None
depends_on = None

INDEXES = {
    'ix_agents_account_id_name_key_id': ['account_id', 'name_key', 'id'],
    'ix_agents_account_id_updated_at_id': ['account_id', 'updated_at', 'id'],
    'ix_agents_account_id_created_at_id': ['account_id', 'created_at', 'id'],
}


def upgrade() -> None:
    for name, columns in INDEXES.items():
        op.create_index_concurrently(name, 'agents', columns)


def downgrade() -> None:
    for name in reversed(INDEXES):
        op.drop_index_concurrently(name, 'agents')
