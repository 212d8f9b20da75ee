"""Keeps which steps were applied when and by whom, and the checksums of their files, in tables of the database."""
