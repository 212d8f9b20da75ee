"""What commands do not import: what takes long or much memory is loaded where it is used."""

import os
import socket
import subprocess
import sys

import pytest

from tests.cli.conftest import PATIENCE_S, Checkout

# The words after `agents_app`, what is not imported, and what is, so that a name that changed is noticed.
MIGRATIONS = {"alembic", "flask_migrate", "mako", "sqlglot", "agents_app.dbtools.deployment"}
DRIVERS = {"authlib", "msal", "mssql_python", "pymysql", "requests", "urllib3"}
RARE = {"zxcvbn", "segno", "agents_app.api.openapi", "agents_app.api.response_schemas", "prometheus_client", "lucide"}
SERVER = {"uvicorn", "agents_app.server.supervisor"}
COMMANDS = [
    (("--version",), {"sqlalchemy", "pydantic", "agents_app.app"}, {"click"}),
    (("agents", "list", "--help"), MIGRATIONS | DRIVERS | RARE | SERVER, {"agents_app.cli.agents"}),
    (("db", "status"), DRIVERS | RARE | SERVER | {"sqlglot"}, {"alembic"}),
    (("doctor", "--help"), DRIVERS | RARE | SERVER | {"sqlglot"}, {"agents_app.doctor"}),
    (("serve",), MIGRATIONS | DRIVERS | RARE, SERVER),
]


def imported(stderr: str) -> set[str]:
    """The modules in the report of `-X importtime`."""
    return {line.rpartition("|")[2].strip() for line in stderr.splitlines() if line.startswith("import time:")}


@pytest.mark.parametrize(("words", "without", "has"), COMMANDS, ids=[" ".join(words) for words, _, _ in COMMANDS])
def test_a_command_imports_only_what_it_uses(
    ready: Checkout, words: tuple[str, ...], without: set[str], has: set[str]
) -> None:
    environment = {**ready.settings, "PATH": os.environ["PATH"]}
    words_of = [sys.executable, "-X", "importtime", "-m", "agents_app", *words]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        # The port is in use, so that the server ends when it has imported everything but what a worker needs.
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            words_of,
            check=False,
            cwd=ready.folder,
            env={**environment, "BIND": f"127.0.0.1:{port}"},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )

    assert imported(done.stderr) & without == set()
    assert has <= imported(done.stderr)
