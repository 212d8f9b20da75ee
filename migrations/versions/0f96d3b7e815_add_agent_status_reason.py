"""add_agent_status_reason

Create Date: 2026-11-22 15:32:00+00:00
"""
import sqlalchemy as sa
from alembic import op

revision = '0f96d3b7e815'
down_revision = 'a42c8e5f1b73'
branch_labels = None
depends_on = None

CHECK = 'ck_agents_status'
RULE = "status IN ('active', 'disabled')"


def upgrade() -> None:
    if op.get_context().dialect.name == 'sqlite':
        # SQLite can add a CHECK without rebuilding the table only together with a new column.
        op.execute(f'ALTER TABLE agents ADD COLUMN status_reason VARCHAR(500) CONSTRAINT {CHECK} CHECK ({RULE})')
        return
    op.add_column('agents', sa.Column('status_reason', sa.String(length=500), nullable=True))
    # It holds for new rows at once. The next step checks the old rows while others continue to write.
    op.create_check_constraint(op.f(CHECK), 'agents', RULE, postgresql_not_valid=True)


def downgrade() -> None:
    with op.batch_alter_table('agents', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f(CHECK), type_='check')
        batch_op.drop_column('status_reason')
