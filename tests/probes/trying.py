"""Runs a probe in the process of the test, and makes the result that the parent of a child process would make."""

import json
from collections.abc import Mapping
from typing import Any

from agents_app.operations import sample_results
from agents_app.probes.causes import CAUSES
from agents_app.probes.network.addresses import AddressRules
from agents_app.probes.recorder import Message, ProbeFailed, Recorder
from agents_app.probes.results import Finding, Result
from agents_app.probes.transcript import Transcript

LOOPBACK = AddressRules(allows_loopback=True)


def try_probe(probe: Any, values: Mapping[str, Any], rules: AddressRules = LOOPBACK) -> Result:
    """Run the module of a probe. Every cause and warning must have a sentence for its facts."""
    transcript = Transcript()

    def send(message: Message) -> None:
        transcript.add(json.dumps(message).encode())

    try:
        probe.run(values, rules, Recorder(send))
    except ProbeFailed as failure:
        send({"cause": failure.code, "facts": failure.facts})
    send({"done": True})
    result = transcript.result(str(values["host"]), is_late=False)
    for finding in (*result.warnings, *filter(None, [result.cause])):
        assert "{" not in sentence(finding)
    return result


def sentence(finding: Finding) -> str:
    """What is wrong and what to do, as pages show it."""
    cause = CAUSES[finding.code]
    return f"{cause.what} {cause.next_step}".format(**finding.facts)


def form(result: Result) -> dict[str, Any]:
    """What a result has, without the times and the values that a server chooses."""
    cause = result.cause and (result.cause.code, set(result.cause.facts))
    steps = [(step.name, step.outcome) for step in result.steps]
    parts = {"steps": steps, "cause": cause, "warnings": result.warnings, "statements": result.statements}
    return {**parts, "facts": set(result.facts), "read_only": result.facts.get("read_only")}


def form_of_sample(number: int, **agent: Any) -> dict[str, Any]:
    """The form of what `flask demo` stores for an agent with this number, to compare it with a real result."""
    return form(sample_results.sample(agent, number)["connection"])


def codes(result: Result) -> list[str]:
    """The codes of the warnings."""
    return [finding.code for finding in result.warnings]
