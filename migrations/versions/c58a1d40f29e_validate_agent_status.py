"""validate_agent_status

Create Date: 2026-11-22 15:33:00+00:00
"""
from alembic import op

revision = 'c58a1d40f29e'
down_revision = '0f96d3b7e815'
branch_labels = None
depends_on = None

CHECK = 'ck_agents_status'
RULE = "status IN ('active', 'disabled')"


def upgrade() -> None:
    # SQLite checked every row when the constraint was added.
    if op.get_context().dialect.name == 'postgresql':
        op.execute(f'ALTER TABLE agents VALIDATE CONSTRAINT {CHECK}')


def downgrade() -> None:
    if op.get_context().dialect.name == 'postgresql':
        op.drop_constraint(op.f(CHECK), 'agents', type_='check')
        op.create_check_constraint(op.f(CHECK), 'agents', RULE, postgresql_not_valid=True)
