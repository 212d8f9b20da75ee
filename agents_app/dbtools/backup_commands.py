"""The commands of `flask db` that keep data and bring it back."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from alembic.util import CommandError
from flask import current_app
from sqlalchemy.engine import URL

from agents_app.db import parse_url
from agents_app.dbtools.putting_back import PutBack, put_back
from agents_app.dbtools.refusals import in_plain_words
from agents_app.dbtools.say import counted

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")


@click.command("restore-rows")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--keep", is_flag=True, help="Leave rows and values alone that are there by now, put back the others.")
@AS_JSON
def restore_rows(path: Path, keep: bool, as_json: bool) -> None:
    """Put rows back that a migration saved before it dropped them.

    PATH is a file of saved rows or the folder of one migration run.
    """
    with refusing() as url:
        results = put_back(url, path, keep=keep)
    tell(as_json, {"restored": [asdict(result) for result in results]}, map(_in_words, results))


def _in_words(result: PutBack) -> str:
    where = f"{result.table}.{result.column}" if result.column else result.table
    what = f"{counted(result.restored, 'value' if result.column else 'row')} of {where}"
    kept = f"; {result.kept} there by now were kept" if result.kept else ""
    unmatched = f"; for {result.unmatched} there is no row any more" if result.unmatched else ""
    return f"Restored {what}{kept}{unmatched}."


@contextmanager
def refusing() -> Iterator[URL]:
    """The database of the app; what it or the command refuses is one line at the terminal, and exit code 1."""
    uri = current_app.config["SQLALCHEMY_DATABASE_URI"]
    url = parse_url(uri.render_as_string(hide_password=False) if isinstance(uri, URL) else uri)
    try:
        with in_plain_words(url):
            yield url
    except CommandError as refusal:
        raise click.ClickException(str(refusal)) from refusal


def tell(as_json: bool, answer: dict[str, Any], sentences: Iterator[str]) -> None:
    """Print the answer for a program, or the sentences for a person."""
    for line in [json.dumps(answer)] if as_json else sentences:
        click.echo(line)


COMMANDS = (restore_rows,)
