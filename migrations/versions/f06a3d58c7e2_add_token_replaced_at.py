"""add_token_replaced_at

Create Date: 2026-11-26 21:11:00+00:00
"""
import sqlalchemy as sa
from alembic import op

revision = 'f06a3d58c7e2'
down_revision = 'b47e0c92d1f8'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('api_tokens', sa.Column('replaced_at', sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('api_tokens', schema=None) as batch_op:
        batch_op.drop_column('replaced_at')
