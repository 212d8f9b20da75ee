"""Settings and keys: all that are wrong, and those that are fine each by itself but not beside the others."""

import ipaddress
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from agents_app import config
from agents_app.config import KEY_SETTINGS, SettingErrors, Settings
from agents_app.doctor.check import Check, ok, problem, skipped, warning

CORRECT = "Correct it where it is set: in .env, or in the environment, which stands above .env. See .env.example."
OF_PROXY = ("PUBLIC_URL", "BIND", "PROXY_HOPS")
NOT_SET = "is not set"


def checks(
    environ: Mapping[str, str] | None, env_file: Path, settings: Settings, wrong: SettingErrors, *, is_read: bool
) -> Iterator[Check]:
    """Every setting, whether they fit each other, and the keys. Where not all `is_read`, what is not set is unknown."""
    others = [name for name in wrong if name not in KEY_SETTINGS]
    for name in others:
        yield problem("settings.values", wrong[name], CORRECT, setting=name)
    if not others and wrong:
        yield ok("settings.values", "Every setting but the keys can be used.")
    elif not wrong:
        yield ok("settings.values", f"Set: {', '.join(config.read_texts(environ, env_file)) or 'nothing'}.")
    if not is_read or wrong.keys() & set(OF_PROXY):
        yield skipped("settings.proxy", "How people reach the console is not known.")
    else:
        yield proxy(settings)
    key_errors = {**settings.key_errors, **wrong}
    for name in KEY_SETTINGS:
        yield _key(name, key_errors.get(name), is_read=is_read)


def proxy(settings: Settings) -> Check:
    """Whether PUBLIC_URL, BIND and PROXY_HOPS fit each other."""
    code, url, hops = "settings.proxy", settings.public_url, settings.proxy_hops
    if url is None and hops:
        what = f"PROXY_HOPS is {hops} and PUBLIC_URL is not set: requests for the host name of a proxy are refused."
        return warning(code, what, "Set PUBLIC_URL to the address that people type, or remove PROXY_HOPS.")
    if settings.is_https and not hops:
        what = (
            "PUBLIC_URL is https and PROXY_HOPS is 0: all clients have the address of the proxy, and share its limits."
        )
        return warning(code, what, "Set PROXY_HOPS to the number of proxies that add themselves to X-Forwarded-For.")
    if url and not settings.is_https and not _is_loopback(url):
        what = "PUBLIC_URL is http: passwords and cookies cross the network in clear."
        return warning(code, what, "Put a proxy with TLS in front, and set PUBLIC_URL to its https address.")
    host, port = settings.bind
    return ok(code, f"People reach it at {settings.base_url}; it listens on {host} port {port}.")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _key(name: str, sentence: str | None, *, is_read: bool) -> Check:
    code = f"keys.{name.lower()}"
    if sentence is None:
        return ok(code, f"{name} is set and strong.")
    if NOT_SET in sentence and not is_read:
        return skipped(code, f"{name} may stand where it could not be read.")
    if NOT_SET in sentence:
        return problem(
            code, f"{name} is not set.", "flask prepare, which writes a new one into .env; or put the old one back."
        )
    return problem(code, sentence, CORRECT)
