"""The command `agent-console`, also as `python -m agents_app`: the commands of `flask` for this package."""

from importlib import import_module

from flask import Flask

from agents_app.flask_command import run


def main() -> None:
    """Run the command that was typed."""
    run("agent-console", load_app)


def load_app() -> Flask:
    """The app, as the command `flask` loads it from `wsgi.py`."""
    app: Flask = import_module("agents_app.wsgi").app
    return app


if __name__ == "__main__":
    main()
