"""JSON of the database is read as it was written, also where another program wrote it."""

import math

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.database.stored_json import read_json
from agents_app.db import Json, db


@pytest.mark.parametrize("text", ["1e400", "NaN"])
def test_a_number_that_json_does_not_have_is_read(text: str) -> None:
    assert not math.isfinite(read_json(text))


@pytest.mark.parametrize("value", [{"a": [1, -0.5, None, True, "ü \U0001f600 \x7f"]}, "text", [], 2**63, {}])
def test_what_is_stored_is_read(console: Flask, value: object) -> None:
    with console.app_context(), db.reading() as connection:
        assert connection.scalar(sa.select(sa.literal(value, Json))) == value
