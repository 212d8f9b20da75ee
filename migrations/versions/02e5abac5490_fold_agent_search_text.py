"""fold_agent_search_text

Create Date: 2026-11-26 03:41:47.925024+00:00
"""
import re
import unicodedata

import sqlalchemy as sa
from alembic import op

revision = '02e5abac5490'
down_revision = 'a5ecd374ab0b'
branch_labels = None
depends_on = None

AGENTS = sa.table(
    'agents',
    sa.column('id', sa.Uuid()),
    sa.column('version', sa.Integer()),
    sa.column('name', sa.Text()),
    sa.column('description', sa.Text()),
    sa.column('model_type', sa.Text()),
    sa.column('connection_type', sa.Text()),
    sa.column('connection_config', sa.JSON()),
    sa.column('name_key', sa.Text()),
    sa.column('search_text', sa.Text()),
)
# Folded text begins with a newline. The release before this one writes no newline, and it may still be running.
IS_FOLDED = AGENTS.c.search_text.like('\n%')
TITLES = {'DB': ('host', 'dialect', 'database'), 'POWERBI': ('dataset_id', 'workspace_id')}
# A copy of the rules by which the console folded text when this step was written.
ACCENTS = re.compile('[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]')
UNSEEN = re.compile('[\ufe00-\ufe0f\U000e0100-\U000e01ef\u115f\u1160]')
PLAIN = str.maketrans(
    {'\u0131': 'i', 'ł': 'l', 'ø': 'o', 'đ': 'd', 'ð': 'd', 'þ': 'th', 'æ': 'ae', 'œ': 'oe', 'ħ': 'h', 'ŧ': 't'}
)
MARKS_MAX = 30
# For `--sql`, as SQL cannot fold text. Until its next change, an agent is found by its exact letters only.
SCRIPT = "/* The console folds the text of each agent at the agent's next change. */"


def is_orderly(text: str) -> bool:
    marks = 0
    for char in text:
        marks = marks + 1 if unicodedata.combining(char) else 0
        if marks > MARKS_MAX:
            return False
    return True


def folded(text: str) -> str:
    if not is_orderly(text):
        return text.casefold()
    apart = unicodedata.normalize('NFKD', unicodedata.normalize('NFKD', text).casefold().translate(PLAIN))
    bare = UNSEEN.sub('', ACCENTS.sub('', apart))
    seen = ''.join(char for char in bare if unicodedata.category(char) != 'Cf')
    return unicodedata.normalize('NFC', seen.casefold())


def texts_of(agent: sa.Row) -> list[str]:
    config = agent.connection_config if isinstance(agent.connection_config, dict) else {}
    titles = [str(config.get(name) or '') for name in TITLES.get(agent.connection_type, ())]
    return [text for text in (agent.name, agent.description, agent.model_type, *titles) if text]


def folded_columns(agent: sa.Row) -> dict[str, str]:
    lines = dict.fromkeys(line for text in texts_of(agent) for line in (text.casefold(), folded(text)))
    name = unicodedata.normalize('NFC', agent.name) if is_orderly(agent.name) else agent.name
    return {'name_key': name.casefold(), 'search_text': '\n' + '\n'.join(lines)}


def casefolded_columns(agent: sa.Row) -> dict[str, str]:
    return {
        'name_key': agent.name.casefold(),
        'search_text': '\n'.join(text.casefold() for text in texts_of(agent)),
    }


def upgrade() -> None:
    op.fill_rows(AGENTS, ~IS_FOLDED, folded_columns, SCRIPT, AGENTS.c.version)


def downgrade() -> None:
    op.fill_rows(AGENTS, IS_FOLDED, casefolded_columns, SCRIPT, AGENTS.c.version)
