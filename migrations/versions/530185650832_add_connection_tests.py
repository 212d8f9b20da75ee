"""add_connection_tests

Create Date: 2026-11-26 11:12:09.007790+00:00
"""
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '530185650832'
down_revision = '02e5abac5490'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.require_tables('accounts', 'agents', 'users')
    op.create_table('started_tests',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('account_id', sa.Uuid(), nullable=False),
    sa.Column('person', sa.Uuid(), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_started_tests_account_id_accounts'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_started_tests'))
    )
    op.create_index('ix_started_tests_account_id_started_at', 'started_tests', ['account_id', 'started_at'], unique=False)
    op.create_table('connection_tests',
    sa.Column('agent_id', sa.Uuid(), nullable=False),
    sa.Column('account_id', sa.Uuid(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('valid_for_version', sa.Integer(), nullable=False),
    sa.Column('tested_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('user_id', sa.Uuid(), nullable=True),
    sa.Column('actor_name', sa.String(length=255), nullable=False),
    sa.Column('outcome', sa.String(length=10), nullable=False),
    sa.Column('cause', sa.String(length=50), nullable=True),
    sa.Column('result', sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql'), nullable=False),
    sa.Column('is_sample', sa.Boolean(), nullable=False),
    sa.CheckConstraint("outcome IN ('passed', 'warning', 'failed')", name=op.f('ck_connection_tests_outcome')),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_connection_tests_account_id_accounts'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['agent_id'], ['agents.id'], name=op.f('fk_connection_tests_agent_id_agents'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_connection_tests_user_id_users'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('agent_id', name=op.f('pk_connection_tests'))
    )
    op.create_index('ix_connection_tests_account_id_outcome', 'connection_tests', ['account_id', 'outcome'], unique=False)
    op.create_index(op.f('ix_connection_tests_user_id'), 'connection_tests', ['user_id'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_connection_tests_user_id'), table_name='connection_tests')
    op.drop_index('ix_connection_tests_account_id_outcome', table_name='connection_tests')
    op.drop_table('connection_tests')
    op.drop_index('ix_started_tests_account_id_started_at', table_name='started_tests')
    op.drop_table('started_tests')
