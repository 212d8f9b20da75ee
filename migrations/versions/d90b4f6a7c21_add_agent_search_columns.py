"""add_agent_search_columns

Create Date: 2026-11-22 15:35:00+00:00
"""
import sqlalchemy as sa
from alembic import op

revision = 'd90b4f6a7c21'
down_revision = '61e7b29d3f0c'
branch_labels = None
depends_on = None


def upgrade() -> None:
    name_key = sa.Text().with_variant(sa.Text(collation='C'), 'postgresql')
    op.add_column('agents', sa.Column('name_key', name_key, server_default='', nullable=False))
    op.add_column('agents', sa.Column('search_text', sa.Text(), server_default='', nullable=False))


def downgrade() -> None:
    with op.batch_alter_table('agents', schema=None) as batch_op:
        batch_op.drop_column('search_text')
        batch_op.drop_column('name_key')
