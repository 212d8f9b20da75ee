"""add_agent_secret_facts

Create Date: 2026-11-22 15:34:00+00:00
"""
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '61e7b29d3f0c'
down_revision = 'c58a1d40f29e'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('agents', sa.Column('credential_expires_at', sa.Date(), nullable=True))
    op.add_column('agents', sa.Column('secret_facts', sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql'), server_default='{}', nullable=False))


def downgrade() -> None:
    with op.batch_alter_table('agents', schema=None) as batch_op:
        batch_op.drop_column('secret_facts')
        batch_op.drop_column('credential_expires_at')
