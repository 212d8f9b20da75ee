"""What the workers count.

Labels have few values, and none that a tenant or a client chooses: no name, no id, no path.
"""

from agents_app.metrics.client import Counter, Gauge, Histogram, Summary

REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
WAIT_BUCKETS = (0.001, 0.01, 0.1, 0.5, 1.0, 3.0)

# The registry of each answer reads the files of all processes. So none of these is registered.
REQUESTS = Counter(
    "agent_console_http_requests", "Requests that were answered.", ("method", "route", "status"), registry=None
)
REQUEST_SECONDS = Histogram(
    "agent_console_http_request_duration_seconds",
    "Seconds from the end of a request to its answer, with the wait for a thread.",
    ("method", "route"),
    buckets=REQUEST_BUCKETS,
    registry=None,
)
THREAD_WAIT_SECONDS = Histogram(
    "agent_console_http_request_wait_seconds",
    "Seconds that a complete request waited for a thread.",
    buckets=WAIT_BUCKETS,
    registry=None,
)
IN_PROGRESS = Gauge(
    "agent_console_http_requests_in_progress",
    "Requests that have begun and are not answered yet, with those that wait.",
    multiprocess_mode="livesum",
    registry=None,
)
REQUEST_DATABASE_SECONDS = Summary(
    "agent_console_http_request_database_seconds",
    "Seconds of database statements in a request, until its answer begins.",
    ("route",),
    registry=None,
)
STATEMENT_SECONDS = Summary(
    "agent_console_database_statement_seconds", "Seconds of database statements, with those that failed.", registry=None
)
POOL_SIZE = Gauge(
    "agent_console_database_pool_size",
    "Database connections that the workers can have (POOL_SIZE of each).",
    multiprocess_mode="livesum",
    registry=None,
)
POOL_IN_USE = Gauge(
    "agent_console_database_pool_in_use",
    "Database connections that are used at this moment.",
    multiprocess_mode="livesum",
    registry=None,
)
POOL_WAIT_SECONDS = Histogram(
    "agent_console_database_pool_wait_seconds",
    "Seconds until a connection was taken from the pool, with those for checking or opening it.",
    buckets=WAIT_BUCKETS,
    registry=None,
)
POOL_TIMEOUTS = Counter(
    "agent_console_database_pool_timeouts", "Waits that ended without a connection (503).", registry=None
)
REPLACED_WORKERS = Counter("agent_console_workers_replaced", "Workers that ended and were replaced.", registry=None)
