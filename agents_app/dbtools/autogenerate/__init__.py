"""How models and database are compared, and how the differences are written."""
