"""Prompts for secrets."""

import getpass
import warnings

import click


def prompt_hidden(title: str, instead: str, *, twice: bool = False) -> str:
    """Prompt for a value without showing it. Raises UsageError with `instead` if there is no terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            typed: str = click.prompt(title, hide_input=True, confirmation_prompt=twice, err=True)
        except getpass.GetPassWarning:
            raise click.UsageError(f"A hidden prompt needs a terminal. {instead}") from None
    return typed
