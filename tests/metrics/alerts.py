"""For each alert: the series with which it fires, and how they differ where it must not. Values are one a minute."""

from dataclasses import dataclass

ERRORS = 'agent_console_http_requests_total{method="GET",route="/",status="500"}'
ANSWERS = 'agent_console_http_requests_total{method="GET",route="/",status="200"}'
BUCKET = 'agent_console_http_request_duration_seconds_bucket{{method="GET",route="{route}",le="{le}"}}'
WAIT = 'agent_console_http_request_wait_seconds_bucket{{le="{le}"}}'
SIGN_IN = 'agent_console_http_requests_total{{method="POST",route="/sign-in",status="{status}"}}'
PENDING = 'agent_console_migrations_pending{phase="finish"}'
EXPIRING = 'agent_console_expiring{{kind="{kind}",within_days="{days}"}}'
FAILED = 'agent_console_agents{{last_test="failed",status="{status}"}}'
FILES = 'agent_console_process_{}_fds{{pid="7",role="worker"}}'


@dataclass(frozen=True)
class Case:
    """Series by their names, with values in the notation of promtool, and the minute in which they are judged."""

    fires: dict[str, str]
    quiet: tuple[dict[str, str], ...]
    minute: int = 30


def _slow(route: str, fast: str, all_: str) -> dict[str, str]:
    return {
        BUCKET.format(route=route, le="1.0"): f"0+{fast}x60",
        BUCKET.format(route=route, le="2.5"): f"0+{all_}x60",
        BUCKET.format(route=route, le="+Inf"): f"0+{all_}x60",
        ANSWERS: f"0+{all_}x60",
    }


def _waiting(fast: str, all_: str) -> dict[str, str]:
    values = {"0.5": fast, "1.0": all_, "+Inf": all_}
    return {WAIT.format(le=le): f"0+{value}x60" for le, value in values.items()}


CASES = {
    "AgentConsoleDown": Case({"up": "0x60"}, ({"up": "1x60"}, {"up": "1x29 0x1"})),
    "AgentConsoleErrors": Case(
        {ERRORS: "0+5x60", ANSWERS: "0+95x60"},
        ({ERRORS: "0+9x60", ANSWERS: "0+891x60"}, {ERRORS: "0x25 2x35", ANSWERS: "0x60"}),
    ),
    "AgentConsoleDatabaseUnreadable": Case(
        {'agent_console_fact_read{fact="migrations_pending"}': "0x60"},
        (
            {'agent_console_fact_read{fact="migrations_pending"}': "1x28 0x2"},
            {'agent_console_fact_read{fact="agents"}': "0x60"},
        ),
    ),
    "AgentConsolePoolExhausted": Case(
        {"agent_console_database_pool_timeouts_total": "0+1x60"},
        ({"agent_console_database_pool_timeouts_total": "7x60"},),
    ),
    "AgentConsoleSlow": Case(
        _slow("/agents", "50", "60"), (_slow("/agents", "59", "60"), _slow("/agents/<uuid:agent_id>/test", "0", "60"))
    ),
    "AgentConsoleThreadsBusy": Case(_waiting("50", "60"), (_waiting("60", "60"),)),
    "AgentConsoleWorkersEnd": Case(
        {"agent_console_workers_replaced_total": "0x20 5x40"},
        ({"agent_console_workers_replaced_total": "9x20 0x40"}, {"agent_console_workers_replaced_total": "0x20 1x40"}),
    ),
    "AgentConsoleMigrationsPending": Case({PENDING: "2x1500"}, ({PENDING: "2x600 0x900"},), minute=1_460),
    "AgentConsoleBackupOld": Case(
        {"agent_console_last_backup_timestamp_seconds": "0x3000"},
        ({"agent_console_last_backup_timestamp_seconds": "0+60x3000"},),
        minute=2_950,
    ),
    "AgentConsoleCredentialsExpire": Case(
        {EXPIRING.format(kind="model_key", days="7"): "1x90"},
        ({EXPIRING.format(kind="model_key", days="30"): "1x90", EXPIRING.format(kind="credential", days="7"): "0x90"},),
        minute=80,
    ),
    "AgentConsoleTokensExpire": Case(
        {EXPIRING.format(kind="token", days="7"): "3x90"}, ({EXPIRING.format(kind="token", days="30"): "3x90"},), 80
    ),
    "AgentConsoleTestsFail": Case(
        {FAILED.format(status="active"): "1x90"}, ({FAILED.format(status="disabled"): "1x90"},), 80
    ),
    "AgentConsoleSignInsRefused": Case(
        {SIGN_IN.format(status="422"): "0+5x60", SIGN_IN.format(status="429"): "0+5x60"},
        ({SIGN_IN.format(status="422"): "0+2x60"}, {SIGN_IN.format(status="303"): "0+50x60"}),
    ),
    "AgentConsoleFilesRunOut": Case(
        {FILES.format("open"): "900x60", FILES.format("max"): "1024x60"},
        ({FILES.format("open"): "100x60", FILES.format("max"): "1024x60"},),
    ),
}
