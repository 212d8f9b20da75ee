"""Files of comma-separated values that pages offer for download. `values/csv_text.py` writes their cells."""

import logging
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from flask import Response, g, has_request_context, stream_with_context

from agents_app.values.csv_text import csv_parts

logger = logging.getLogger(__name__)


def csv_response(file_name: str, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """A file of these rows, which is sent while they are read. Raises what reading the first of them raises.

    A mark at its beginning says that it is UTF-8, as spreadsheet programs assume otherwise. If reading fails later, the
    connection is closed before the end of the answer, so that programs report a failed download.
    """
    remaining = iter(rows)
    parts = csv_parts(headings, chain(list(islice(remaining, 1)), remaining))
    body = chain([BOM_UTF8], (part.encode() for part in _logged(parts)))
    response = Response(stream_with_context(body) if has_request_context() else body, mimetype="text/csv")
    response.headers.set("Content-Disposition", "attachment", filename=file_name)
    return response


def _logged(parts: Iterator[str]) -> Iterator[str]:
    try:
        yield from parts
    except Exception:
        # The answer has begun, so no page can say it any more.
        logger.exception("A file could not be completed.", extra={"request_id": g.get("request_id")})
        raise
