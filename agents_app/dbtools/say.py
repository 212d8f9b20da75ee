"""Where progress goes: standard error, so that standard output keeps what was asked for."""

import click


def say(text: str) -> None:
    """Tell the person at the terminal one thing."""
    click.echo(text, err=True)
