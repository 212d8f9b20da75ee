"""A hook of schemathesis: URLs stay short."""

from typing import Any
from urllib.parse import urlencode

import schemathesis

# The server of the tests, unlike `flask serve`, answers a longer line in HTML.
URL_MAX = 32_000


@schemathesis.hook
def filter_query(_context: Any, query: dict[str, Any] | None) -> bool:
    """Whether the URL is short enough. A filter takes up to 100 values."""
    return len(urlencode(query or {}, doseq=True)) < URL_MAX
