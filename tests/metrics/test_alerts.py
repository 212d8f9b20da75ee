"""deploy/alerts.yml: each alert fires when it must, and not otherwise; docs/monitoring.md says what to do."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from agents_app.paths import ROOT
from tests.metrics.alerts import CASES, Case
from tests.metrics.conftest import TOKEN, Watched, samples

RULES = ROOT / "deploy" / "alerts.yml"
ALERTS = {rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
PAGE = (ROOT / "docs" / "monitoring.md").read_text()
METRIC = re.compile(r"\bagent_console_\w+")
TARGET = {"job": "agent-console", "instance": "console:9464"}


@pytest.fixture
def schema_url(sqlite_schema_url: str) -> str:
    """One database is enough: both have the same metrics."""
    return sqlite_schema_url


def promtool(*words: str) -> None:
    ran = subprocess.run(["promtool", *words], check=False, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def with_target(series: dict[str, str]) -> list[dict[str, str]]:
    """The series as Prometheus stores them."""
    labels = ",".join(f'{name}="{value}"' for name, value in TARGET.items())
    return [
        {"series": name.replace("{", f"{{{labels},") if "{" in name else f"{name}{{{labels}}}", "values": values}
        for name, values in series.items()
    ]


def fires(alert: str, series: dict[str, str], minute: int) -> dict[str, object]:
    """A test of promtool that finds at least one alert, whatever its labels."""
    # An alert that fires is a series of its own.
    found = {"expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) > 0', "eval_time": f"{minute}m"}
    return {
        "interval": "1m",
        "input_series": with_target(series),
        "promql_expr_test": [{**found, "exp_samples": [{"labels": "{}", "value": 1}]}],
    }


def stays_quiet(alert: str, series: dict[str, str], minute: int) -> dict[str, object]:
    """A test of promtool that finds no alert."""
    expected = {"alertname": alert, "eval_time": f"{minute}m", "exp_alerts": []}
    return {"interval": "1m", "input_series": with_target(series), "alert_rule_test": [expected]}


@pytest.mark.long
@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires_when_it_must_and_not_otherwise(alert: str, tmp_path: Path) -> None:
    case: Case = CASES[alert]
    tests = [
        fires(alert, case.fires, case.minute),
        *(stays_quiet(alert, series, case.minute) for series in ({}, *case.quiet)),
    ]
    file = tmp_path / "tests.yml"
    # JSON is YAML too.
    file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))

    promtool("test", "rules", str(file))


@pytest.mark.long
def test_the_rules_and_the_configurations_of_the_page_are_valid(tmp_path: Path) -> None:
    copy = tmp_path / "alerts.yml"
    copy.write_text(RULES.read_text())
    promtool("check", "rules", str(copy))
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    for number, block in enumerate(blocks):
        (tmp_path / "token").write_text(TOKEN)
        file = tmp_path / f"{number}.yml"
        file.write_text(block.replace("/etc/prometheus/", f"{tmp_path}/"))

        promtool("check", "config", str(file))


def test_every_alert_has_a_case_and_a_section_that_says_what_to_do() -> None:
    sections = re.findall(r"^### (AgentConsole\w+)\n\n(\S.*)", PAGE, re.MULTILINE)

    assert list(ALERTS) == list(CASES) == [name for name, _ in sections]
    assert {rule["labels"]["severity"] for rule in ALERTS.values()} == {"page", "ticket"}


def test_an_alert_asks_for_metrics_that_there_are(watch: Callable[..., Watched]) -> None:
    known = names_of(watch(METRICS_TOKEN=TOKEN))

    missing = {name: set(METRIC.findall(rule["expr"])) - known for name, rule in ALERTS.items()}

    assert {name: names for name, names in missing.items() if names} == {}


def test_the_page_lists_exactly_the_metrics_that_there_are(watch: Callable[..., Watched]) -> None:
    listed = re.findall(r"^\| `(agent_console_\w+)", PAGE, re.MULTILINE)

    found = {re.sub(r"_(bucket|sum|count)$", "", name) for name in names_of(watch(METRICS_TOKEN=TOKEN))}

    assert sorted(set(listed)) == sorted(found)
    assert len(listed) == len(set(listed))


def names_of(server: Watched) -> set[str]:
    """The names of all series after a request."""
    server.ask("/healthz")
    return {name for name, _ in samples(server.text()) if not name.endswith("_created")}
