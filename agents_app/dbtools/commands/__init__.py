"""The commands that `flask db` has beside those of Flask-Migrate."""
