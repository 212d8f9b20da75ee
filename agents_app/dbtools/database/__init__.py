"""Connections, locks and inspection of a database for migration commands."""
