"""The rows that a step drops: saved to a file first, and restored from it."""
