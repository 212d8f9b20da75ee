"""Saves the rows that a migration drops to a file, and restores them."""
