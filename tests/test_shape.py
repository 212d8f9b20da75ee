"""The structure of the code: what may import what, what may write what, and that every door has every operation."""

import ast
import re
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from agents_app.api import PREFIX
from agents_app.config import CHECKS
from agents_app.paths import ROOT

APP = ROOT / "agents_app"
FOLDERS = ("agents_app", "benchmarks", "migrations")
FILES = sorted([*(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")), ROOT / "wsgi.py"])
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
DOORS = {"web", "api", "cli"}
INSIDE = {"errors", "values", "probes", "schemas", "connections", "encryption", "database", "db", "models", "dbtools"}
INSIDE |= {"operations", "paths", "http", "config", "config_display", "config_sign_on", "sign_on"}
# The folders of `probes` that contain a probe.
KINDS = " ".join(sorted(path.parent.name for path in (APP / "probes").glob("*/probe.py")))
# The rooms of a part, from the lowest to the highest: each uses only those before it. Rooms in one text use neither
# each other nor those after them.
PROBE_ROOMS = (
    "facts faults steps results",
    "causes recorder",
    "quoting table_names network",
    KINDS,
    "transcript",
    "runner",
    "__main__",
)
DBTOOLS_ROOMS = (
    "configuration",
    "output",
    "step_files",
    "folders branches marks version_table",
    "alembic_steps",
    "database",
    "operations",
    "saved_rows",
    "own_tables",
    "position",
    "phases",
    "records",
    "autogenerate",
    "review",
    "backup",
    "problems",
    "server_problems serving_rights",
    "status",
    "console_session",
    "runner",
    "copying deployment rehearsal",
    "overview",
    "commands",
)
ROOMS = {"dbtools": DBTOOLS_ROOMS, "probes": PROBE_ROOMS}
# Past this many lines a file has a second subject.
LINES_MAX, TEMPLATE_LINES_MAX = 250, 120
TEMPLATE_LINE_WIDTH = 160
FUNCTION_MAX = 30
# What every part may use.
EVERYWHERE = ("__version__", "wording")
# The one part that may use all others: it lists them.
TABLE_OF_CONTENTS = "app"
# Who may use what of ours, and which packages.
MAY_USE: dict[str, tuple[set[str], set[str]]] = {
    "errors": (set(), set()),
    "paths": (set(), set()),
    "terminal": (set(), set()),
    "wording": (set(), set()),
    "weak_keys": (set(), set()),
    "flask_command": (set(), {"click", "flask"}),
    "__main__": ({"flask_command"}, {"flask"}),
    "wsgi": ({"app", "cli", "db", "errors", "terminal"}, set()),
    "encryption": ({"weak_keys"}, {"cryptography"}),
    # cryptography says whether a text is a certificate or a key; encrypting is not the values' work.
    "values": ({"errors"}, {"cryptography", "pydantic", "pydantic_core", "yaml", "zxcvbn"}),
    "connections": ({"values"}, {"pydantic", "pydantic_core"}),
    # A driver is imported by the function that uses it.
    "probes": (
        {"connections", "errors", "paths", "values"},
        {"cryptography", "msal", "mssql_python", "psycopg2", "pymysql", "urllib3"},
    ),
    "schemas": ({"connections", "errors", "values"}, {"pydantic", "pydantic_core"}),
    "database": ({"errors", "paths", "values"}, {"orjson", "psycopg2", "sqlalchemy"}),
    "similar_names": (set(), set()),
    "config_files": (set(), set()),
    "file_errors": ({"paths"}, set()),
    "config_sources": (
        {"config_files", "errors", "file_errors", "paths", "similar_names"},
        {"click", "dotenv", "flask"},
    ),
    "config": (
        {
            "config_keys",
            "config_monitoring",
            "config_sign_on",
            "config_sources",
            "config_values",
            "database",
            "errors",
            "paths",
            "values",
        },
        {"flask", "sqlalchemy"},
    ),
    "logs": ({"config"}, {"flask"}),
    "config_keys": ({"encryption", "errors", "paths", "weak_keys"}, set()),
    "config_values": ({"values"}, set()),
    "config_monitoring": ({"config_values", "weak_keys"}, set()),
    "config_sign_on": ({"values"}, set()),
    "sign_on": ({"errors", "schemas", "values"}, {"authlib", "joserfc", "requests"}),
    "identity_provider": ({"config", "sign_on"}, {"flask"}),
    "config_display": ({"config", "config_sign_on", "database", "paths", "values"}, {"sqlalchemy"}),
    "hosts": ({"config", "errors", "values"}, {"flask"}),
    "db": ({"database", "errors", "paths"}, {"flask", "flask_sqlalchemy", "sqlalchemy"}),
    "models": ({"db", "values"}, {"sqlalchemy"}),
    "dbtools": (
        {"database", "db", "errors", "file_errors", "paths"},
        {"alembic", "click", "flask", "flask_migrate", "psycopg2", "sqlalchemy", "sqlglot"},
    ),
    "doctor": (
        {
            "config",
            "config_display",
            "config_sign_on",
            "config_sources",
            "database",
            "db",
            "dbtools",
            "encryption",
            "errors",
            "identity_provider",
            "models",
            "operations",
            "paths",
            "sign_on",
            "similar_names",
            "values",
        },
        {"alembic", "sqlalchemy"},
    ),
    "operations": (INSIDE - {"http"}, {"argon2", "pydantic", "pyotp", "sqlalchemy"}),
    "http": ({"config", "health", "hosts", "operations", "refusals", "values"}, {"flask", "werkzeug"}),
    "static_files": (set(), {"flask", "werkzeug"}),
    "refusals": ({"errors", "operations", "values"}, {"flask", "orjson", "werkzeug"}),
    "sub_path": ({"config"}, {"flask"}),
    "answer_headers": ({"config"}, {"flask"}),
    "health": ({"errors", "operations"}, {"flask", "orjson"}),
    "api": (
        {"config", "connections", "errors", "http", "operations", "paths", "schemas", "static_files", "values"},
        {"flask", "flask_swagger_ui", "orjson", "pydantic"},
    ),
    "web": (
        {
            "config",
            "connections",
            "db",
            "errors",
            "health",
            "hosts",
            "http",
            "identity_provider",
            "operations",
            "refusals",
            "paths",
            "schemas",
            "sign_on",
            "static_files",
            "values",
        },
        {
            "flask",
            "flask_wtf",
            "itsdangerous",
            "markupsafe",
            "pydantic",
            "pydantic_core",
            "segno",
            "werkzeug",
            "wtforms",
        },
    ),
    "cli": (
        {
            "config",
            "connections",
            "database",
            "db",
            "dbtools",
            "doctor",
            "errors",
            "file_errors",
            "operations",
            "paths",
            "schemas",
            "server",
            "values",
        },
        {"alembic", "click", "flask", "orjson"},
    ),
    "metrics": ({"config", "db", "errors", "http", "operations"}, {"flask", "prometheus_client", "sqlalchemy"}),
    "server": ({"config", "db", "http", "metrics", "values", "web"}, {"flask", "httptools", "uvicorn", "uvloop"}),
}
# What doors may take from db.py: nothing that asks the database.
PLAIN_DB = {"now", "db"}
PLAIN_DB_ACTS = {"close_pool", "has_committed", "release"}
AGENT_MODULES = (
    "agents",
    "agent_exports",
    "agent_files",
    "agent_history",
    "agent_reads",
    "attention",
    "bulk_agents",
    "connection_tests",
    "deleted_agents",
    "external_agents",
    "readers",
    "runtime",
)
# Operations on agents that a door does without, and why.
DOES_WITHOUT = {
    "api": {
        "changes_since": "a program compares the versions that it names",
        "find": "a program lists the deleted agents",
        "listing_with_counts": "counts are for people; programs count what they fetch",
        "read_page": "`read` and `of_agent` return it in parts",
        "counts": "the same",
        "store_sample": "only `flask demo` makes samples",
        "export_rows": "clients read the list page by page",
        "result": "the response to the act has it",
        "matching": "`GET /agents` has the ids",
        "selected": "the same",
        "deleted": "the response to the act names those that were deleted",
        "agents_of_token": "tokens are for pages and terminal",
        "recent": "a program asks `GET /agents/{id}/readers` before it ends an agent",
    },
    "cli": {
        "export_rows": "`flask agents list --json` prints all agents that match",
        "changes_since": "a person at the terminal compares the versions that they name",
        "find": "a terminal lists the deleted agents",
        "listing_with_counts": "a terminal prints what matches",
        "read_page": "`flask agents show` prints the agent, and `flask agents attention` the reasons",
        "counts": "the same",
        "fetch": "only a token with the scope runtime may, and the terminal has none",
        "check": "the same",
        "id_to_fetch": "the same",
        "fetchable": "the same",
        "of_agent": "`flask agents attention` prints the reasons of every agent",
        "result": "the command prints it",
        "selected": "the terminal chooses agents by filters",
        "deleted": "the result names those that were deleted",
        "put": "`flask agents import` creates and changes agents by their external id",
        "id_of": "`flask agents list --external-id` prints the agent",
        "run_unsaved": "a person at the terminal creates the agent first, and then tests it",
    },
    "web": {
        "put": "a person creates or changes the agent with a form",
        "id_of": "a person finds the agent with the search",
        "fetch": "only a token with the scope runtime may",
        "of_agent": "`read_page` has the reasons",
        "check": "only a token with the scope runtime may",
        "id_to_fetch": "the same",
        "fetchable": "the same",
        "store_sample": "only `flask demo` makes samples",
    },
}
# The modules of operations, with the public functions that take neither an actor, a visitor nor an operator first. All
# other modules of the folder are helpers.
OPERATIONS: dict[str, dict[str, str]] = {
    "accounts": {
        "is_set_up": "the sign-in page asks before anyone can sign in",
        "setup_code": "the server prints it when it starts",
        "create": "the terminal makes an account before there is an actor of it",
        "listing": "the terminal lists all accounts",
    },
    "agent_files": {},
    "agent_exports": {},
    "agent_history": {},
    "agent_reads": {},
    "agents": {},
    "attention": {},
    "bulk_agents": {},
    "deleted_agents": {},
    "external_agents": {},
    "connection_tests": {"address_rules": "it reads the settings, and where the console's own database is"},
    "drivers": {"missing": "it says what is installed on the server"},
    "event_exports": {},
    "events": {},
    "health": {
        "schema": "the health addresses are public",
        "require_changes": "the health addresses are public",
    },
    "identities": {},
    "invitations": {
        "join_url": "it makes a URL of a code",
        "reset_url": "it makes a URL of a code",
        "read_link": "the code is the permission",
    },
    "misplaced_keys": {"find": "the terminal reads all accounts"},
    "provider_sign_in": {},
    "purge": {"count": "the terminal reads all accounts"},
    "readers": {"readers": "it reads rows that another operation has read for an actor"},
    "rotation": {},
    "second_factors": {},
    "runtime": {},
    "server_facts": {
        "agents": "the metrics are of the whole server",
        "expiring": "the same",
        "pending_migrations": "the same",
        "newest_backup": "the same",
    },
    "sessions": {},
    "stored_secrets": {
        "status": "the terminal reads all accounts",
        "count": "the terminal reads all accounts",
        "counts_by_key": "the terminal reads all accounts",
        "list_unreadable": "the terminal reads all accounts",
        "secret_rows": "rotation reads all accounts",
    },
    "system": {},
    "tokens": {},
    "user_details": {},
    "users": {},
}
# Names that no module and no folder of templates may have, by the row of the grid that each means.
SYNONYMS = {
    "agents": {"agent", "bots", "assistants"},
    "users": {"user", "people", "person", "persons", "members", "staff"},
    "accounts": {"account", "organisation", "organisations", "organizations", "tenants"},
    "invitations": {"invitation", "invites", "joining", "join"},
    "tokens": {"token", "api_tokens", "api_keys"},
    "events": {"event", "activity", "activities", "audit", "audit_log"},
    "sessions": {"session", "auth", "authentication", "login", "logins", "signing_in"},
}
# Everything that assigns to an agent's row: the one write path, what it makes new rows with, the change of keys, and
# the removal of private keys that an earlier release stored in clear.
WRITERS = {
    "operations/agent_writes.py:_set_row",
    "operations/rotation.py:_store",
    "operations/misplaced_keys.py:_remove",
}
MAKERS = {"operations/agents.py:create", "operations/agents.py:clone", "operations/restored_agents.py:restore"}
MAKERS |= {"operations/agent_files.py:_changes"}
# A new setting or API operation is a decision. When one of these numbers has to change, answer the questions of
# docs/decisions.md and write the answer there; then change the number.
SETTINGS, API_OPERATIONS = 37, 30
DECISIONS = (ROOT / "docs" / "decisions.md").read_text()
# Pages that are open without signing in.
OPEN_PAGES = {"static", "icons", "healthz", "readyz", "openapi", "api_docs", "api_docs_file"}


def area(path: Path) -> str:
    """The part of the code that a file belongs to."""
    return path.relative_to(APP).parts[0].removesuffix(".py") if path.is_relative_to(APP) else path.parent.name


def imports(path: Path) -> Iterator[str]:
    """The full name of everything that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def functions(path: Path) -> Iterator[tuple[str, ast.FunctionDef]]:
    """The functions of a file, each as (file:name, node)."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            yield f"{path.relative_to(APP).as_posix()}:{node.name}", node


@pytest.mark.parametrize("part", MAY_USE)
def test_a_part_uses_only_what_it_may(part: str) -> None:
    ours, packages = MAY_USE[part]
    allowed = {f"agents_app.{name}" for name in (*ours, part, *EVERYWHERE)} | packages | sys.stdlib_module_names
    found = [
        (path, name) for path in FILES if path.is_relative_to(APP) and area(path) == part for name in imports(path)
    ]

    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path, name in found
        if not {name.partition(".")[0], ".".join(name.split(".")[:2])} & allowed
    ]

    assert found or not (ours or packages)
    assert wrong == []


def test_the_table_says_of_every_part_what_it_may_use() -> None:
    parts = {area(path) for path in FILES if path.is_relative_to(APP)} - {"__init__", TABLE_OF_CONTENTS}

    assert parts == set(MAY_USE)


@pytest.mark.parametrize("part", ROOMS)
def test_a_room_of_a_part_uses_only_rooms_below_it(part: str) -> None:
    level = {room: number for number, rooms in enumerate(ROOMS[part]) for room in rooms.split()}
    # The package itself offers functions of the highest rooms.
    paths = [path for path in (APP / part).rglob("*.py") if path != APP / part / "__init__.py"]
    room = {path: path.relative_to(APP / part).parts[0].removesuffix(".py") for path in paths}
    start = f"agents_app.{part}"
    used = [
        (path, room[path], name.removeprefix(start + ".").partition(".")[0])
        for path in paths
        for name in imports(path)
        if f"{name}.".startswith(f"{start}.")
    ]

    wrong = [
        f"{path.relative_to(APP)} imports {used_room}"
        for path, own_room, used_room in used
        if used_room != own_room and level.get(used_room, len(level)) >= level[own_room]
    ]

    assert set(room.values()) == level.keys()
    assert wrong == []


def test_doors_ask_operations_and_never_the_database() -> None:
    paths = [path for path in FILES if path.is_relative_to(APP) and area(path) in DOORS]
    taken = {(path.name, name) for path in paths for name in imports(path) if name.startswith("agents_app.db.")}
    asked = {
        (path.name, node.attr)
        for path in paths
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "db"
    }

    assert [(file, name) for file, name in taken if name.rpartition(".")[2] not in PLAIN_DB] == []
    assert [(file, name) for file, name in asked if name not in PLAIN_DB_ACTS] == []


@pytest.mark.parametrize("name", ["__init__.py", "wording.py"])
def test_what_every_part_may_use_imports_nothing(name: str) -> None:
    assert list(imports(APP / name)) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_says_what_lives_in_it_and_is_short(path: Path) -> None:
    tree = ast.parse(path.read_text())
    long = [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= FUNCTION_MAX
    ]

    assert ast.get_docstring(tree)
    assert len(path.read_text().splitlines()) <= LINES_MAX
    assert long == [] or "migrations" in path.parts


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_is_short_and_so_are_its_lines(path: Path) -> None:
    lines = path.read_text().splitlines()

    assert len(lines) <= TEMPLATE_LINES_MAX
    assert [number for number, line in enumerate(lines, 1) if len(line) > TEMPLATE_LINE_WIDTH] == []


def used_of(door: str) -> set[str]:
    """The operations on agents that a door calls."""
    found: set[str] = set()
    for path in (APP / door).glob("*.py"):
        tree = ast.parse(path.read_text())
        names = {
            alias.asname or alias.name: alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "agents_app.operations"
            for alias in node.names
            if alias.name in AGENT_MODULES
        }
        found |= {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names
        }
    return found & operations_on_agents()


def operations_on_agents() -> set[str]:
    """The public functions that do something with agents for an actor."""
    found = set()
    for module in AGENT_MODULES:
        for _, node in functions(APP / "operations" / f"{module}.py"):
            if node.args.args and node.args.args[0].arg == "actor" and not node.name.startswith("_"):
                found.add(node.name)
    return found


def decided(heading: str) -> list[str]:
    """The names in the first column of the table under this heading of docs/decisions.md."""
    section = DECISIONS.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \| \S.* \|$", section, re.MULTILINE)


def test_every_setting_is_a_decision_that_was_written_down() -> None:
    assert decided("Settings") == list(CHECKS)
    assert len(CHECKS) == SETTINGS


def test_every_api_operation_is_a_decision_that_was_written_down(console: Flask) -> None:
    operations = {
        f"{method} " + re.sub("<[^>]*:([^>]*)>", r"{\1}", rule.rule.removeprefix(PREFIX))
        for rule in console.url_map.iter_rules()
        if rule.rule.startswith(f"{PREFIX}/")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }

    assert set(decided("API operations")) == operations
    assert len(operations) == API_OPERATIONS


def public_functions(module: str) -> dict[str, ast.FunctionDef]:
    """The public functions of a module of `operations`."""
    found = functions(APP / "operations" / f"{module}.py")
    tops = ast.parse((APP / "operations" / f"{module}.py").read_text()).body
    names = {node.name for node in tops if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")}
    return {node.name: node for _, node in found if node.name in names}


@pytest.mark.parametrize("path", sorted((APP / "operations").glob("[!_]*.py")), ids=lambda path: path.stem)
def test_a_module_of_operations_says_whether_it_holds_operations_or_helpers(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""

    assert docstring.partition(" ")[0] == ("Operations" if path.stem in OPERATIONS else "Helpers")


@pytest.mark.parametrize("module", OPERATIONS)
def test_an_operation_takes_first_who_asks_for_it(module: str) -> None:
    others = {
        name
        for name, node in public_functions(module).items()
        if not node.args.args or node.args.args[0].arg not in ("actor", "visitor", "operator")
    }

    assert others == set(OPERATIONS[module])


@pytest.mark.parametrize("module", OPERATIONS)
def test_an_operation_takes_no_session_as_that_is_for_helpers(module: str) -> None:
    takers = [
        name
        for name, node in public_functions(module).items()
        if any(argument.annotation and ast.unparse(argument.annotation) == "Session" for argument in node.args.args)
    ]

    assert takers == []


def test_a_row_of_the_grid_has_one_name_in_every_folder() -> None:
    folders = ("web", "api", "cli", "operations", "schemas")
    modules = [path for folder in folders for path in (APP / folder).rglob("*.py")]
    templates = [path for path in (ROOT / "templates").rglob("*") if path.is_dir()]
    names = {path.stem: path for path in (*modules, *templates)}

    wrong = {
        str(names[name].relative_to(ROOT)): f"call it {row}"
        for row, synonyms in SYNONYMS.items()
        for name in synonyms & names.keys()
    }

    assert wrong == {}
    assert names.keys() >= SYNONYMS.keys()


@pytest.mark.parametrize("door", sorted(DOORS))
def test_what_one_door_does_with_agents_every_door_does(door: str) -> None:
    assert operations_on_agents() - used_of(door) == set(DOES_WITHOUT[door])


def test_only_the_one_write_path_assigns_to_an_agent() -> None:
    writers, makers = set(), set()
    for path in FILES:
        if not path.is_relative_to(APP):
            continue
        for name, function in functions(path):
            text = ast.unparse(function)
            if re.search(r"\bagent\.\w+(, \w+\.\w+)* = |setattr\(agent\b|(update|insert)\(Agent\)", text):
                writers.add(name)
            if re.search(r"\bAgent\(\w", text):
                makers.add(name)

    assert (writers, makers) == (WRITERS, MAKERS)


def test_every_form_that_changes_something_proves_where_it_comes_from() -> None:
    token = re.compile(r"csrf\(\)|csrf_token|_inputs\.html|form_page")
    for template in (ROOT / "templates").rglob("*.html"):
        for form in re.findall(
            r"<form\b[^>]*method=\"post\".*?</form>", template.read_text(), re.DOTALL | re.IGNORECASE
        ):
            assert token.search(form), f"{template.name}: {form[:80]}"


def test_an_anonymous_visitor_is_sent_away_from_every_page(console: Flask) -> None:
    open_endpoints, browser = set(), console.test_client()
    for rule in console.url_map.iter_rules():
        if rule.rule.startswith("/api/") or "GET" not in rule.methods or rule.endpoint in OPEN_PAGES:
            continue
        path = re.sub(r"<[^>]*>", str(uuid.uuid4()), rule.rule)
        answer = browser.get(path)
        if answer.status_code not in (303, 401, 404) or answer.location == "/":
            open_endpoints.add(rule.endpoint)

    assert {
        name for name in open_endpoints if not name.startswith(("web.sessions", "web.setup", "web.invitations"))
    } == set()


def test_no_page_changes_anything_for_an_anonymous_visitor(console: Flask) -> None:
    for rule in console.url_map.iter_rules():
        for method in rule.methods & {"POST", "PUT", "PATCH", "DELETE"}:
            path = re.sub(r"<[^>]*>", str(uuid.uuid4()), re.sub(r"<int:[^>]*>", "1", rule.rule))

            assert console.test_client().open(path, method=method).status_code in (303, 400, 401), rule.rule
