"""Who can read `/metrics`, and at which address."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from agents_app.config import load
from agents_app.doctor.configuration import check_metrics
from agents_app.errors import ConfigurationError
from agents_app.logs import JsonFormatter
from tests.cli.conftest import free_port
from tests.make import KEYS
from tests.metrics.conftest import BEARER, TOKEN, Watched
from tests.project import shared_copy

Watch = Callable[..., Watched]


@pytest.fixture
def schema_url(sqlite_schema_url: str) -> str:
    """One database is enough: access does not depend on it."""
    return sqlite_schema_url


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        ({"METRICS_BIND": "localhost:9464"}, "METRICS_BIND must be an IP address and a port"),
        ({"METRICS_BIND": "127.0.0.1:0"}, "METRICS_BIND must be an IP address and a port"),
        ({"METRICS_BIND": "127.0.0.1:8000"}, "METRICS_BIND has the port of BIND."),
        ({"METRICS_BIND": "[::1]:8000"}, "METRICS_BIND has the port of BIND."),
        ({"METRICS_TOKEN": "xK9-short"}, "METRICS_TOKEN is too short;"),
        ({"METRICS_TOKEN": "changeme" * 5}, "METRICS_TOKEN is easy to guess;"),
        ({"METRICS_TOKEN": "with a space in front of letters"}, "METRICS_TOKEN must have ASCII characters only"),
        ({"METRICS_TOKEN": KEYS["SECRET_KEY"]}, "METRICS_TOKEN is also a key of another setting."),
        ({"METRICS_TOKEN": KEYS["TOKEN_PEPPERS"][3:]}, "METRICS_TOKEN is also a key of another setting."),
    ],
)
def test_a_setting_that_cannot_be_right_stops_the_start_and_is_not_repeated(
    texts: dict[str, str], sentence: str
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load({**KEYS, **texts}, None)

    assert refusal.value.detail.startswith(sentence)
    assert not [text for text in texts.values() if text in refusal.value.detail]


def test_a_port_alone_means_this_machine_and_an_address_is_taken_as_it_is() -> None:
    assert load({"METRICS_BIND": "9464"}, None).metrics_bind == ("127.0.0.1", 9464)
    assert load({"METRICS_BIND": "0.0.0.0:9464"}, None).metrics_bind == ("0.0.0.0", 9464)


def test_the_token_is_in_no_repr_of_the_settings() -> None:
    assert TOKEN not in repr(load({"METRICS_TOKEN": TOKEN}, None))


def test_without_either_setting_there_is_nothing(watch: Watch) -> None:
    server = watch()

    assert server.ask("/metrics").status == 404
    assert server.ask("/metrics", **BEARER).status == 404


@pytest.mark.parametrize(
    "sent", ["", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer ", "Bearer \xe9"]
)
def test_anything_but_the_token_is_refused_and_nothing_is_shown(watch: Watch, sent: str) -> None:
    server = watch(METRICS_TOKEN=TOKEN)

    refused = server.ask("/metrics", Authorization=sent)

    assert (refused.status, refused.text) == (401, "Send METRICS_TOKEN as bearer token.\n")
    assert refused.headers["www-authenticate"] == 'Bearer realm="Agent Console metrics"'


def test_the_token_opens_it_at_the_address_of_the_console_for_any_host_and_below_its_path(watch: Watch) -> None:
    server = watch(METRICS_TOKEN=TOKEN, PUBLIC_URL="https://agents.example.org/console")

    for path in ("/metrics", "/console/metrics"):
        answer = server.ask(path, Host="10.0.0.7:8000", **BEARER)
        assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    assert server.ask("/metrics", Authorization=f"bearer  {TOKEN}").status == 200


def test_the_port_of_metrics_has_nothing_else_and_the_console_has_no_metrics(watch: Watch) -> None:
    server = watch(METRICS_BIND=str(free_port()))

    assert server.ask("/metrics", server.metrics_port).status == 200
    assert {server.ask(path, server.metrics_port).status for path in ("/", "/healthz", "/api/v1/me")} == {404}
    assert server.ask("/metrics").status == 404


def test_with_both_settings_the_port_asks_for_the_token(watch: Watch) -> None:
    server = watch(METRICS_BIND=str(free_port()), METRICS_TOKEN=TOKEN)

    assert server.ask("/metrics", server.metrics_port).status == 401
    assert server.ask("/metrics", server.metrics_port, **BEARER).status == 200
    assert server.ask("/metrics", **BEARER).status == 404


def test_only_reading_is_allowed(watch: Watch) -> None:
    server = watch(METRICS_TOKEN=TOKEN)

    refused = server.ask("/metrics", method="POST", **BEARER)

    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")
    asked = server.ask("/metrics", method="HEAD", **BEARER)
    assert (asked.status, asked.body) == (200, b"")


def test_an_answer_is_compressed_and_in_the_format_that_is_asked_for(watch: Watch) -> None:
    server = watch(METRICS_TOKEN=TOKEN)
    plain = server.ask("/metrics", **BEARER)

    zipped = server.ask("/metrics", **{"Accept-Encoding": "gzip", **BEARER})
    newer = server.ask("/metrics", Accept="application/openmetrics-text;version=1.0.0", **BEARER)

    assert plain.headers["content-type"].startswith("text/plain; version=")
    assert len(zipped.body) < len(plain.body) / 2
    assert "agent_console_build_info" in zipped.text
    assert newer.headers["content-type"].startswith("application/openmetrics-text")
    assert newer.text.endswith("# EOF\n")


@pytest.mark.parametrize("sent", ["text/plain;version=1.x", "application/openmetrics-text;version=abc", ";;=,\xe9"])
def test_a_version_that_is_not_a_number_is_answered_in_the_oldest_format(watch: Watch, sent: str) -> None:
    answer = watch(METRICS_TOKEN=TOKEN).ask("/metrics", Accept=sent, **BEARER)

    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")


@pytest.mark.parametrize("sent", ["gzip;q=0", "gzip; q=0.0, identity", "notgzip", "identity", "gzip;q=x"])
def test_an_answer_is_not_compressed_for_a_client_that_does_not_accept_it(watch: Watch, sent: str) -> None:
    answer = watch(METRICS_TOKEN=TOKEN).ask("/metrics", **{"Accept-Encoding": sent, **BEARER})

    assert "content-encoding" not in answer.headers
    assert b"agent_console_build_info" in answer.body


@pytest.mark.parametrize(("hops", "address"), [("0", "127.0.0.1"), ("1", "192.0.2.7")])
def test_a_refused_token_leaves_a_line_with_the_address_of_the_client_and_without_the_token(
    hops: str, address: str, watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    server = watch(METRICS_TOKEN=TOKEN, PROXY_HOPS=hops)
    logger = logging.getLogger("agents_app")
    logger.addHandler(caplog.handler)

    server.ask("/metrics", **{"Authorization": "Bearer canary-word", "X-Forwarded-For": "192.0.2.7:4711"})
    logger.removeHandler(caplog.handler)

    (record,) = [record for record in caplog.records if record.message == "metrics were refused"]
    line = JsonFormatter().format(record)
    assert json.loads(line)["address"] == address
    assert "canary" not in line


@pytest.mark.parametrize(
    ("texts", "result"),
    [
        ({"METRICS_BIND": "0.0.0.0:9464"}, "warning"),
        ({"METRICS_BIND": "0.0.0.0:9464", "METRICS_TOKEN": TOKEN}, "ok"),
        ({"METRICS_BIND": "9464"}, "ok"),
        ({"METRICS_TOKEN": TOKEN}, "ok"),
    ],
)
def test_doctor_warns_of_metrics_that_every_program_can_read(texts: dict[str, str], result: str) -> None:
    found = check_metrics(load(texts, None))

    assert (found.code, found.result) == ("settings.metrics", result)
    assert TOKEN not in str(found)


@pytest.mark.long
def test_a_command_does_not_load_what_only_metrics_need() -> None:
    code = "import sys, agents_app.app; print({'prometheus_client', 'agents_app.metrics.answer'} & sys.modules.keys())"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(shared_copy())}

    ran = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)

    assert ran.stdout == "set()\n"
