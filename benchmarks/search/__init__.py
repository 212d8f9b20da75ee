"""What a search costs on PostgreSQL and SQLite, with the index for words and without it."""
