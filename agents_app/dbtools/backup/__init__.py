"""Backup and restore, and the scratch database of a rehearsal."""
