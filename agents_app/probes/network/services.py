"""Causes for the hosts of clouds and model providers, which no person entered. They do not ask for another host."""

from agents_app.probes.recorder import ProbeFailed

CAUSES = {
    "host_unknown": "service_unknown",
    "dns_failed": "service_unknown",
    "address_blocked": "service_blocked",
    "port_blocked": "service_blocked",
    "network_not_allowed": "service_not_allowed",
    "port_refused": "service_unreachable",
    "unreachable": "service_unreachable",
    "timed_out": "service_unreachable",
    "server_silent": "service_unreachable",
    "certificate_name": "service_replaced",
}


def cause_for(failure: ProbeFailed, host: str, port: int) -> ProbeFailed:
    """The failure of a connection to such a host."""
    return ProbeFailed(CAUSES.get(failure.code, failure.code), host=host, port=port)
