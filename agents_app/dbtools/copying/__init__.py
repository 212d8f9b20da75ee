"""Copies the console's rows into another database, of the same type or of the other one."""
