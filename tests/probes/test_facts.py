"""Every fact that a probe reports has a label or is known not to be shown, and may contain a secret or may not."""

import ast
from string import Formatter

from agents_app.paths import ROOT
from agents_app.probes import facts
from agents_app.probes.causes import CAUSES
from agents_app.probes.power_bi import facts as power_bi_facts

OF_THE_AGENT = {"database", "dataset_id", "host", "model", "port", "sslmode", "username", "workspace_id"}
OF_THE_CONSOLE = {"api", "example", "fault", "method", "missing", "not_examined", "problem", "provider", "secret"}
# Numbers, ids and codes of a form that the probe checks, and what follows from them.
OF_FIXED_FORM = {"number", "read_only", "readable_tables", "reference", "row_level_security", "server", "sqlstate"}
# Names that other users of a database or a workspace can choose.
NAMES = {"attributes", "dataset_name", "names", "objects", "open_databases", "role", "roles", "workspace_name"}
AS_THEY_ARE = OF_THE_AGENT | OF_THE_CONSOLE | OF_FIXED_FORM | NAMES | {"when"}
# What is called with a code and the facts of its sentence.
REPORTING = {"ProbeFailed", "_fail", "_server_failure", "failure", "know", "warn"}


def test_every_fact_of_every_probe_is_in_the_one_table() -> None:
    reported = {power_bi_facts.ROW_LEVEL_SECURITY, *power_bi_facts.NAMES, *power_bi_facts.NAMES.values()}
    for path in (ROOT / "agents_app" / "probes").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "know":
                # Those without a name are facts of Power BI.
                reported |= {keyword.arg for keyword in node.keywords if keyword.arg}

    assert reported == facts.LABELS.keys() | facts.NOT_SHOWN


def facts_of_sentences() -> set[str]:
    """The names in the sentences of all causes, and of the arguments with which the code reports them."""
    sentences = [text for one in CAUSES.values() for text in (one.what, one.next_step, one.without_statements)]
    found = {name for text in sentences for _, name, _, _ in Formatter().parse(text) if name}
    for path in (ROOT / "agents_app" / "probes").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in REPORTING:
                found |= {keyword.arg for keyword in node.keywords if keyword.arg}
    return found


def test_for_every_fact_it_is_decided_whether_a_server_can_send_a_secret_back_in_it() -> None:
    """A new fact is one of AS_THEY_ARE, or of TEXTS_OF_SERVERS if it is free text of a server that got a secret."""
    known = facts_of_sentences() | facts.LABELS.keys() | facts.NOT_SHOWN

    assert known | {"fault"} == AS_THEY_ARE | facts.TEXTS_OF_SERVERS
    assert not AS_THEY_ARE & facts.TEXTS_OF_SERVERS
