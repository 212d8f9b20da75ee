"""The app that a WSGI server and the `flask` command load in a checkout: `agents_app/wsgi.py` makes it."""

from agents_app.wsgi import app

__all__ = ["app"]
