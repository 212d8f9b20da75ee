"""Backup, restore, and rehearsal of steps on a copy of the database."""
