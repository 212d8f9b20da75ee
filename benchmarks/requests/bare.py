"""The least that a WSGI program does over the same table: one statement by psycopg2 on a connection of the thread."""

import json
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

import psycopg2
import psycopg2.extras

COLUMNS = (
    "id, name, description, status, model_type, system_instructions, connection_type, connection_config, account_id, "
    + "created_by, created_at, updated_at"
)
LIST = f"SELECT {COLUMNS} FROM agents ORDER BY created_at, id LIMIT 20"
ONE = f"SELECT {COLUMNS} FROM agents WHERE id = %s"
CREATE = """
INSERT INTO agents (id, name, description, status, model_type, api_key, system_instructions, connection_type,
    connection_config, account_id, created_at, updated_at)
VALUES (gen_random_uuid(), %(name)s, %(description)s, 'active', %(model_type)s, %(api_key)s, %(system_instructions)s,
    %(connection_type)s, %(connection_config)s, %(account_id)s, now(), now())
RETURNING id
"""
of_thread = threading.local()


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The WSGI program, with the database of DATABASE_URL."""
    status, found = _answer(environ)
    body = json.dumps(found, default=str).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def _answer(environ: dict[str, Any]) -> tuple[str, Any]:
    with _connection().cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
        if environ["REQUEST_METHOD"] == "POST":
            values = json.loads(environ["wsgi.input"].read())
            config = json.dumps(values["connection_config"])
            cursor.execute(CREATE, {**values, "connection_config": config, "account_id": os.environ["ACCOUNT_ID"]})
            return "201 Created", {**values, "id": cursor.fetchone()["id"]}
        _, _, agent_id = environ["PATH_INFO"].partition("/agents/")
        if agent_id:
            cursor.execute(ONE, [agent_id])
            return "200 OK", cursor.fetchone()
        cursor.execute(LIST)
        return "200 OK", {"items": cursor.fetchall()}


def _connection() -> Any:
    if not hasattr(of_thread, "connection"):
        of_thread.connection = psycopg2.connect(os.environ["DATABASE_URL"])
        of_thread.connection.autocommit = True
    return of_thread.connection
