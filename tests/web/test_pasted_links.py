"""Links that are pasted with the punctuation that followed them in a text."""

import pytest
from flask import Flask

from agents_app.operations import invitation_records
from agents_app.operations.permissions import Actor
from tests.make import make_agent
from tests.web.conftest import Browser
from tests.web.test_invitations import NEW_PASSWORD, code_of, newcomer

# After the link, or before and after its code (`{}`).
BEHIND = [
    ".",
    ",",
    ")",
    ").",
    ">",
    "'",
    '"',
    "”",
    "\u2019.",
    "»",
    "!",
    "…",
    "。",
    "%2E",
    "%2e",
    "%252E",
    "%252e",
    "%20",
    "*",
    "_",
    "-",
]
AROUND = ["<{}>", "({})", "%3C{}%3E", "“{}”."]


@pytest.mark.parametrize("change", [lambda code: f"{code}x", lambda code: code[:-1], lambda code: f"x{code}."])
@pytest.mark.parametrize("kind", ["join", "reset"])
def test_a_changed_code_is_refused(kind: str, change: object, console: Flask, admin: Actor) -> None:
    code = code_of(console, admin, admin if kind == "reset" else None)

    page = Browser(console).get(f"/{kind}?code={change(code)}", 404)

    assert invitation_records.GONE in page.text


def test_a_used_link_is_refused_whatever_follows_it(console: Flask, admin: Actor) -> None:
    link = f"/join?code={code_of(console, admin)}"
    Browser(console).send(Browser(console).get(link), "/join", status=400)
    joining = Browser(console)
    joining.send(joining.get(link), "/join", **newcomer())

    assert invitation_records.GONE in Browser(console).get(f"{link}.", 404).text


@pytest.mark.parametrize("around", [*(f"{{}}{behind}" for behind in BEHIND), *AROUND])
def test_a_one_time_link_works_with_punctuation_around_it(around: str, console: Flask, admin: Actor) -> None:
    code = code_of(console, admin)
    browser = Browser(console)

    page = browser.get(f"/join?code={around.format(code)}")

    assert page.form("/join").one("input", name="code")["value"] == code


@pytest.mark.parametrize("kind", ["join", "reset"])
def test_the_form_of_such_a_link_is_carried_out(kind: str, console: Flask, admin: Actor) -> None:
    browser = Browser(console)
    code = code_of(console, admin, admin if kind == "reset" else None)
    given = newcomer() if kind == "join" else {"password": NEW_PASSWORD}

    answer = browser.send(browser.get(f"/{kind}?code={code})."), f"/{kind}", code=f"{code}).", **given)

    assert answer.headers["Location"] == "/agents"


@pytest.mark.parametrize("behind", [".", ",", ").", ">", "”", "%2E", "%252E", ":"])
def test_a_page_is_found_with_punctuation_after_its_url(
    behind: str, browser: Browser, console: Flask, admin: Actor
) -> None:
    for path in (f"/agents/{make_agent(console, admin)}", "/agents", "/", "/sign-in", "/gibberish-xyz-123"):
        answer = browser.client.get(f"{path}{behind}")

        assert (answer.status_code, answer.headers["Location"]) == (303, path)


@pytest.mark.parametrize("path", ["/nothing.", "/agents/1.", "/agents/.", "//evil.example.", "/api/v1/me."])
def test_a_missing_page_stays_missing_with_punctuation(path: str, browser: Browser) -> None:
    answer = browser.client.get("/", environ_overrides={"PATH_INFO": path, "REQUEST_URI": path})

    assert answer.status_code in (401, 404)
    assert "Location" not in answer.headers


def test_only_get_and_head_are_redirected(browser: Browser) -> None:
    assert browser.client.post("/sign-in.").status_code == 404
    assert browser.client.get("/sign-out.").status_code == 404
