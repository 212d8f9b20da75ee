"""The recipe "Add a field to agents" of CONTRIBUTING.md, followed on a console that has records from before."""

import json
import re
import subprocess

import pytest

from agents_app.database.url import parse_url
from agents_app.paths import ROOT
from tests.cli.conftest import Checkout
from tests.old_release.conftest import notes_of, restore

RECIPE = (ROOT / "CONTRIBUTING.md").read_text().partition("## Add a field to agents")[2].partition("\n## ")[0]
# Where each piece of the recipe goes: the file, and what stands before it there.
PIECES = {
    r"PURPOSE = \d+": ("agents_app/values/limits.py", "NAME =", "{}\n"),
    r"purpose: Mapped.*": ("agents_app/models/agent.py", "    api_key: Mapped", "    {}\n"),
    r"purpose: Annotated.*": ("agents_app/schemas/agents.py", "    connection_type: Annotated", "    {}\n"),
    r"purpose = make.*": ("agents_app/web/forms/agents.py", "    api_key = make", "    {}\n"),
    r"\{\{ field\(form\.purpose\) \}\}": ("templates/agents/_inputs.html", "{{ field(form.model_type) }}", "{}\n"),
    r"\{\{ fact\(form\.purpose\) \}\}": ("templates/agents/show.html", "{{ fact(form.model_type) }}", "{}"),
}
TRY = r"""
import json, re, sys
from agents_app.app import create_app

notes, app = json.load(sys.stdin), create_app()
programs, browser = app.test_client(use_cookies=False), app.test_client()

def ask(method, path, token, json=None, **headers):
    headers |= {"Authorization": f"Bearer {notes['tokens'][token]}"}
    return programs.open("/api/v1/agents" + path, method=method, json=json, headers=headers)

def csrf(page):
    return re.search(r'name="csrf_token"[^>]*value="([^"]+)"', browser.get(page).text)[1]

person = {"email": notes["people"]["admin"], "password": notes["password"]}
assert browser.post("/sign-in", data=person | {"csrf_token": csrf("/sign-in")}).status_code == 303
for known in notes["agents"].values():
    read = ask("GET", f"/{known['id']}", "read")
    assert (read.status_code, read.json["purpose"]) == (200, None)
    assert browser.get(f"/agents/{known['id']}").status_code == 200
for name, agent_id in notes["deleted"].items():
    undone = browser.post(f"/agents/{agent_id}/restore", data={"csrf_token": csrf("/activity")})
    assert undone.status_code == 303 or (name, undone.status_code) == ("key_in_clear", 409), undone.text
running = ask("GET", f"/{notes['deleted']['database']}/runtime", "runtime").json
assert (running["purpose"], running["connection_config"]["password"]) == (None, "pass word 1 of sales")
known = notes["idempotent"]["untouched"]
again = ask("POST", "", "write", known["body"], **{"Idempotency-Key": known["key"]})
assert (again.status_code, again.json["id"]) == (200, known["id"]), again.text
other = ask("POST", "", "write", known["body"] | {"purpose": "Reports"}, **{"Idempotency-Key": known["key"]})
assert other.status_code == 409
changed = ask("PATCH", f"/{known['id']}", "write", {"purpose": "Reports"})
assert (changed.json["purpose"], changed.json["version"]) == ("Reports", 2)
assert "Reports" in browser.get(f"/agents/{known['id']}").text
print("tried")
"""


def follow(recipe: str, checkout: Checkout) -> None:
    """Put every piece of the recipe where it says."""
    spans = [re.sub(r"\s+", " ", span) for span in re.findall(r"`([^`]+)`", recipe)]
    for pattern, (file, before, form) in PIECES.items():
        piece = next(span for span in spans if re.fullmatch(pattern, span))
        path = checkout.folder / file
        text = path.read_text()
        assert before in text, f"{file} has no {before}"
        path.write_text(text.replace(before, form.format(piece) + before, 1))


@pytest.mark.long
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_field_that_is_added_by_the_recipe_breaks_nothing_that_is_stored(
    kind: str, checkout: Checkout, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue({"sqlite": "sqlite_url", "postgresql": "postgres_url"}[kind])
    restore(url)
    notes = notes_of(kind)
    checkout.settings.update(notes["settings"], DATABASE_URL=parse_url(url).render_as_string(hide_password=False))
    assert checkout.flask("db", "upgrade").returncode == 0
    follow(RECIPE, checkout)
    for words in (("db", "migrate", "-m", "add_agent_purpose"), ("db", "upgrade"), ("db", "check")):
        done = checkout.flask(*words)
        assert done.returncode == 0, done.stderr

    tried = subprocess.run(
        [checkout.python, "-c", TRY],
        check=False,
        cwd=checkout.folder,
        env={"PATH": "", "HOME": str(checkout.folder), **checkout.settings},
        input=json.dumps(notes),
        capture_output=True,
        text=True,
    )

    assert tried.stdout.endswith("tried\n"), tried.stderr[-3_000:]
