"""docs/sign-on.md says what the code does: its settings, the claims, the sentences and the limits."""

import re

import pytest
from flask import Flask

from agents_app.config import load_with_errors
from agents_app.config_sign_on import SIGN_ON_CHECKS
from agents_app.doctor.sign_on import RETURN_PATH
from agents_app.paths import ROOT
from agents_app.sign_on import id_token
from tests.documents import Block, read_blocks

PAGE = ROOT / "docs" / "sign-on.md"
TEXT = PAGE.read_text()
SETTINGS = [block for block in read_blocks(PAGE) if block.language == "env"]
SENTENCES = re.findall(r"^\| ([^`|]+) \| .* \|$", TEXT.partition("\n## Test it\n")[2].partition("\n## ")[0], re.M)[1:]
CODE = "\n".join(path.read_text() for path in (ROOT / "agents_app").rglob("*.py"))


@pytest.mark.parametrize("block", SETTINGS, ids=lambda block: block.place)
def test_the_settings_of_an_example_are_accepted(block: Block) -> None:
    given = dict(line.split("=", 1) for line in block.text.splitlines())

    loaded, wrong = load_with_errors(given, None)

    assert wrong == {}
    assert given.keys() <= loaded.sources.keys()


def test_the_table_has_every_setting_and_its_default() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| .* \| (.*) \|$", TEXT.partition("\n## Settings\n")[2], re.M)

    assert [name for name, _ in rows] == list(SIGN_ON_CHECKS)
    loaded, _ = load_with_errors({}, None)
    defaults = dict(rows)
    assert defaults["OIDC_ROLES_CLAIM"] == f"`{', '.join(loaded.oidc_roles_claim)}`"
    assert defaults["OIDC_ROLES"] == f"`{', '.join(f'{value}={role}' for value, role in loaded.oidc_roles.items())}`"


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_that_the_page_explains_is_one_of_the_console(sentence: str) -> None:
    assert sentence in CODE


def test_the_redirect_uri_and_the_claims_are_those_of_the_code(console: Flask) -> None:
    first = TEXT.partition("\n## What each claim is for\n")[2].partition("\n## ")[0]
    claims = set(re.findall(r"`(\w+)`", first))

    assert f"https://agents.example.org{RETURN_PATH}" in TEXT
    assert RETURN_PATH in [rule.rule for rule in console.url_map.iter_rules()]
    assert set(id_token.CLAIMS) - {"amr"} <= claims
    assert all(f'"{claim}"' in CODE for claim in claims if claim.islower())
