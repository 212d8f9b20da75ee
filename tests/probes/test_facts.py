"""Every fact that a probe reports has a label, or is known not to be shown."""

import ast

from agents_app.paths import ROOT
from agents_app.probes import facts
from agents_app.probes.power_bi import facts as power_bi_facts


def test_every_fact_of_every_probe_is_in_the_one_table() -> None:
    reported = {power_bi_facts.ROW_LEVEL_SECURITY, *power_bi_facts.NAMES, *power_bi_facts.NAMES.values()}
    for path in (ROOT / "agents_app" / "probes").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "know":
                # Those without a name are facts of Power BI.
                reported |= {keyword.arg for keyword in node.keywords if keyword.arg}

    assert reported == facts.LABELS.keys() | facts.NOT_SHOWN
