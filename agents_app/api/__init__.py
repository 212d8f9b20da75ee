"""The api door."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Register this door."""
