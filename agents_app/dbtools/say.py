"""Where progress goes (standard error, so that standard output keeps what was asked for), and words for it."""

import click


def say(text: str) -> None:
    """Tell the person at the terminal one thing."""
    click.echo(text, err=True)


def counted(number: int, thing: str) -> str:
    """A number of things: `1 row`, `2 rows`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
