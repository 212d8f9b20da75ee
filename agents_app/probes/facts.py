"""The facts that probes report, and how pages and the terminal call them."""

LABELS = {
    "server": "Server",
    "read_only": "The user can only read",
    "tables": "Tables that the user can read",
    "readable_tables": "Tables that the user can read",
    "workspace_name": "Workspace",
    "dataset_name": "Dataset",
    "row_level_security": "Row-level security",
}
"""The label of each fact that is shown, by its name."""

NOT_SHOWN = {"workspace_id", "dataset_id"}
"""Facts that say which id a name belongs to. The configuration shows the ids."""
