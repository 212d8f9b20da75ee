"""The step that fills the attention columns, and a copy of it for rules that have changed (CONTRIBUTING.md)."""

import shutil
from datetime import date
from pathlib import Path

from alembic import command

from agents_app.paths import ROOT
from tests.conftest import OpenConsole
from tests.dbtools.tools import console_config, fetch_rows, head_revision
from tests.make import make_agent, make_user

FIRST = "fill_agent_attention_columns"
INCOMPLETE = str(date.min)


def test_a_copy_of_the_step_with_other_rules_fills_the_columns_of_every_agent_again(
    schema_url: str, open_console: OpenConsole, tmp_path: Path
) -> None:
    app = open_console(schema_url)
    make_agent(app, make_user(app), connection_config={"password": "secret"})
    versions = Path(shutil.copytree(ROOT / "migrations", tmp_path / "migrations")) / "versions"
    (first,) = versions.glob(f"*_{FIRST}.py")
    text = first.read_text()
    for present, new in (
        (f'"""{FIRST}\n', f'"""{FIRST}_again\n'),
        (f"revision = '{first.name.partition('_')[0]}'", "revision = 'again'"),
        ("down_revision = 'a1d93c5be702'", f"down_revision = '{head_revision()}'"),
        ("('password',)", "('password', 'schema_allow_list')"),
        ("AGENTS, NOT_EXAMINED,", "AGENTS, sa.true(),"),
    ):
        assert text.count(present) == 1, present
        text = text.replace(present, new)
    (versions / f"again_{FIRST}.py").write_text(text)
    config = console_config(schema_url)
    config.set_main_option("script_location", str(versions.parent))
    query = "SELECT attention_date, examined_version, version FROM agents"
    ((before, *_),) = fetch_rows(schema_url, query)

    command.upgrade(config, "head")

    ((after, *numbers),) = fetch_rows(schema_url, query)
    assert (str(before), str(after), numbers) == ("None", INCOMPLETE, [1, 1])
