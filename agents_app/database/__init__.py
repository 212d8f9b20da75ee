"""How a database is addressed, reached and kept within its limits; tables and transactions live in `db.py`."""
