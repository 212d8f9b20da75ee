"""The host names that are allowed in requests: the host of PUBLIC_URL or, without it, those of the machine itself.

Ports are not compared: many proxies send the host without the port.
"""

from functools import lru_cache

from flask import Flask, current_app, request
from flask.globals import request_ctx

from agents_app.config import Settings, settings
from agents_app.errors import Malformed
from agents_app.values.origins import read_place

LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def init_app(app: Flask, settings: Settings) -> None:
    """Set the allowed host names."""
    own = {settings.origin.host}
    app.extensions["hosts"] = own if settings.public_url else own | LOOPBACK


def check(*, any_host: bool) -> None:
    """Raise Malformed for a request for another host, unless `any_host`.

    Otherwise another site could use its own host name for this console.
    """
    host, allowed = requested_host(), current_app.extensions["hosts"]
    if request_ctx.url_adapter is None:
        # Werkzeug refuses this host ("a..b") as invalid. The error page needs an adapter to build its links.
        request_ctx.url_adapter = current_app.url_map.bind(settings().origin.place, settings().sub_path)
    if any_host or host in allowed:
        return
    known = settings()
    if host is None:
        raise Malformed(f"The header Host has no valid host and port. The URL of this console is {known.base_url}.")
    if known.public_url is None:
        raise Malformed(
            f"PUBLIC_URL is not set, so the console can be used only on its own machine, at {known.base_url}. "
            + "For other machines, an operator must set PUBLIC_URL."
        )
    if any(_host(name.strip()) in allowed for name in request.headers.get("X-Forwarded-Host", "").split(",")):
        raise Malformed(
            f"PROXY_HOPS is {known.proxy_hops}, so the header X-Forwarded-Host is not used. Set it to the number "
            + "of proxies, or configure each proxy to pass on the header Host."
        )
    raise Malformed(
        f"The URL of this console is {known.base_url} (PUBLIC_URL), and this request is for another host. Open that "
        + "URL. If you did, the proxy does not pass on the header Host. nginx needs: proxy_set_header Host $host;"
    )


def requested_host() -> str | None:
    """The host of this request, normalised. None if the header Host is invalid."""
    return _host(request.environ.get("HTTP_HOST", ""))


# A console has few names. Clients can send others, so not many are kept.
@lru_cache(maxsize=16)
def _host(text: str) -> str | None:
    try:
        return read_place(text, "http").host
    except ValueError:
        return None
