"""A browser without script. It checks every page that a test loads, and sends the forms of the page."""

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from agents_app.operations.permissions import Actor
from agents_app.values.text import DIRECTION_MARKS
from tests.make import PASSWORD

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
NEED_LABEL = ("input", "select", "textarea")
# The attributes that name other elements by their ids.
REFERENCES = {"aria-describedby", "aria-labelledby", "for", "list", "popovertarget", "form"}


class Element:
    """An element of a page: its tag, its attributes and its content."""

    def __init__(self, tag: str, attributes: dict[str, str], parent: "Element | None") -> None:
        self.tag, self.attributes, self.parent = tag, attributes, parent
        # In document order. Each element is in the list of every element around it, so that a search reads one list.
        self.contents: list[Element] = []
        self.texts: list[str] = []

    def __getitem__(self, name: str) -> str:
        return self.attributes.get(name, "")

    @property
    def text(self) -> str:
        """All text inside it, with single spaces."""
        return " ".join("".join(self.texts).split())

    def all(self, tag: str = "", **wanted: str) -> list["Element"]:
        """The elements inside it with this tag and these attributes (`class_` and `for_` for class and for)."""
        found = [element for element in self.contents if element.tag == tag] if tag else self.contents
        for name, value in wanted.items():
            attribute = name.rstrip("_").replace("_", "-")
            found = [element for element in found if value in element[attribute].split(" ")]
        return list(found)

    def one(self, tag: str = "", **wanted: str) -> "Element":
        """The only such element."""
        found = self.all(tag, **wanted)
        assert len(found) == 1, f"{len(found)} elements <{tag}> with {wanted}"
        return found[0]

    def inside(self, tag: str) -> bool:
        """Whether it is inside an element with this tag."""
        return self.parent is not None and (self.parent.tag == tag or self.parent.inside(tag))


class _Parser(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.root = self.current = Element("document", {}, None)
        self.feed(html)
        assert self.current is self.root, f"<{self.current.tag}> is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, self.current)
        assert len(element.attributes) == len(attrs), f"an attribute of <{tag}> is repeated"
        outer: Element | None = self.current
        while outer is not None:
            outer.contents.append(element)
            outer = outer.parent
        if tag not in VOID:
            self.current = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.current.tag == tag, f"</{tag}> closes <{self.current.tag}>"
        assert self.current.parent is not None
        self.current = self.current.parent

    def handle_data(self, data: str) -> None:
        element: Element | None = self.current
        while element is not None:
            element.texts.append(data)
            element = element.parent


class Page:
    """A response that is parsed as a page and checked for what every page must have."""

    def __init__(self, answer: TestResponse) -> None:
        self.answer, self.status, self.html = answer, answer.status_code, answer.text
        self.root = _Parser(self.html).root
        self._check_head()
        self._check_references()
        self._check_forms()
        assert "style=" not in self.html
        assert "<style" not in self.html
        assert all(script["src"] for script in self.root.all("script"))

    @property
    def title(self) -> str:
        """The title of the page, without the characters that isolate names."""
        return DIRECTION_MARKS.sub("", self.root.one("title").text)

    @property
    def text(self) -> str:
        """All text of the page."""
        return self.root.one("body").text

    def error_at(self, input_id: str) -> str:
        """The error at an input, which must be connected to it."""
        error = self.root.one(id=f"{input_id}-error")
        inputs = self.root.all(id=input_id, aria_invalid="true", aria_describedby=f"{input_id}-error")
        groups = self.root.all("fieldset", aria_describedby=f"{input_id}-error")
        assert inputs or groups, "the error is not connected to its input"
        summary = self.root.one("div", class_="problems")
        assert error.text in summary.text
        return error.text

    def form(self, action: str) -> Element:
        """The form that is sent to this path, whatever its query is."""
        return next(form for form in self.root.all("form") if form["action"].partition("?")[0] == action)

    def _check_head(self) -> None:
        heading = self.root.one("h1")
        assert self.title.removeprefix("Error: ").startswith(DIRECTION_MARKS.sub("", heading.text))
        is_refused = bool(self.root.all(class_="problems") or self.root.all(class_="stale"))
        assert self.title.startswith("Error: ") == is_refused
        assert self.root.one("main")
        assert self.root.one("html")["lang"] == "en"
        focused = [element for element in self.root.all() if "autofocus" in element.attributes]
        assert len([element for element in focused if not element.inside("template")]) <= 1

    def _check_references(self) -> None:
        elements = self.root.all()
        ids = [element["id"] for element in elements if element["id"]]
        assert len(ids) == len(set(ids)), "an id is repeated"
        for element in elements:
            for name in REFERENCES & element.attributes.keys():
                assert set(element[name].split()) <= set(ids), f"{name} names no element"
        labelled = {label["for"] for label in self.root.all("label")} - {""}
        for control in [element for element in elements if element.tag in NEED_LABEL]:
            is_named = control["type"] == "hidden" or control.inside("label")
            assert is_named or control["id"] in labelled, f"{control.attributes} has no label"

    def _check_forms(self) -> None:
        for form in self.root.all("form"):
            assert form["action"], "a form has no action"
            assert form["method"] != "post" or form.one("input", name="csrf_token")["value"]
            # Some browsers restore an old value in a hidden input after a reload or after going back.
            hidden = form.all("input", type="hidden")
            assert form["method"] != "post" or all(control["autocomplete"] == "off" for control in hidden)
            # The page shows all errors together; the browser would show one at a time.
            assert form["method"] != "post" or not form.all("label") or "novalidate" in form.attributes


class Browser:
    """Loads pages and sends the forms on them, with cookies and without script."""

    def __init__(self, app: Flask, address: str = "127.0.0.1") -> None:
        self.client = app.test_client()
        self.environ = {"REMOTE_ADDR": address}
        self.seen = ""

    def get(self, address: str, status: int = 200) -> Page:
        """Load a page and check it."""
        answer = self.client.get(address, environ_base=self.environ)
        assert answer.status_code == status, answer.headers.get("Location", answer.text)
        return self._page(answer)

    def send(self, page: str | Page, action: str = "", status: int = 303, **changes: Any) -> TestResponse | Page:
        """Send the form of a page, or of the page at an address, with these values changed.

        `None` leaves a value out. Returns the response where a redirect is expected, else the page.
        """
        address = page if isinstance(page, str) else ""
        page = self.get(page) if isinstance(page, str) else page
        form = page.form(action or address.partition("?")[0])
        values = fields_of(form)
        for name, value in changes.items():
            values.setlist(name, value if isinstance(value, list) else [] if value is None else [value])
        return self.post(form["action"], values, status)

    def post(self, address: str, values: Any, status: int = 303) -> TestResponse | Page:
        """Send values as a form does. They must include the CSRF value."""
        answer = self.client.post(address, data=values, environ_base=self.environ)
        assert answer.status_code == status, answer.text
        if status == 303:
            self.seen += answer.text
            return answer
        return self._page(answer)

    def token(self) -> str:
        """A CSRF value of this browser."""
        page = Page(self.client.get("/sign-in", follow_redirects=True, environ_base=self.environ))
        return page.root.all("input", name="csrf_token")[0]["value"]

    def _page(self, answer: TestResponse) -> Page:
        self.seen += answer.text
        assert answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-store"
        return Page(answer)


def fields_of(form: Element) -> "MultiDict[str, str]":
    """The values that a browser would send of this form."""
    values: MultiDict[str, str] = MultiDict()
    for control in form.all():
        name, is_checkable = control["name"], control["type"] in ("checkbox", "radio")
        if not name or (is_checkable and "checked" not in control.attributes):
            continue
        if control.tag == "input":
            values.add(name, control["value"])
        elif control.tag == "textarea":
            values.add(name, "".join(control.texts).removeprefix("\n"))
        elif control.tag == "select":
            options = control.all("option")
            chosen = [option for option in options if "selected" in option.attributes] or options[:1]
            values.add(name, chosen[0]["value"])
    return values


SignIn = Callable[[Actor], Browser]


@pytest.fixture
def signed_in(console: Flask) -> SignIn:
    """A function that returns a browser in which this user is signed in."""

    def sign_in(actor: Actor) -> Browser:
        browser = Browser(console)
        browser.send("/sign-in", email=actor.email, password=PASSWORD)
        return browser

    return sign_in


@pytest.fixture
def browser(signed_in: SignIn, admin: Actor) -> Browser:
    """A browser in which the admin is signed in. The test runs on both databases."""
    return signed_in(admin)
