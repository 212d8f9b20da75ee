"""Database URLs, sessions, time limits, connection poolers and driver errors. Tables and transactions: see `db.py`."""
