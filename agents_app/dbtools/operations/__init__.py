"""The operations of `op` that Alembic does not have, or that behave differently in this project."""
