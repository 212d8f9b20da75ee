"""`/metrics` for Prometheus: what the workers count, and facts of the database, at METRICS_BIND or with METRICS_TOKEN.

Every command imports this. Everything else of this folder, and prometheus_client, is imported only by a server whose
metrics are on.
"""

from agents_app.metrics.pool import pool_options
from agents_app.metrics.workers import AsgiApp, after_worker, before_workers, in_worker, with_metrics

__all__ = ["AsgiApp", "after_worker", "before_workers", "in_worker", "pool_options", "with_metrics"]
