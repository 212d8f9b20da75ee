"""The host names that this console answers to: the one of PUBLIC_URL or, without it, those of the machine itself.

Ports are not compared: many proxies pass the name on without the port that people typed.
"""

from flask import Flask, current_app, request
from flask.globals import request_ctx

from agents_app.config import Settings, settings
from agents_app.errors import Malformed
from agents_app.values.origins import read_place

LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def init_app(app: Flask, settings: Settings) -> None:
    """Work the names out once."""
    own = {settings.origin.host}
    app.extensions["hosts"] = own if settings.public_url else own | LOOPBACK


def check(*, any_host: bool) -> None:
    """Refuse a request for another host, so that no other site can pass for this one; an open address is for any host.

    Raises Malformed.
    """
    known = settings()
    if request_ctx.url_adapter is None:
        # The framework takes this host for none ("a..b"); the page that refuses it has addresses to write all the same.
        request_ctx.url_adapter = current_app.url_map.bind(known.origin.place, known.sub_path)
    names = current_app.extensions["hosts"]
    if any_host or asked_host() in names:
        return
    if asked_host() is None:
        unread = "The header Host of this request names no host, or a port that is none."
        raise Malformed(f"{unread} This console is at {known.base_url}.")
    if known.public_url is None:
        raise Malformed(f"Without PUBLIC_URL this console is for its own machine only, at {known.base_url}.")
    if any(_host(name.strip()) in names for name in request.headers.get("X-Forwarded-Host", "").split(",")):
        raise Malformed(
            f"PROXY_HOPS is {known.proxy_hops}, so that the host in X-Forwarded-Host does not count. It must be the "
            + "number of proxies in front; or they pass on the header Host as well."
        )
    raise Malformed(
        f"This console is known as {known.base_url} (PUBLIC_URL), and this request asks for another host. "
        + "Open that address. If that is what was opened, the proxy in front does not pass on the host; "
        + "nginx needs: proxy_set_header Host $host;"
    )


def asked_host() -> str | None:
    """The host that this request asks for, in its normal spelling; None where it names none."""
    return _host(request.headers.get("Host", ""))


def _host(text: str) -> str | None:
    try:
        return read_place(text, "http").host
    except ValueError:
        return None
