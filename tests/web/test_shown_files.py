"""A text of a file that was refused is shown again only if it certainly contains no secret in clear."""

from typing import Any

import pytest
from flask import Flask

from agents_app.operations.permissions import Actor
from agents_app.schemas.shown_files import IN_COMMENT, TOO_LONG, UNREAD
from agents_app.web.forms.agent_files import NOT_KEPT
from tests.web.conftest import Browser, fields_of
from tests.web.test_agent_files import CONFIG, FILES, apply, file_of, names, plan, problems

SECRET = "hunter2"
# Refused in any case: the status is not known.
HEAD = """\
format: agent-console-agents/1
agents:
  - name: Sales
    status: gone
    connection_type: DB
"""
IN_YAML = {
    "a flow mapping": f"    secrets: {{password: {SECRET}}}\n",
    "a flow mapping without spaces": f'    secrets: {{"password":"{SECRET}"}}\n',
    "a flow mapping in two lines": f"    secrets: {{password:\n      {SECRET}}}\n",
    "quoted names": f'    "secrets":\n      "password": {SECRET}\n',
    "a name with an escape": f'    secrets:\n      "pass\\x77ord": {SECRET}\n',
    "a complex key": f"    secrets:\n      ? password\n      : {SECRET}\n",
    "a value on the next line": f"    secrets:\n      password:\n        {SECRET}\n",
    "a literal text": f"    secrets:\n      password: |-\n        stored\n        {SECRET}\n",
    "a folded text": f"    secrets:\n      password: >\n        {SECRET}\n",
    "a text of several lines in quotes": f"    secrets:\n      password: 'stored\n        {SECRET}'\n",
    "odd spaces": f"    secrets:\n      password   :     {SECRET}\n",
    "tabs": f"    secrets:\n      password:\t{SECRET}\n",
    "an anchor": f"    secrets:\n      password: &p {SECRET}\n",
    "a tag": f"    secrets:\n      password: !!str {SECRET}\n",
    "the beginning of another value": f"    secrets:\n      password: stored{SECRET}\n",
    "no reference": f"    secrets:\n      password: env:{SECRET}!\n",
    "a number": "    secrets:\n      password: 420042\n",
    "a list": f"    secrets:\n      password: [{SECRET}]\n",
    "an object": f"    secrets:\n      password:\n        {SECRET}:\n",
    "no object": f"    secrets: {SECRET}\n",
    "a name": f"    secrets:\n      {SECRET}:\n",
    "a name in the configuration": f"    connection_config:\n      {SECRET}:\n",
    "another spelling": f"    connection_config:\n      passwort: {SECRET}\n",
    "the word of the marker": "    connection_config:\n      password: stored\n",
    "an unknown member": f"    pwd: {SECRET}\n",
    "an unknown member of the file": f"password: {SECRET}\n",
    "a label": f"    labels:\n      password: {SECRET}\n",
    "an object in a public field": f"    description:\n      password: {SECRET}\n",
    "an object in a list": f"    connection_config:\n      allowed_tables: [{{password: {SECRET}}}]\n",
    "a URL with a password": f"    model_base_url: https://ada:{SECRET}@llm.example.org\n",
    "a login before a host": f"    connection_config:\n      host: ada:{SECRET}@db.example.org\n",
    "a text with a password": f"    description: 'Server=db;Pwd={SECRET}'\n",
    "a private key": f"    description: |\n      -----BEGIN EC PRIVATE KEY-----\n      {SECRET}\n",
    "a comment": f"    # password {SECRET}\n",
    "a comment after a value": f"    owner: Ada # {SECRET}\n",
    "a comment next to a number sign": f"    owner: 'Ada # 1' # {SECRET}\n",
    "a comment next to an escape": f'    owner: "Ada \\x23" # {SECRET}\n',
    "a comment at a literal text": f"    description: |- # {SECRET}\n      Text\n",
    "a text that is not YAML": f"    owner: [Ada\n    secrets: {{password: {SECRET}\n",
    "a second document": f"---\n{SECRET}\n",
}
IN_JSON: dict[str, Any] = {
    "a secret": {"secrets": {"password": SECRET}},
    "the secret of another place": {"api_key": SECRET},
    "a secret in the configuration": {"connection_config": {**CONFIG, "password": SECRET}},
    "an object": {"secrets": {"password": {"value": SECRET}}},
    "an unknown member": {"passwrd": SECRET},
    "no list": {"name": [[SECRET]]},
}
# Certainly without a secret.
SHOWN = {
    "references": "    secrets: {password: stored, api_key: env:SALES_KEY}\n",
    "a file and nothing": "    secrets:\n      password: 'file:secrets/sales.txt'\n      api_key:\n",
    "number signs in texts": "    description: 'Answers no. # 1'\n    owner: C#\n    labels: {team: a}\n",
    "a nested configuration": "    connection_config:\n      host: ::1\n      allowed_tables: [a, b]\n",
}


def refused(browser: Browser, text: str, shown: str) -> list[str]:
    """Plan a text that is refused, expect the text `shown` in the form, and return the problems."""
    page = plan(browser, text, 422)
    assert fields_of(page.form(FILES))["text"].replace("\r\n", "\n").strip() == shown.strip()
    assert shown or SECRET not in page.html
    return problems(page)


def test_every_way_to_write_a_secret_leaves_the_form_without_the_text_and_says_why(
    console: Flask, admin: Actor, browser: Browser
) -> None:
    json_texts = [file_of(one) for one in IN_JSON.values()]
    for text in [*(HEAD + one for one in IN_YAML.values()), *json_texts, *(f"{one} }}" for one in json_texts)]:
        assert any(NOT_KEPT in problem for problem in refused(browser, text, "")), text
    assert names(console, admin) == []


def test_the_form_says_which_part_of_the_text_may_contain_a_secret(browser: Browser) -> None:
    long = file_of({"description": "x" * 1_000_000})
    doubts = {
        IN_YAML["a flow mapping"]: "Line 6 may contain a secret.",
        IN_YAML["a comment"]: IN_COMMENT,
        IN_YAML["a text that is not YAML"]: UNREAD,
    }

    for text, doubt in [*((HEAD + text, doubt) for text, doubt in doubts.items()), (long, TOO_LONG)]:
        assert f"Text of a file: {doubt} {NOT_KEPT}" in refused(browser, text, "")


def test_a_secret_that_is_written_as_a_name_is_not_repeated_but_its_line_is(browser: Browser) -> None:
    found = refused(browser, HEAD + IN_YAML["a name"] + IN_YAML["a name in the configuration"], "")

    members = "Line {} has a member that is not known here. The members are: {}"
    assert f"Line 7, /agents/0/secrets: {members.format(7, 'api_key, password.')}" in found
    assert any(one.startswith(f"Line 9, /agents/0/connection_config: {members.format(9, '')}") for one in found)


@pytest.mark.parametrize("text", SHOWN.values(), ids=SHOWN)
def test_a_text_without_a_secret_is_shown_again_as_it_was_sent(text: str, browser: Browser) -> None:
    assert not any(NOT_KEPT in problem for problem in refused(browser, HEAD + text, HEAD + text))


def test_the_page_of_a_plan_has_the_file_without_its_comments(console: Flask, admin: Actor, browser: Browser) -> None:
    config = "    owner: 'C#'\n    connection_config: {dialect: postgresql, host: a, database: b, username: c}\n"
    page = plan(browser, HEAD.replace("    status: gone", f"    # {SECRET}") + config)

    assert SECRET not in page.html
    assert "C#" in fields_of(page.form(FILES))["text"]
    apply(browser, page)
    assert names(console, admin) == ["Sales"]
