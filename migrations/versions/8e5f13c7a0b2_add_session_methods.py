"""add_session_methods

Create Date: 2026-11-28 06:10:00+00:00
"""
import sqlalchemy as sa
from alembic import op

revision = '8e5f13c7a0b2'
down_revision = 'b9f44ee585af'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('user_sessions', sa.Column('method', sa.String(length=20), server_default='password', nullable=False))
    op.add_column('user_sessions', sa.Column('confirmed_at', sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('user_sessions', schema=None) as batch_op:
        batch_op.drop_column('confirmed_at')
        batch_op.drop_column('method')
