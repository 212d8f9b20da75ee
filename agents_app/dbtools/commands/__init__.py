"""The commands of `flask db`."""
