"""The PgBouncer configuration in `docs/deployment.md` works. Only its addresses and paths are replaced."""

import re
from pathlib import Path

import sqlalchemy as sa

from agents_app.database.session import pooler_mode, session_facts
from agents_app.database.url import parse_url
from agents_app.db import db
from agents_app.paths import ROOT
from tests.conftest import OpenConsole
from tests.pgbouncer import OWNER, pooler_with_configuration

INI = re.compile(r"^```ini\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_console_works_with_the_documented_configuration(
    postgres_schema_url: str, open_console: OpenConsole
) -> None:
    (block,) = INI.findall((ROOT / "docs" / "deployment.md").read_text())
    server = sa.make_url(postgres_schema_url)

    def ini(folder: Path) -> str:
        entry = f"dbname = host={server.query['host']} dbname={server.database}"
        changes = {
            "dbname = host=127.0.0.1 port=5432 dbname=dbname": entry,
            "listen_addr = 127.0.0.1": f"unix_socket_dir = {folder}",
            "/etc/pgbouncer/userlist.txt": str(folder / "userlist.txt"),
        }
        text = block
        for before, after in changes.items():
            assert before in text
            text = text.replace(before, after)
        return text

    with pooler_with_configuration(ini, f'"{OWNER}" "a password"\n') as pooler:
        through = sa.make_url(pooler.url(postgres_schema_url)).set(database="dbname", password="a password")
        url = through.render_as_string(hide_password=False)
        with open_console(url).app_context(), db.reading() as connection:
            facts = session_facts(connection)
        mode = pooler_mode(parse_url(url))

    assert (facts.is_pooled, facts.statement_timeout, facts.lock_timeout, mode) == (True, "5s", "2s", "transaction")
