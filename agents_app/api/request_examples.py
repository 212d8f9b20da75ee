"""Examples of request bodies in the OpenAPI document, by the name of the schema or of the operation."""

from typing import Any

from agents_app.connections import TYPES
from agents_app.schemas.agent_files import FORMAT

EXAMPLE_AGENT: dict[str, Any] = {
    "name": "Sales figures",
    "description": "Answers questions about orders and revenue.",
    "external_id": "crm-reports-17",
    "owner": "Finance analytics",
    "environment": "production",
    "labels": {"team": "finance", "region": "emea"},
    "model_provider": "azure_openai",
    "model_type": "gpt-5-mini",
    "model_base_url": "https://contoso.openai.azure.example.org",
    "api_key_expires_at": "2027-06-30",
    "system_instructions": "Answer in one paragraph and name the tables you used.",
}
EXAMPLE_IDS = ["7d3e6f80-4a0c-4d5e-9f3a-2b1c0d9e8f70", "0f8b7c6d-5e4f-4a3b-8c2d-1e0f9a8b7c6d"]
EXAMPLE_FILE: dict[str, Any] = {
    "format": FORMAT,
    "agents": [
        {
            "name": "Sales figures",
            "external_id": "crm-reports-17",
            "connection_type": "DB",
            "connection_config": {
                "dialect": "postgresql",
                "host": "warehouse.example.org",
                "database": "sales",
                "username": "agent_reader",
            },
            "secrets": {"password": "stored"},
        }
    ],
}
EXAMPLES: dict[str, dict[str, Any]] = {
    "AgentCreate": {
        kind.value: {
            **EXAMPLE_AGENT,
            "external_id": f"{EXAMPLE_AGENT['external_id']}-{kind.value.lower()}",
            "connection_type": kind.value,
            "connection_config": declaration.example,
        }
        for kind, declaration in TYPES.items()
    },
    "AgentUpdate": {
        "new description": {"description": "Answers questions about orders, revenue and returns."},
        "with a note": {"model_type": "gpt-5-nano", "note": "Answers as well and costs less."},
    },
    # The path has the external id.
    "putAgentByExternalId": {
        kind.value: {
            "name": EXAMPLE_AGENT["name"],
            "labels": EXAMPLE_AGENT["labels"],
            "connection_type": kind.value,
            "connection_config": declaration.example,
        }
        for kind, declaration in TYPES.items()
    },
    # Changes that a test uses.
    "testAgent": {"model": {"model_type": "gpt-5-nano"}, "API key": {"api_key": "the-new-api-key"}},
    "UnsavedAgent": {
        kind.value: {"connection_type": kind.value, "connection_config": declaration.example}
        for kind, declaration in TYPES.items()
    },
    "BulkAct": {
        "disable": {"act": "disable", "ids": EXAMPLE_IDS, "reason": "The warehouse moves this weekend."},
        "labels": {"act": "set_labels", "ids": EXAMPLE_IDS, "labels": {"team": "finance", "region": None}},
        "owner": {
            "act": "set_owner",
            "ids": EXAMPLE_IDS,
            "owner": "Finance analytics",
            "note": "The team was renamed.",
        },
    },
    "RuntimeCheck": {
        "two agents": {"agents": {EXAMPLE_AGENT["external_id"]: '"12-0f3a9c41d27e"', "crm-reports-18": None}}
    },
    "AgentFile": {"file": EXAMPLE_FILE},
    "AgentDisable": {"reason": {"reason": "The warehouse moves this weekend."}},
    "ChangeNote": {"note": {"note": "The warehouse has moved."}},
    "VersionRestore": {
        "note": {"note": "The new model was too slow."},
        "API key": {"note": "Back to the former provider.", "api_key": "the-api-key-of-that-provider"},
    },
}
