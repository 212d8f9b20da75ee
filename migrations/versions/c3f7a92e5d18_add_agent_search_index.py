"""add_agent_search_index

Create Date: 2026-11-28 15:40:00+00:00
"""
from alembic import op

revision = 'c3f7a92e5d18'
down_revision = 'd4a92b7c1e05'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_search_index('tx_agents_search_text', 'agents', 'search_text')


def downgrade() -> None:
    op.drop_search_index('tx_agents_search_text', 'agents')
