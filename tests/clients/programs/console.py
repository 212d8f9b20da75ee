"""A program that uses the console with the client of openapi-python-client. Its argument is that of `consoles.py`."""

import json
import sys
from collections.abc import Iterator
from typing import Any, TypeVar
from uuid import UUID, uuid4

from console_client import AuthenticatedClient
from console_client.api.about import get_me
from console_client.api.agents import (
    change_agents,
    clone_agent,
    create_agent,
    delete_agent,
    disable_agent,
    enable_agent,
    export_agents,
    get_agent,
    get_agent_by_external_id,
    import_agents,
    list_agents,
    put_agent_by_external_id,
    test_agent,
    undo_agents_change,
    update_agent,
)
from console_client.api.history import (
    get_agent_version,
    list_agent_versions,
    list_deleted_agents,
    restore_agent,
    restore_agent_version,
)
from console_client.api.runtime import check_agent_runtimes, fetch_agent_runtime, list_runtime_agents
from console_client.models import (
    AgentCreateDatabase,
    AgentCreatePowerBi,
    AgentDatabase,
    AgentDisable,
    AgentFile,
    AgentInList,
    AgentPage,
    AgentPowerBi,
    AgentStatus,
    AgentUpdate,
    AppliedPlan,
    BulkResult,
    ChangeNote,
    CheckedAgents,
    ConnectionConfigUpdate,
    ConnectionType,
    DatabaseConfigCreate,
    DeletedAgentPage,
    Dialect,
    ExportedAgentFile,
    FileFormat,
    Me,
    PowerBiConfigCreate,
    Problem,
    RuntimeAgentDatabase,
    RuntimeAgentPage,
    RuntimeAgentPowerBi,
    RuntimeCheck,
    RuntimeCheckAgents,
    SavedAgentDatabase,
    SavedAgentPowerBi,
    SetLabels,
    SetLabelsLabels,
    TestResult,
    VersionDetails,
    VersionPage,
    VersionRestore,
)
from console_client.types import UNSET, Response, Unset

T = TypeVar("T")
GIVEN: dict[str, Any] = json.loads(sys.argv[1])
HOST = "127.0.0.1"


def client_with(token: str) -> AuthenticatedClient:
    """A client that refuses statuses that the document does not have."""
    return AuthenticatedClient(GIVEN["address"], token, raise_on_unexpected_status=True)


writer, reader = client_with(GIVEN["write"]), client_with(GIVEN["read"])
runtime, hasty, unknown = client_with(GIVEN["runtime"]), client_with(GIVEN["hasty"]), client_with("agc_wrong")


def answer(response: Response[Any], status: int, kind: type[T]) -> T:
    """The body of a response, which has this status and this type."""
    assert response.status_code == status, response.content
    assert isinstance(response.parsed, kind), response.parsed
    return response.parsed


def refused(response: Response[Any], status: int, code: str) -> Problem:
    """The refusal, which has this status and this code."""
    problem = answer(response, status, Problem)
    assert (problem.status, problem.code) == (status, code), problem
    assert problem.request_id == response.headers["X-Request-ID"]
    return problem


def new_agent(name: str, **more: Any) -> AgentCreateDatabase:
    """The values of an agent with a database."""
    config = DatabaseConfigCreate(Dialect.POSTGRESQL, HOST, "sales", "reader", port=1, password="a password")
    return AgentCreateDatabase(name, "DB", config, **more)


def all_agents(**filters: Any) -> Iterator[AgentInList]:
    """The agents of every page."""
    cursor: str | Unset = UNSET
    while True:
        page = answer(list_agents.sync_detailed(client=reader, limit=2, cursor=cursor, **filters), 200, AgentPage)
        yield from page.items
        if page.next_cursor is None:
            return
        cursor = page.next_cursor


def create() -> UUID:
    """Create agents of both types, one of them twice with the same key. Returns the id of the first."""
    key = uuid4().hex
    first, again = (
        create_agent.sync_detailed(client=writer, body=new_agent("First"), idempotency_key=key) for _ in range(2)
    )
    agent = answer(first, 201, SavedAgentDatabase)
    assert first.headers["Location"].endswith(f"/agents/{agent.id}")
    assert answer(again, 200, SavedAgentDatabase).id == agent.id
    assert again.headers["Idempotency-Replayed"] == "true"
    secret = PowerBiConfigCreate(str(uuid4()), uuid4(), uuid4(), uuid4())
    second = AgentCreatePowerBi("Second", "POWERBI", secret)
    stored = answer(create_agent.sync_detailed(client=writer, body=second), 201, SavedAgentPowerBi)
    assert stored.warnings, "a secret is missing"
    for number in range(3):
        answer(create_agent.sync_detailed(client=writer, body=new_agent(f"More {number}")), 201, SavedAgentDatabase)
    assert [one.name for one in all_agents()] == ["First", "Second", "More 0", "More 1", "More 2"]
    (found,) = all_agents(connection_type=[ConnectionType.POWERBI], status=[AgentStatus.ACTIVE, AgentStatus.DISABLED])
    assert isinstance(get_agent.sync_detailed(found.id, client=reader).parsed, AgentPowerBi)
    return agent.id


def change(agent_id: UUID) -> None:
    """Read, read again, change, and change with an old ETag."""
    read = get_agent.sync_detailed(agent_id, client=reader)
    assert answer(read, 200, AgentDatabase).connection_config.host == HOST
    etag = read.headers["ETag"]
    unchanged = get_agent.sync_detailed(agent_id, client=reader, if_none_match=etag)
    assert (unchanged.status_code, unchanged.parsed, unchanged.content) == (304, None, b"")
    body = AgentUpdate(owner="Finance", connection_config=ConnectionConfigUpdate(row_limit=10), note="Smaller answers.")
    changed = update_agent.sync_detailed(agent_id, client=writer, body=body, if_match=etag)
    agent = answer(changed, 200, SavedAgentDatabase)
    assert (agent.version, agent.owner, agent.connection_config.row_limit) == (2, "Finance", 10)
    refused(update_agent.sync_detailed(agent_id, client=writer, body=body, if_match=etag), 412, "stale")
    bad_tag = update_agent.sync_detailed(agent_id, client=writer, body=body, if_match="2")
    refused(bad_tag, 400, "bad_etag")


def change_power_bi() -> None:
    """Read an agent with Power BI, change its configuration, write it back, and read it again."""
    secret = PowerBiConfigCreate(str(uuid4()), uuid4(), uuid4(), uuid4(), client_secret="a secret of the app")
    new = AgentCreatePowerBi("Report", "POWERBI", secret)
    agent_id = answer(create_agent.sync_detailed(client=writer, body=new), 201, SavedAgentPowerBi).id
    agent = answer(get_agent.sync_detailed(agent_id, client=reader), 200, AgentPowerBi)
    body = AgentUpdate.from_dict(agent.to_dict())
    assert isinstance(body.connection_config, ConnectionConfigUpdate)
    body.connection_config.row_limit = 7
    answer(update_agent.sync_detailed(agent_id, client=writer, body=body), 200, SavedAgentPowerBi)
    moved = AgentUpdate(connection_config=ConnectionConfigUpdate(dataset_id=uuid4()))
    refusal = refused(update_agent.sync_detailed(agent_id, client=writer, body=moved), 422, "invalid_input")
    assert not isinstance(refusal.errors, Unset)
    assert [error.pointer for error in refusal.errors] == ["/connection_config/client_secret"]
    assert isinstance(moved.connection_config, ConnectionConfigUpdate)
    moved.connection_config.client_secret = "another secret of the app"
    answer(update_agent.sync_detailed(agent_id, client=writer, body=moved), 200, SavedAgentPowerBi)
    again = answer(get_agent.sync_detailed(agent_id, client=reader), 200, AgentPowerBi)
    changed = {"row_limit": 7, "dataset_id": str(moved.connection_config.dataset_id)}
    assert again.connection_config.to_dict() == {**agent.connection_config.to_dict(), **changed}
    fetched = answer(fetch_agent_runtime.sync_detailed(agent_id, client=runtime), 200, RuntimeAgentPowerBi)
    assert fetched.connection_config.client_secret == "another secret of the app"
    answer(delete_agent.sync_detailed(agent_id, client=writer), 204, type(None))


def meet_refusals(agent_id: UUID) -> None:
    """Meet the refusals that a client can cause."""
    refused(get_me.sync_detailed(client=unknown), 401, "not_signed_in")
    refused(delete_agent.sync_detailed(agent_id, client=reader), 403, "scope_missing")
    refused(get_agent.sync_detailed(UUID(GIVEN["foreign"]), client=writer), 404, "not_found")
    key, taken = uuid4().hex, new_agent("Taken", external_id="crm 1")
    kept = create_agent.sync_detailed(client=writer, body=taken, idempotency_key=key)
    answer(kept, 201, SavedAgentDatabase)
    other = create_agent.sync_detailed(client=writer, body=new_agent("Other"), idempotency_key=key)
    refused(other, 409, "idempotency_key_reused")
    refused(create_agent.sync_detailed(client=writer, body=taken), 422, "invalid_input")
    wrong = refused(
        create_agent.sync_detailed(client=writer, body=new_agent("", owner="x" * 500)), 422, "invalid_input"
    )
    assert not isinstance(wrong.errors, Unset)
    assert sorted(str(error.pointer) for error in wrong.errors) == ["/name", "/owner"]
    # A generated client sends no wrong media type by itself.
    sent = writer.get_httpx_client().post("/api/v1/agents", content="name: x", headers={"Content-Type": "text/plain"})
    assert Problem.from_dict(sent.json()).status == 415


def disable_and_clone(agent_id: UUID) -> None:
    """Disable the agent, which its runtime then learns, enable it, and clone it."""
    answer(fetch_agent_runtime.sync_detailed(agent_id, client=runtime), 200, RuntimeAgentDatabase)
    disabled = disable_agent.sync_detailed(agent_id, client=writer, body=AgentDisable("The warehouse moves."))
    assert answer(disabled, 200, SavedAgentDatabase).status_reason == "The warehouse moves."
    refused(fetch_agent_runtime.sync_detailed(agent_id, client=runtime), 403, "agent_disabled")
    answer(enable_agent.sync_detailed(agent_id, client=writer, body=ChangeNote("It moved.")), 200, SavedAgentDatabase)
    copy = answer(clone_agent.sync_detailed(agent_id, client=writer), 201, SavedAgentDatabase)
    assert (copy.id != agent_id, copy.version) == (True, 1)
    answer(delete_agent.sync_detailed(copy.id, client=writer), 204, type(None))


def run_as_runtime(agent_id: UUID) -> None:
    """Fetch the configuration with its secrets, learn that it has not changed, and check many agents at once."""
    fetched = fetch_agent_runtime.sync_detailed(agent_id, client=runtime)
    assert answer(fetched, 200, RuntimeAgentDatabase).connection_config.password == "a password"
    etag = fetched.headers["ETag"]
    assert fetch_agent_runtime.sync_detailed(agent_id, client=runtime, if_none_match=etag).status_code == 304
    tags = RuntimeCheckAgents()
    tags[str(agent_id)], tags["unknown"] = etag, None
    checked = answer(
        check_agent_runtimes.sync_detailed(client=runtime, body=RuntimeCheck(tags)), 200, CheckedAgents
    ).agents
    assert (checked[str(agent_id)].state, checked["unknown"].state) == ("unchanged", "not_found")
    listed = answer(list_runtime_agents.sync_detailed(client=runtime, limit=100), 200, RuntimeAgentPage)
    assert [one.etag for one in listed.items if one.id == agent_id] == [etag]


def test_and_restore(agent_id: UUID) -> None:
    """Test the agent, whose server is not there, and restore its first version."""
    tested = answer(test_agent.sync_detailed(agent_id, client=writer), 200, TestResult)
    assert (tested.outcome, tested.is_saved) == ("failed", True)
    versions = answer(list_agent_versions.sync_detailed(agent_id, client=reader), 200, VersionPage).items
    assert [one.version for one in versions] == [4, 3, 2, 1]
    answer(get_agent_version.sync_detailed(agent_id, 1, client=reader, compare=2), 200, VersionDetails)
    back = VersionRestore(note="As it was.")
    restored = restore_agent_version.sync_detailed(agent_id, 1, client=writer, body=back)
    assert answer(restored, 200, SavedAgentDatabase).connection_config.row_limit == 1000


def delete_and_undo(agent_id: UUID) -> None:
    """Delete the agent and restore it, and label all agents and undo that."""
    answer(delete_agent.sync_detailed(agent_id, client=writer, body=ChangeNote("Not used.")), 204, type(None))
    refused(get_agent.sync_detailed(agent_id, client=writer), 404, "not_found")
    deleted = answer(list_deleted_agents.sync_detailed(client=reader), 200, DeletedAgentPage).items
    assert agent_id in [one.id for one in deleted]
    answer(restore_agent.sync_detailed(agent_id, client=writer), 200, SavedAgentDatabase)
    labels = SetLabelsLabels()
    labels["team"] = "finance"
    act = SetLabels("set_labels", [one.id for one in all_agents()], labels)
    done = answer(change_agents.sync_detailed(client=writer, body=act), 200, BulkResult)
    undone = answer(undo_agents_change.sync_detailed(done.id, client=writer), 200, BulkResult)
    assert (done.counts.changed, undone.counts.changed) == (len(act.ids), len(act.ids))


def put_by_external_id() -> None:
    """Put an agent twice, read it, and send the exported agents back."""
    body = new_agent("Put")
    ids = [put_agent_by_external_id.sync_detailed("a/b", client=writer, body=body) for _ in range(2)]
    assert answer(ids[0], 201, SavedAgentDatabase).id == answer(ids[1], 200, SavedAgentDatabase).id
    assert ids[0].headers["ETag"] == ids[1].headers["ETag"]
    read = get_agent_by_external_id.sync_detailed("a/b", client=reader)
    assert answer(read, 200, AgentDatabase).version == 1
    exported = export_agents.sync_detailed(client=reader, format_=FileFormat.JSON)
    file = AgentFile.from_dict(answer(exported, 200, ExportedAgentFile).to_dict())
    plan = answer(import_agents.sync_detailed(client=writer, body=file, plan=True), 200, AppliedPlan)
    assert plan.counts.additional_properties.get("create", 0) == 0


def be_too_fast() -> None:
    """Send requests until there are too many."""
    answers = [get_me.sync_detailed(client=hasty) for _ in range(GIVEN["limit"] + 1)]
    assert {one.status_code for one in answers[:-1]} == {200}
    refused(answers[-1], 429, "rate_limited")
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert answers[-1].headers["RateLimit"].startswith('"')


assert answer(get_me.sync_detailed(client=writer), 200, Me).account.name == "Acme"
known = create()
change(known)
change_power_bi()
meet_refusals(known)
disable_and_clone(known)
run_as_runtime(known)
test_and_restore(known)
delete_and_undo(known)
put_by_external_id()
be_too_fast()
sys.stdout.write("done\n")
