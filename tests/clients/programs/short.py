"""A short program with the client of OpenAPI Generator for Python. Its argument is that of `consoles.py`."""

import json
import sys
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from short_client import (
    Agent,
    AgentCreate,
    AgentCreateDatabase,
    AgentCreatePowerBi,
    AgentDatabase,
    AgentPowerBi,
    AgentsApi,
    AgentUnknown,
    AgentUpdate,
    ApiClient,
    ApiException,
    Configuration,
    ConnectionConfigUpdate,
    DatabaseConfigCreate,
    Dialect,
    PowerBiConfigCreate,
    Problem,
    RuntimeAgentPowerBi,
    RuntimeApi,
)

GIVEN: dict[str, Any] = json.loads(sys.argv[1])


def client_with(token: str) -> ApiClient:
    """A client with this token."""
    return ApiClient(Configuration(host=GIVEN["address"], access_token=token))


writer, reader = AgentsApi(client_with(GIVEN["write"])), AgentsApi(client_with(GIVEN["read"]))
runtime = RuntimeApi(client_with(GIVEN["runtime"]))


def refused(call: Callable[[], object], status: int, code: str = "") -> None:
    """Raise if the call is not refused with this status and this code."""
    found, body = 200, None
    try:
        call()
    except ApiException as error:
        found, body = error.status, error.body
    problem = Problem.from_json(body) if body else None
    assert (found, problem.code if problem else "") == (status, code), body


def new_agent(name: str) -> AgentCreate:
    """The values of an agent with a database."""
    config = DatabaseConfigCreate(
        dialect=Dialect.POSTGRESQL, host="127.0.0.1", port=1, database="sales", username="reader", password="secret"
    )
    return AgentCreate(AgentCreateDatabase(name=name, connection_type="DB", connection_config=config))


def run() -> None:
    """Create, list, read, change, run, and delete."""
    created = [writer.create_agent(new_agent(name)) for name in ("First", "Second", "Third")]
    first = created[0].actual_instance
    assert first is not None
    names: list[str] = []
    cursor, agent_id = None, UUID(str(first.id))
    while not names or cursor:
        page = reader.list_agents(limit=2, cursor=cursor)
        names, cursor = [*names, *(one.name for one in page.items)], page.next_cursor
    assert names == ["First", "Second", "Third"]
    read = reader.get_agent_with_http_info(agent_id)
    etag = (read.headers or {})["ETag"]
    assert isinstance(read.data.actual_instance, AgentDatabase)
    refused(lambda: reader.get_agent(agent_id, if_none_match=etag), 304)
    changed = writer.update_agent(agent_id, AgentUpdate(owner="Finance"), if_match=etag).actual_instance
    assert changed is not None
    assert changed.owner == "Finance"
    refused(lambda: writer.update_agent(agent_id, AgentUpdate(owner="Sales"), if_match=etag), 412, "stale")
    refused(lambda: reader.delete_agent(agent_id), 403, "scope_missing")
    refused(lambda: writer.get_agent(UUID(GIVEN["foreign"])), 404, "not_found")
    assert runtime.fetch_agent_runtime(agent_id).actual_instance is not None
    writer.delete_agent(agent_id)
    refused(lambda: reader.get_agent(agent_id), 404, "not_found")


def read_power_bi(agent_id: UUID) -> AgentPowerBi:
    """The agent, which has the class of its connection type."""
    agent = reader.get_agent(agent_id).actual_instance
    assert isinstance(agent, AgentPowerBi)
    return agent


def change_power_bi() -> None:
    """Read an agent with Power BI, change its configuration, write it back, and read it again."""
    config = PowerBiConfigCreate(
        tenant_id=str(uuid4()),
        client_id=uuid4(),
        client_secret="a secret of the app",
        workspace_id=uuid4(),
        dataset_id=uuid4(),
    )
    new = AgentCreatePowerBi(name="Report", connection_type="POWERBI", connection_config=config)
    created = writer.create_agent(AgentCreate(new)).actual_instance
    assert created is not None
    agent_id = UUID(str(created.id))
    before = read_power_bi(agent_id)
    body = AgentUpdate.model_validate(before.to_dict())
    assert body.connection_config is not None
    body.connection_config.row_limit = 7
    writer.update_agent(agent_id, body)
    moved = ConnectionConfigUpdate(dataset_id=uuid4())
    refused(lambda: writer.update_agent(agent_id, AgentUpdate(connection_config=moved)), 422, "invalid_input")
    moved.client_secret = "another secret of the app"
    writer.update_agent(agent_id, AgentUpdate(connection_config=moved))
    changed = {"row_limit": 7, "dataset_id": moved.dataset_id}
    after = read_power_bi(agent_id).connection_config.to_dict()
    assert after == {**before.connection_config.to_dict(), **changed}, after
    fetched = runtime.fetch_agent_runtime(agent_id).actual_instance
    assert isinstance(fetched, RuntimeAgentPowerBi)
    assert fetched.connection_config.client_secret == moved.client_secret
    writer.delete_agent(agent_id)


def read_a_later_release() -> None:
    """Read an agent with a connection type and a member that this client does not know."""
    known = json.loads(reader.get_agent_without_preload_content(reader.list_agents().items[0].id).data)
    later = known | {"connection_type": "LATER", "connection_config": {"path": "/"}, "new_member": [1]}
    assert isinstance(Agent.from_json(json.dumps(later)).actual_instance, AgentUnknown)


run()
change_power_bi()
read_a_later_release()
sys.stdout.write("done\n")
