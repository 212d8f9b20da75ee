"""The steps of all probes, and how pages and the terminal call them."""

LABELS = {
    "resolve": "Find the address of the server",
    "connect": "Connect to the server",
    "tls": "Encrypt the connection (TLS)",
    "sign_in": "Sign in",
    "database": "Open the database",
    "read_only": "Check that the user can only read",
    "tables": "Check the allowed schemas and tables",
    "token": "Get a token",
    "workspace": "Read the workspace",
    "dataset": "Read the dataset",
    "query": "Run a query",
    "models": "Read the list of models",
    "model": "Find the model",
}
"""The label of each step, by its name."""
