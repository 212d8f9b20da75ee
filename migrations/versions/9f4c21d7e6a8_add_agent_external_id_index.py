"""add_agent_external_id_index

Create Date: 2026-11-26 11:14:00+00:00
"""
from alembic import op

revision = '9f4c21d7e6a8'
down_revision = '642c5031cd48'
branch_labels = None
depends_on = None

INDEX = 'ix_agents_account_id_external_id'


def upgrade() -> None:
    op.create_index_concurrently(INDEX, 'agents', ['account_id', 'external_id'], unique=True)


def downgrade() -> None:
    op.drop_index_concurrently(INDEX, 'agents')
