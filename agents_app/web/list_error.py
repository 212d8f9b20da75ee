"""The page in place of a list whose URL has filters, an order or a cursor that are refused."""

from enum import EnumType
from typing import get_args

from flask import render_template

from agents_app import refusals
from agents_app.errors import InvalidInput, Malformed
from agents_app.values.fields import Schema
from agents_app.web.urls import CURSORS

# The values of a choice, and what a cursor is, are for programs.
UNKNOWN_CHOICE = "The address has a value for “{title}” that this list does not have."
UNKNOWN_PAGE = "The address leads to a page of a list that was sorted in another way, or it was changed by hand."


def list_error_page(
    error: InvalidInput | Malformed, title: str, all_url: str, schema: type[Schema] | None = None
) -> tuple[str, int]:
    """The page with the sentences of the refusal and a link to the whole list, and its status.

    The sentences name the fields of `schema`, that of the query.
    """
    refusal = refusals.from_error(error)
    fields = refusal.fields if schema else []
    sentences = [_sentence(schema, pointer[1:], sentence) for pointer, sentence in fields if schema] or [UNKNOWN_PAGE]
    return render_template("list_error.html", title=title, sentences=sentences, all_url=all_url), refusal.status


def _sentence(schema: type[Schema], name: str, sentence: str) -> str:
    field = schema.model_fields.get(name)
    if name in CURSORS or field is None:
        return UNKNOWN_PAGE if name in CURSORS else sentence
    kinds = {field.annotation, *get_args(field.annotation)}
    if bool in kinds or any(isinstance(kind, EnumType) for kind in kinds):
        return UNKNOWN_CHOICE.format(title=field.title)
    # A sentence about a number names what it is about.
    return sentence if " must be " in sentence else f"{field.title}: {sentence}"
