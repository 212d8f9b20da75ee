"""Reads JSON strictly, for every door. The schemas check its values."""

import codecs
import json
import math
import re
from typing import Any, NoReturn

from agents_app.errors import Malformed, TooLarge
from agents_app.wording import number_text

BYTES_MAX = 1_000_000
SURROGATE = re.compile("[\ud800-\udfff]")
DEPTH_MAX = 20
# No record has so many fields, and a refusal names each unknown one.
MEMBERS_MAX = 1_000
SURROGATE = re.compile("[\ud800-\udfff]")


def read_object(body: bytes, most: int = BYTES_MAX) -> dict[str, Any]:
    """The JSON object in these bytes, at most `most` of them.

    Raises TooLarge, and Malformed with a sentence that repeats no value.
    """
    if len(body) > most:
        raise TooLarge(f"Send at most {number_text(most // 1_000)} kB.")
    if body.startswith(codecs.BOM_UTF8):
        raise Malformed("Send the JSON in UTF-8, without a byte order mark.")
    if not body.strip():
        raise Malformed("Send one JSON object.")
    try:
        found = json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_refuse_number, parse_float=_float)
    except UnicodeDecodeError:
        raise Malformed("Send the JSON in UTF-8.") from None
    except RecursionError:
        raise Malformed(f"Nest the JSON at most {number_text(DEPTH_MAX)} levels deep.") from None
    except json.JSONDecodeError as error:
        raise Malformed(
            f"The JSON is invalid at line {number_text(error.lineno)}, column {number_text(error.colno)}."
        ) from None
    except ValueError:
        raise Malformed("A number has too many digits.") from None
    if not isinstance(found, dict):
        raise Malformed("Send one JSON object.")
    _check(found, 1)
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MEMBERS_MAX:
        raise Malformed(f"Use at most {number_text(MEMBERS_MAX)} members in one JSON object.")
    members = dict(pairs)
    if len(members) < len(pairs):
        raise Malformed("A JSON object contains the same member twice. Remove one.")
    return members


def _refuse_number(_text: str) -> NoReturn:
    raise Malformed("NaN and Infinity are not JSON numbers.")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise Malformed("A number is too large.")
    return number


def _check(value: object, depth: int) -> None:
    if not isinstance(value, dict | list):
        return
    if depth > DEPTH_MAX:
        raise Malformed(f"Nest the JSON at most {number_text(DEPTH_MAX)} levels deep.")
    # The schemas check texts. Names are checked here, because refusals repeat them.
    if isinstance(value, dict) and any(map(SURROGATE.search, value)):
        raise Malformed("The name of a member contains an unpaired surrogate.")
    for member in value.values() if isinstance(value, dict) else value:
        _check(member, depth + 1)
