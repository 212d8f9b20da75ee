"""Runs the steps of a migration, and reports errors."""
