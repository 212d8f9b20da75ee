"""add_agent_attention_columns

Create Date: 2026-11-26 12:30:00+00:00
"""
import sqlalchemy as sa
from alembic import op

revision = 'a1d93c5be702'
down_revision = '9f4c21d7e6a8'
branch_labels = None
depends_on = None


def upgrade() -> None:
    secret_key_ids = sa.Text().with_variant(sa.Text(collation='C'), 'postgresql')
    op.add_column('agents', sa.Column('attention_date', sa.Date(), nullable=True))
    op.add_column('agents', sa.Column('secret_key_ids', secret_key_ids, server_default='', nullable=False))
    op.add_column('agents', sa.Column('examined_version', sa.Integer(), server_default='0', nullable=False))


def downgrade() -> None:
    with op.batch_alter_table('agents', schema=None) as batch_op:
        batch_op.drop_column('examined_version')
        batch_op.drop_column('secret_key_ids')
        batch_op.drop_column('attention_date')
