"""`/metrics` for Prometheus: what the workers count, and facts of the database, at METRICS_BIND or with METRICS_TOKEN.

prometheus_client is imported only where metrics are on, after the folder of the counts is known.
"""

from agents_app.metrics.endpoint import with_metrics
from agents_app.metrics.pool import pool_options
from agents_app.metrics.workers import after_worker, before_workers, in_worker

__all__ = ["after_worker", "before_workers", "in_worker", "pool_options", "with_metrics"]
