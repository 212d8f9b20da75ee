"""An example of each answer in the OpenAPI document. A test compares them with the answers of a console."""

from typing import Any

from agents_app.api.request_examples import EXAMPLE_AGENT, EXAMPLE_IDS, EXAMPLES
from agents_app.api.response_schemas import AgentSummary
from agents_app.connections import TYPES
from agents_app.values.choices import ConnectionType

Example = dict[str, Any]
MADE, CHANGED = "2026-11-27T09:30:00.123456Z", "2026-11-28T10:00:00.654321Z"
ADA = {"id": "3b1f6c2e-8d4a-4f6b-9c0e-5a7d2e1f0b93", "name": "Ada Lovelace"}
TOKEN = {"id": "c2a7d9e4-1b3f-4a5c-8e6d-7f9b0a1c2d3e", "name": "ci"}
BY_TOKEN = {"updated_by": "token ci", "updated_by_token_owner": ADA["name"]}
NOTE = EXAMPLES["AgentUpdate"]["with a note"]
DATABASE = TYPES[ConnectionType.DB]
WHOLE = DATABASE.model_validate(DATABASE.example).model_dump(mode="json")
CONFIG = {name: value for name, value in WHOLE.items() if name not in DATABASE.secret_names()}
SHOWN = {name: CONFIG[name] for name in DATABASE.title_fields}
SENT = EXAMPLES["AgentCreate"][ConnectionType.DB.value]
STORED = {**EXAMPLE_AGENT, "external_id": SENT["external_id"], "connection_type": ConnectionType.DB.value}
SUMMARY: Example = {
    **{name: value for name, value in STORED.items() if name in AgentSummary.model_fields},
    "id": EXAMPLE_IDS[0],
    "status": "active",
    "status_reason": None,
    "credential_expires_at": None,
    "version": 1,
    "created_at": MADE,
    "updated_at": MADE,
    "created_by": ADA,
    **BY_TOKEN,
    "last_test": None,
}
FACT = {"set_at": MADE, "set_by": "token ci", "last_four": "user", "readable": True}
AGENT: Example = {
    **SUMMARY,
    **STORED,
    "connection_config": CONFIG,
    "secrets_set": {"/connection_config/password": FACT},
}
STATE = {"status": "active", "status_reason": None}
VERSION: Example = {
    "version": 2,
    "action": "agent.updated",
    "door": "token",
    "actor_name": "token ci",
    "user_id": ADA["id"],
    "token_owner": ADA["name"],
    "created_at": CHANGED,
    "note": NOTE["note"],
    "changed": ["/model_type"],
    "secrets": {},
    "restored_version": None,
    "undone_act": None,
    "bulk_id": None,
}
CHANGE = {"pointer": "/model_type", "before": EXAMPLE_AGENT["model_type"], "after": NOTE["model_type"]}
CONTENT = {**STORED, **STATE, "model_type": NOTE["model_type"], "connection_config": CONFIG}
RUNTIME = {"id": EXAMPLE_IDS[0], "version": 1, "etag": '"1-0c17a927c57f"'}
CAUSE = {
    "code": "host_not_found",
    "what": "There is no host warehouse.example.org.",
    "next_step": "Check the name of the host.",
    "responsible": "editor",
    "responsible_label": "You",
}
STEP = {"name": "resolve", "label": "Find the host", "outcome": "failed", "milliseconds": 12}
PART = {
    "part": "connection",
    "label": "Connection",
    "outcome": "failed",
    "steps": [STEP],
    "cause": CAUSE,
    "warnings": [],
    "facts": {},
    "statements": [],
}
TESTED = {
    "outcome": "failed",
    "cause": CAUSE["code"],
    "version": 1,
    "tested_at": CHANGED,
    "tested_by": "token ci",
    "is_out_of_date": False,
    "is_sample": False,
    "parts": [PART],
    "is_saved": True,
}
IN_FILE = {**STORED, "connection_config": {k: v for k, v in DATABASE.example.items() if k in CONFIG}}
PLANNED: Example = {
    "kind": "changed",
    "name": STORED["name"],
    "external_id": STORED["external_id"],
    "place": "/agents/0",
    "agent_id": EXAMPLE_IDS[0],
    "connection_type": "DB",
    "connection": SHOWN,
    "differences": [{"pointer": "/owner", "before": STORED["owner"], "after": "Sales"}],
    "secrets": {},
    "sources": {},
    "destinations": {},
    "secrets_to_set": [],
    "is_incomplete": False,
}
ANSWER_EXAMPLES: dict[str, Example] = {
    "Agent": AGENT,
    "SavedAgent": {**AGENT, "warnings": []},
    "AgentPage": {"items": [{**SUMMARY, "connection": SHOWN, "last_fetched_at": CHANGED}], "next_cursor": None},
    "RuntimeAgent": {
        **STORED,
        "id": EXAMPLE_IDS[0],
        "version": 1,
        "api_key": None,
        "updated_at": MADE,
        "connection_config": WHOLE,
    },
    "RuntimeAgentPage": {
        "items": [{**RUNTIME, "external_id": STORED["external_id"], "name": STORED["name"]}],
        "next_cursor": None,
    },
    "CheckedAgents": {
        "agents": {STORED["external_id"]: {**RUNTIME, "reason": None, "state": "changed"}},
        "check_again_after_s": 60,
    },
    "Readers": {
        "items": [
            {
                "token_id": TOKEN["id"],
                "token_name": TOKEN["name"],
                "token_state": "active",
                "version": 1,
                "versions_behind": 0,
                "fetches_at_least": 1,
                "first_fetched_at": MADE,
                "last_fetched_at": CHANGED,
                "last_seen_at": CHANGED,
            }
        ]
    },
    "Attention": {"reasons": [{"code": "incomplete", "detail": "Enter the password."}]},
    "TestResult": TESTED,
    "VersionPage": {"items": [VERSION], "next_cursor": "WyItdmVyc2lvbiIsIDJd"},
    "VersionDetails": {
        **VERSION,
        "content": CONTENT,
        "secrets_set": ["/connection_config/password"],
        "problem": None,
        "compared_with": 1,
        "changes": [CHANGE],
        "secret_changes": {},
    },
    "DeletedAgentPage": {
        "items": [
            {
                "id": EXAMPLE_IDS[0],
                "name": STORED["name"],
                "deleted_at": CHANGED,
                "deleted_by": "token ci",
                "has_secrets": True,
                "secrets_kept_until": "2026-12-28T10:00:00.654321Z",
            }
        ],
        "next_cursor": None,
    },
    "BulkResult": {
        "id": "9e3d4d77-5ac6-46d8-9149-66e4d57f60f5",
        "act": "disable",
        "is_repeated": False,
        "summary": "1 agent was disabled.",
        "counts": {"changed": 1, "unchanged": 0, "failed": 0},
        "changed": [{"id": EXAMPLE_IDS[0], "name": STORED["name"], "version": 3, "reason_replaced": False}],
        "unchanged": [],
        "failed": [],
        "warnings": [],
    },
    "ExportedAgentFile": {
        "format": "agent-console-agents/1",
        "agents": [{**IN_FILE, "secrets": {"password": "stored"}}],
    },
    "AppliedPlan": {
        "is_applied": False,
        "digest": "d5b72766859796343de0082612ec77eee51d8b40adb8b81f119b7d8003115a58",
        "changes_something": True,
        "prune": False,
        "agents": [PLANNED],
        "warnings": [],
        "counts": {"new": 0, "same": 0, "changed": 1, "missing": 0},
    },
    "Me": {
        "token": TOKEN,
        "account": {"id": "f4a01074-e530-4566-87bd-2370a4875b06", "name": "Acme"},
        "scopes": ["read", "write"],
        "role": "editor",
        "all_agents": True,
        "agent_ids": [],
    },
    "ConnectionTypes": {
        "items": [
            {
                "connection_type": "DB",
                "label": DATABASE.label,
                "summary": DATABASE.summary,
                "secrets": DATABASE.secret_names(),
                "destination": DATABASE.destination_names(),
                "schema": {"type": "object", "properties": {"host": {"type": "string", "maxLength": 253}}},
            }
        ]
    },
}
