"""URLs that are made once: they are the same as those that Flask makes."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask, url_for

from agents_app.web.urls import ID, PATH_MAX, ListUrl, of_agent, own_url, urls_of_agents

# A person may search for an id, and for one that is often in the place of another.
ODD = f"{UUID(int=2**128 - 1)} a b&c=d/é?%#+'\"<!$()*,:;@|~"
VALUES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("web.agents.listing", {}),
    ("web.agents.listing", {"q": ODD, "status": None}),
    ("web.agents.show", {"agent_id": uuid4(), "back": ODD}),
    ("web.agents.show", {"agent_id": uuid4(), "back": "x" * (PATH_MAX + 1)}),
    ("web.agents.show", {"agent_id": uuid4(), "back": ""}),
    ("web.agent_versions.show", {"agent_id": uuid4(), "version": 1}),
    ("web.events.listing", {"target": uuid4(), "about": uuid4()}),
    ("static", {"filename": "app.js", "v": "1"}),
    ("web.agents.listing", {"_external": True}),
)


@pytest.mark.parametrize("root", ["", "/console"])
@pytest.mark.parametrize(("endpoint", "values"), VALUES)
def test_a_kept_url_is_the_one_of_flask(endpoint: str, values: dict[str, Any], root: str, console: Flask) -> None:
    with console.test_request_context("/agents", environ_overrides={"SCRIPT_NAME": root}):
        expected = url_for(endpoint, **values)

        assert [own_url(endpoint, **values) for _ in range(2)] == [expected] * 2
        assert expected.removeprefix("http://localhost").startswith(f"{root}/")


def test_the_url_of_a_list_is_the_one_of_flask(console: Flask) -> None:
    args = dict.fromkeys(ListUrl.parameters, ODD)
    with console.test_request_context("/agents"):
        assert str(ListUrl(args)) == url_for("web.agents.listing", **args)
        assert str(ListUrl({})) == url_for("web.agents.listing")


def test_the_urls_of_a_row_have_its_id_and_lead_back_to_the_list(console: Flask) -> None:
    agent_id = uuid4()
    with console.test_request_context("/agents"):
        found = {act: of_agent(url, agent_id) for act, url in urls_of_agents(ODD).items()}

        for act in ("show", "edit", "disable", "delete"):
            assert found.pop(act) == url_for(f"web.agents.{act}", agent_id=agent_id, back=ODD)
        assert found == {act: url_for(f"web.agents.{act}", agent_id=agent_id) for act in ("clone", "enable")}
        assert str(ID) not in own_url("web.agents.show", agent_id=agent_id)
