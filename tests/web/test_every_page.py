"""What is true of every page that an admin reaches with one request: its size, its focus, valid HTML."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents_app.cli.demo import samples
from agents_app.db import db
from agents_app.operations import agents
from agents_app.paths import STATIC
from tests.make import make_app
from tests.security.conftest import Caller
from tests.security.tenant import Tenant

BYTES_MAX = 60_000
# The dialog that is loading sets the focus when it opens.
TEMPLATE = re.compile(r"<template.*?</template>", re.DOTALL)
NO_CHECKER = "No Nu HTML checker: the HTML was NOT checked. Install Java, and set VNU_JAR to the path of vnu.jar."
# States of lists and of errors that no rule names.
STATES = (
    *("/agents?q=nothing+like+it", "/agents?status=bad", "/agents?needs_attention=true", "/agents?sort=name"),
    *("/activity?q=x", "/nothing", "/agents/1"),
)
CONFIG = '"connection_config": {"dialect": "mysql", "host": "a.example.org", "database": "b", "username": "c"}'
FILE = f'{{"format": "agent-console-agents/1", "agents": [{{"name": "A", "connection_type": "DB", {CONFIG}}}]}}'
# Messages of the checker that are accepted, each with its reason.
ACCEPTED = {
    "“hidden” must not have an “autocomplete” attribute": "some browsers restore an old value in a hidden input",
}


@pytest.fixture(scope="module")
def pages(_sqlite_at_head: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The HTML of every page of an account with the agents of the demo, by its rule or URL."""
    file = shutil.copy(_sqlite_at_head, tmp_path_factory.mktemp("pages") / "console.db")
    app = make_app(f"sqlite:///{file}")
    tenant = Tenant(app)
    with app.app_context():
        for values in samples():
            agents.create(tenant.admin, values)
    yield dict(_walk(tenant))
    with app.app_context():
        db.engine.dispose()


def _walk(tenant: Tenant) -> Iterator[tuple[str, str]]:
    admin, nobody = tenant.caller("admin"), tenant.caller("nobody")
    rules = sorted({rule.rule for rule in tenant.app.url_map.iter_rules() if not rule.rule.startswith("/api/")})
    # The forms that end the session or delete the account are last.
    rules.sort(key=lambda rule: rule in ("/sign-out", "/account/delete"))
    yield from _imports(admin)
    for rule in (*STATES, *rules):
        for kind, caller in (("nobody", nobody), ("admin", admin)):
            for method, form in (("GET", None), ("POST", {"role": "owner"})):
                path = rule if rule in STATES else tenant.path(rule)
                with caller.ask(method, path, form) as answer:
                    if answer.mimetype == "text/html" and answer.status_code not in (301, 302, 303, 308):
                        yield f"{method} {rule} {kind}", answer.text


def _imports(admin: Caller) -> Iterator[tuple[str, str]]:
    """The pages that only a file leads to: its problems, its plan, and the question before a deletion."""
    forms: dict[str, dict[str, object]] = {
        "refused": {"text": FILE.replace("mysql", "")},
        "plan": {"text": FILE, "prune": "y"},
        "unconfirmed": {"text": FILE, "prune": "y", "plan": "", "note": "token=sk-proj-4f9aB27cXw81LqZt93VhYp60RkEm"},
    }
    pages = {name: admin.ask("POST", "/agents/import", form).text for name, form in forms.items()}
    for name, words in (("plan", "Apply"), ("unconfirmed", "Type ")):
        assert words in pages[name]
    yield from ((f"POST /agents/import, {name}", html) for name, html in pages.items())


def test_a_page_has_at_most_60_kilobytes(pages: dict[str, str]) -> None:
    assert len(pages) > 60
    assert {name: len(html.encode()) for name, html in pages.items() if len(html.encode()) > BYTES_MAX} == {}


def test_a_page_sets_the_focus_at_most_once(pages: dict[str, str]) -> None:
    counts = {name: len(re.findall(r"<[^>]* autofocus\b", TEMPLATE.sub("", html))) for name, html in pages.items()}

    assert {name: count for name, count in counts.items() if count > 1} == {}


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.css")), ids=lambda path: path.name)
def test_no_text_is_sized_in_pixels(path: Path) -> None:
    declarations = re.findall(r"\bfont(?:-size)?: [^;}]+", path.read_text())

    assert [text for text in declarations if re.search(r"\dpx", text)] == []


@pytest.mark.long
def test_the_html_of_every_page_is_valid(pages: dict[str, str], tmp_path: Path) -> None:
    checker = _checker()
    files = {tmp_path / f"{number}.html": name for number, name in enumerate(pages)}
    for file, name in files.items():
        file.write_text(pages[name])

    # One process for all pages.
    checked = subprocess.run([*checker, str(tmp_path)], capture_output=True, text=True, check=True)

    messages = json.loads(checked.stderr)["messages"]
    wrong = {
        f"{message['message']}: {message.get('extract', '')[:200]}": files[Path(message["url"].removeprefix("file:"))]
        for message in messages
        if not any(accepted in message["message"] for accepted in ACCEPTED)
    }
    assert wrong == {}


def _checker() -> list[str]:
    # Skips the test if the checker is not installed; with REQUIRE_ALL=1 the test fails.
    java, jar = shutil.which("java"), os.environ.get("VNU_JAR")
    if java is None or jar is None:
        (pytest.fail if os.environ.get("REQUIRE_ALL") == "1" else pytest.skip)(NO_CHECKER)
    return [java, "-Xss1m", "-jar", jar, "--format", "json", "--exit-zero-always"]
