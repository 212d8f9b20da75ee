"""`make bench-growth`: what the lists, filters and reports cost as a database grows."""
