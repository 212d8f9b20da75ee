"""add_agent_version_door_and_note

Create Date: 2026-11-27 04:00:00+00:00
"""
import sqlalchemy as sa
from alembic import op

revision = '3d8a61f4b0c7'
down_revision = 'a8c1e57d0b36'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('agent_versions', sa.Column('door', sa.String(length=20), nullable=True))
    op.add_column('agent_versions', sa.Column('note', sa.String(length=500), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('agent_versions', schema=None) as batch_op:
        batch_op.drop_column('note')
        batch_op.drop_column('door')
