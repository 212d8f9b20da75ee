"""`make bench-migrations`: the migrations on a table with a million rows, while releases serve a mixed load."""
