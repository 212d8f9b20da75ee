"""add_agent_facts

Create Date: 2026-11-26 11:13:13.869712+00:00
"""
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '642c5031cd48'
down_revision = '530185650832'
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql')


def upgrade() -> None:
    op.add_column('agents', sa.Column('external_id', sa.String(length=200), nullable=True))
    op.add_column('agents', sa.Column('owner', sa.String(length=200), nullable=True))
    op.add_column('agents', sa.Column('environment', sa.String(length=50), nullable=True))
    op.add_column('agents', sa.Column('labels', JSON, server_default='{}', nullable=False))
    op.add_column('agents', sa.Column('model_provider', sa.String(length=50), nullable=True))
    op.add_column('agents', sa.Column('model_base_url', sa.String(length=500), nullable=True))
    op.add_column('agents', sa.Column('api_key_expires_at', sa.Date(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('agents', schema=None) as batch_op:
        batch_op.drop_column('api_key_expires_at')
        batch_op.drop_column('model_base_url')
        batch_op.drop_column('model_provider')
        batch_op.drop_column('labels')
        batch_op.drop_column('environment')
        batch_op.drop_column('owner')
        batch_op.drop_column('external_id')
