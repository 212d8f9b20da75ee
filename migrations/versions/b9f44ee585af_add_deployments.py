"""add_deployments

Create Date: 2026-11-27 11:39:46.147245+00:00
"""
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = 'b9f44ee585af'
down_revision = '7b19e4c2f8d5'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('applied_steps',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('revision', sa.Text(), nullable=False),
    sa.Column('checksum', sa.Text(), nullable=False),
    sa.Column('applied_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('is_refilled', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_applied_steps'))
    )
    op.create_index('ix_applied_steps_revision', 'applied_steps', ['revision'], unique=False)
    op.create_table('deployments',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('command', sa.Text(), nullable=False),
    sa.Column('release', sa.Text(), nullable=False),
    sa.Column('os_user', sa.Text(), nullable=False),
    sa.Column('host', sa.Text(), nullable=False),
    sa.Column('process_id', sa.Integer(), nullable=False),
    sa.Column('role', sa.Text(), nullable=True),
    sa.Column('from_revision', sa.Text(), nullable=True),
    sa.Column('to_revision', sa.Text(), nullable=True),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('outcome', sa.Text(), nullable=True),
    sa.Column('backup', sa.Text(), nullable=True),
    sa.Column('saved_files', sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql'), nullable=False),
    sa.Column('dangers', sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql'), nullable=False),
    sa.Column('limits', sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql'), nullable=False),
    sa.CheckConstraint("outcome IN ('done', 'failed', 'interrupted')", name=op.f('ck_deployments_outcome')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_deployments'))
    )
    op.create_index('ix_deployments_started_at', 'deployments', ['started_at'], unique=False)
    op.create_table('deployment_steps',
    sa.Column('deployment_id', sa.Uuid(), nullable=False),
    sa.Column('position', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('revision', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('direction', sa.Text(), nullable=False),
    sa.Column('seconds', sa.Double(), nullable=True),
    sa.Column('filled_rows', sa.BigInteger(), nullable=True),
    sa.Column('updated_rows', sa.BigInteger(), nullable=True),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('error', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['deployment_id'], ['deployments.id'], name=op.f('fk_deployment_steps_deployment_id_deployments'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('deployment_id', 'position', name=op.f('pk_deployment_steps'))
    )


def downgrade() -> None:
    # The run that drops the table cannot write its own end.
    op.execute("UPDATE deployments SET outcome = 'done', ended_at = CURRENT_TIMESTAMP WHERE outcome IS NULL")
    op.drop_table('deployment_steps')
    op.drop_index('ix_deployments_started_at', table_name='deployments')
    op.drop_table('deployments')
    op.drop_index('ix_applied_steps_revision', table_name='applied_steps')
    op.drop_table('applied_steps')
