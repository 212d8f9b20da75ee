"""fill_agent_search_columns

Create Date: 2026-11-22 15:36:00+00:00
"""
import sqlalchemy as sa
from alembic import op

revision = '2c7f85e1a0d4'
down_revision = 'd90b4f6a7c21'
branch_labels = None
depends_on = None

AGENTS = sa.table(
    'agents',
    sa.column('id', sa.Uuid()),
    sa.column('name', sa.Text()),
    sa.column('description', sa.Text()),
    sa.column('model_type', sa.Text()),
    sa.column('name_key', sa.Text()),
    sa.column('search_text', sa.Text()),
)
# For `--sql`. SQL has no casefold: letters such as the German sharp s are found after the agent's next change.
SCRIPT = """
UPDATE agents SET name_key = lower(name), search_text = lower(
    name || coalesce('\n' || nullif(description, ''), '') || coalesce('\n' || nullif(model_type, ''), '')
) WHERE name_key = ''
"""


def search_columns(agent: sa.Row) -> dict[str, str]:
    texts = (agent.name, agent.description, agent.model_type)
    return {
        'name_key': agent.name.casefold(),
        'search_text': '\n'.join(text.casefold() for text in texts if text),
    }


def upgrade() -> None:
    op.fill_rows(AGENTS, AGENTS.c.name_key == '', search_columns, SCRIPT)


def downgrade() -> None:
    pass  # The step before this one drops the columns.
