"""The page of an agent shows the names of workspace and dataset that its last test read."""

from flask import Flask

from agents_app.connections.power_bi import PowerBiConnection
from agents_app.db import db
from agents_app.models import ConnectionTest
from agents_app.operations.permissions import Actor
from agents_app.probes.results import Outcome, Result, Step
from tests.make import make_agent
from tests.security.conftest import Caller
from tests.web.conftest import Page

EXAMPLE = PowerBiConnection.example


def test_a_name_is_shown_with_the_id_that_was_tested(console: Flask, admin: Actor) -> None:
    agent_id = make_agent(console, admin, connection_type="POWERBI", connection_config=EXAMPLE)
    facts = {
        "workspace_id": EXAMPLE["workspace_id"],
        "workspace_name": "Finance <b>",
        # The dataset was changed since.
        "dataset_id": EXAMPLE["client_id"],
        "dataset_name": "Revenue of another dataset",
    }
    result = Result((Step("query", Outcome.PASSED, 1),), facts=facts)
    with console.app_context(), db.transaction() as session:
        session.add(
            ConnectionTest(
                agent_id=agent_id,
                account_id=admin.account_id,
                version=1,
                actor_name="Ada",
                outcome="passed",
                result={"connection": result.to_json()},
            )
        )

    page = Page(Caller(console, admin).ask("GET", f"/agents/{agent_id}"))

    names = [element.text for element in page.root.all("bdi")]
    assert "Finance <b>" in names
    assert "Revenue of another dataset" not in names
