"""What is used of prometheus_client. Only this module imports it, after the folder of the counts is made.

When it is imported, prometheus_client chooses whether it counts for one process or, in that folder, for several.
"""

from agents_app.metrics.folder import folder

folder()

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, Summary  # noqa: E402
from prometheus_client.core import GaugeMetricFamily  # noqa: E402
from prometheus_client.exposition import choose_encoder  # noqa: E402
from prometheus_client.multiprocess import MultiProcessCollector  # noqa: E402
from prometheus_client.process_collector import ProcessCollector  # noqa: E402

__all__ = [
    "CollectorRegistry",
    "Counter",
    "Gauge",
    "GaugeMetricFamily",
    "Histogram",
    "Metric",
    "MultiProcessCollector",
    "ProcessCollector",
    "Summary",
    "choose_encoder",
]
