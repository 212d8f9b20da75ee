"""add_invitation_note

Create Date: 2026-11-26 21:10:00+00:00
"""
import sqlalchemy as sa
from alembic import op

revision = 'b47e0c92d1f8'
down_revision = 'e83b7a05d4f6'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('invitations', sa.Column('note', sa.String(length=200), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('invitations', schema=None) as batch_op:
        batch_op.drop_column('note')
