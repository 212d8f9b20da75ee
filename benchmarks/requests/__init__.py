"""Measures what requests cost: this console, a plain Flask program and a bare one, on the same rows in the same run."""
