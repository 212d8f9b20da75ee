"""Reads the JSON of columns."""

import json
from typing import Any

import orjson


def read_json(text: str) -> Any:
    """The value of a JSON text from the database. It costs a quarter of the CPU time of `json.loads`."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # A number that is too large for a float, or on SQLite NaN. Other programs can write them.
        return json.loads(text)
