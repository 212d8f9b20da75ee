"""Copies of a whole database: backup, restore, and the rehearsal on a copy."""
