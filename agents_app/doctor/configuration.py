"""Settings and keys: all invalid ones, and settings that do not fit each other."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from agents_app import config
from agents_app.config import KEY_SETTINGS, SettingErrors, Settings
from agents_app.config_sources import ENV_FILE, FROM_DOTENV, FROM_ENV_FILE, FROM_ENVIRONMENT
from agents_app.doctor.check import Check, ok, problem, skipped, warning
from agents_app.paths import COMMAND
from agents_app.values.host_names import is_loopback
from agents_app.values.origins import Origin

SEE = "See .env.example."
ADVICE = {
    FROM_DOTENV: f"Correct it in .env. {SEE}",
    FROM_ENVIRONMENT: f"Correct it in the environment, which overrides files of settings. {SEE}",
    FROM_ENV_FILE: f"Correct it in {{path}}, the file of {ENV_FILE}, which overrides .env. {SEE}",
}
# For a name that is misspelled or set twice: the sentence of the problem says in which file.
UNKNOWN_SOURCE = f"Correct it where it is set. {SEE}"
# The setting is right, and the file that it names is missing, empty or not readable.
RESTORE_FILE = (
    "Restore the file, or correct the path. If it is there, let the console read it: "
    + "chgrp agent-console FILE; chmod 640 FILE"
)
PROXY_SETTINGS = ("PUBLIC_URL", "BIND", "PROXY_HOPS")
NOT_SET = "is not set"


def checks(
    environ: Mapping[str, str] | None, env_file: Path, settings: Settings, wrong: SettingErrors, *, is_read: bool
) -> Iterator[Check]:
    """Check every setting, whether they fit each other, and the keys. `is_read` is False if `.env` has an error."""
    path = config.setting_files(environ, env_file if is_read else None).get(ENV_FILE)

    key_errors = {**settings.key_errors, **wrong}

    def advice(name: str) -> str:
        if key_errors.get(name, "").startswith(f"{name}_FILE "):
            return RESTORE_FILE
        return ADVICE.get(settings.sources.get(name, ""), UNKNOWN_SOURCE).format(path=path)

    others = [name for name in wrong if name not in KEY_SETTINGS]
    for name in others:
        yield problem("settings.values", wrong[name], advice(name), setting=name)
    if not others and wrong:
        yield ok("settings.values", "Every setting except the keys is valid.")
    elif not wrong:
        yield ok("settings.values", f"Set: {', '.join(config.read_texts(environ, env_file)) or 'nothing'}.")
    if not is_read or wrong.keys() & set(PROXY_SETTINGS):
        yield skipped("settings.proxy", "The settings for the proxy are invalid.")
    else:
        yield check_proxy(settings)
    if settings.has_metrics:
        yield check_metrics(settings)
    for name in KEY_SETTINGS:
        yield _check_key(name, key_errors.get(name), advice(name), is_read=is_read)


def check_proxy(settings: Settings) -> Check:
    """Whether PUBLIC_URL, BIND and PROXY_HOPS fit each other."""
    code, url, hops = "settings.proxy", settings.public_url, settings.proxy_hops
    if url is None and hops:
        what = f"PROXY_HOPS is {hops} and PUBLIC_URL is not set: requests for the host name of the proxy are refused."
        return warning(code, what, "Set PUBLIC_URL to the URL in the browser, or remove PROXY_HOPS.")
    if settings.is_https and not hops:
        what = (
            "PUBLIC_URL is https and PROXY_HOPS is 0: all clients have the address of the proxy and share its limits."
        )
        return warning(code, what, "Set PROXY_HOPS to the number of proxies that add an address to X-Forwarded-For.")
    if url and not settings.is_https and not is_loopback(settings.origin.host):
        what = "PUBLIC_URL is http: passwords and cookies are sent without encryption."
        return warning(code, what, "Use a proxy with TLS, and set PUBLIC_URL to its https URL.")
    host, port = settings.bind
    return ok(code, f"The URL is {settings.base_url}; the server listens on {host} port {port}.")


def check_metrics(settings: Settings) -> Check:
    """Who can read the metrics."""
    code, place = "settings.metrics", settings.metrics_bind
    if settings.metrics_token:
        return ok(code, "Metrics are answered to programs that send METRICS_TOKEN.")
    if place and not is_loopback(place[0]):
        what = f"METRICS_BIND is {Origin('http', *place).place}, and METRICS_TOKEN is not set."
        return warning(
            code,
            f"{what} Every program that reaches this address reads the metrics.",
            "Set METRICS_TOKEN. If only your monitoring can reach the address, ignore this warning.",
        )
    return ok(code, "Metrics are answered to programs on this machine.")


def _check_key(name: str, sentence: str | None, advice: str, *, is_read: bool) -> Check:
    code = f"keys.{name.lower()}"
    if sentence is None:
        return ok(code, f"{name} is set and strong.")
    if NOT_SET in sentence and not is_read:
        return skipped(code, f"{name} may be set in the file that could not be read.")
    if NOT_SET in sentence:
        return problem(
            code, f"{name} is not set.", f"{COMMAND} prepare, which writes a new key to .env, or restore the old key."
        )
    return problem(code, sentence, advice)
