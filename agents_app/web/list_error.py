"""The page in place of a list whose URL has filters, an order or a cursor that are refused."""

from flask import render_template

from agents_app import refusals
from agents_app.errors import InvalidInput, Malformed


def list_error_page(error: InvalidInput | Malformed, title: str, all_url: str) -> tuple[str, int]:
    """The page with the sentences of the refusal and a link to the whole list, and its status."""
    refusal = refusals.from_error(error)
    sentences = [sentence for _, sentence in refusal.fields] or [refusal.detail]
    return render_template("list_error.html", title=title, sentences=sentences, all_url=all_url), refusal.status
