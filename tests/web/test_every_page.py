"""What is true of every page that an admin reaches with one request: how large it is, and how its text is sized."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents_app.cli.demo import samples
from agents_app.db import db
from agents_app.operations import agents
from agents_app.paths import STATIC
from tests.make import make_app
from tests.security.tenant import Tenant

BYTES_MAX = 60_000
# States of lists and of errors that no rule names.
STATES = (
    *("/agents?q=nothing+like+it", "/agents?status=bad", "/agents?needs_attention=true", "/agents?sort=name"),
    *("/activity?q=x", "/nothing", "/agents/1"),
)


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
    for rule in (*STATES, *rules):
        for kind, caller in (("nobody", nobody), ("admin", admin)):
            for method, form in (("GET", None), ("POST", {"role": "owner"})):
                path = rule if rule in STATES else tenant.path(rule)
                with caller.ask(method, path, form) as answer:
                    if answer.mimetype == "text/html" and answer.status_code not in (301, 302, 303, 308):
                        yield f"{method} {rule} {kind}", answer.text


def test_a_page_has_at_most_60_kilobytes(pages: dict[str, str]) -> None:
    assert len(pages) > 60
    assert {name: len(html.encode()) for name, html in pages.items() if len(html.encode()) > BYTES_MAX} == {}


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.css")), ids=lambda path: path.name)
def test_no_text_is_sized_in_pixels(path: Path) -> None:
    declarations = re.findall(r"\bfont(?:-size)?: [^;}]+", path.read_text())

    assert [text for text in declarations if re.search(r"\dpx", text)] == []
