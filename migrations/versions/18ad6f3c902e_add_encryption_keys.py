"""add_encryption_keys

Create Date: 2026-11-22 15:41:00+00:00
"""
import sqlalchemy as sa
from alembic import op

revision = '18ad6f3c902e'
down_revision = 'e7c49a1056bf'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('encryption_keys',
    sa.Column('key_id', sa.String(length=32), nullable=False),
    sa.Column('check_value', sa.String(length=200), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('key_id', name=op.f('pk_encryption_keys'))
    )


def downgrade() -> None:
    op.drop_table('encryption_keys')
