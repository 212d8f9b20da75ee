"""The text of an answer: the counts of all workers, the facts of the database, the processes and the build."""

import platform
from collections.abc import Iterator

from flask import Flask

from agents_app import __version__
from agents_app.metrics.client import (
    CollectorRegistry,
    GaugeMetricFamily,
    Metric,
    MultiProcessCollector,
    choose_encoder,
)
from agents_app.metrics.facts import Facts
from agents_app.metrics.folder import all_counts
from agents_app.metrics.processes import Processes


class Answers:
    """Makes the answers of one worker, for all workers."""

    def __init__(self, app: Flask) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        MultiProcessCollector(self._registry, str(all_counts()))
        for collector in (Facts(app), Processes(), Build()):
            self._registry.register(collector)

    def make(self, accept: str) -> tuple[bytes, str]:
        """The text in the format that the header Accept asks for, and its content type.

        Raises FileNotFoundError if the folder of the counts was removed.
        """
        all_counts().stat()
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):
            # The version is not a number.
            encode, content_type = choose_encoder("")
        return encode(self._registry), content_type


class Build:
    """A collector for the versions of the program."""

    def collect(self) -> Iterator[Metric]:
        """One series, whose value is always 1."""
        family = GaugeMetricFamily(
            "agent_console_build_info", "The version of the console and of Python.", labels=["version", "python"]
        )
        family.add_metric([__version__, platform.python_version()], 1)
        yield family
