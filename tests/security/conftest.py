"""Callers of every kind, without the cost of signing in. Pages are not checked."""

import hashlib
import os
from ipaddress import IPv6Address
from random import getrandbits

from flask import Flask
from flask_wtf.csrf import generate_csrf
from werkzeug.test import TestResponse

from agents_app import http
from agents_app.db import db
from agents_app.models import User
from agents_app.operations import session_records
from agents_app.operations.permissions import Actor, Visitor


class Caller:
    """A browser, or a client with a token, with an IP address of its own."""

    def __init__(self, app: Flask, actor: Actor | None = None, token: str | None = None) -> None:
        self.app, self.client, self.token = app, app.test_client(), token
        self.address = str(IPv6Address(getrandbits(128)))
        self.csrf_secret = hashlib.sha256(os.urandom(16)).hexdigest()
        if actor is not None:
            self.keep(create_session(app, actor))

    def keep(self, session_id: str) -> None:
        """Set the session in the cookie."""
        with self.client.session_transaction(base_url=self.base_url) as cookie:
            cookie[http.SESSION_ID] = session_id
            cookie["csrf_token"] = self.csrf_secret

    @property
    def base_url(self) -> str:
        """The URL of this console."""
        known = self.app.extensions["settings"]
        return known.public_url or "http://localhost"

    @property
    def csrf(self) -> str:
        """A valid CSRF value."""
        with self.client.session_transaction(base_url=self.base_url) as cookie:
            cookie["csrf_token"] = self.csrf_secret
        with self.app.test_request_context("/", base_url=self.base_url) as context:
            context.session["csrf_token"] = self.csrf_secret
            value: str = generate_csrf()
        return value

    def ask(self, method: str, path: str, form: dict[str, object] | None = None, **given: object) -> TestResponse:
        """Send a request; a form gets a valid CSRF value."""
        headers = {**given.pop("headers", {})}
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        if form is not None:
            given["data"] = {"csrf_token": self.csrf, **form}
        where = {"REMOTE_ADDR": self.address, **given.pop("environ_base", {})}
        given.setdefault("base_url", self.base_url)
        return self.client.open(path, method=method, headers=headers, environ_base=where, **given)


def create_session(app: Flask, actor: Actor) -> str:
    """Create a session of this person without the password, and return its id."""
    with app.app_context(), db.transaction() as session:
        user = session.get(User, actor.user_id)
        assert user is not None
        return session_records.start(session, user, Visitor("::1", "test"))
