"""A console on a socket for the programs that use a generated client."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.browser.conftest import Site
from tests.make import make_agent, make_app, make_token, make_user

# More than a program sends with one token, except to meet the limit.
REQUESTS_A_MINUTE = 100


@contextmanager
def running(url: str) -> Iterator[str]:
    """A console on this database. The text is the argument of a program: its address and what the program may use."""
    app = make_app(url, API_RATE_LIMIT=str(REQUESTS_A_MINUTE))
    admin, other = make_user(app), make_user(app)
    given: dict[str, Any] = {scope: make_token(app, admin, scope) for scope in ("read", "write", "runtime")}
    given |= {"hasty": make_token(app, admin, "read"), "limit": REQUESTS_A_MINUTE}
    site = Site(app)
    try:
        yield json.dumps({"address": site.address, "foreign": str(make_agent(app, other)), **given})
    finally:
        site.stop()
