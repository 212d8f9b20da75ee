"""Benchmarks of the console. Each is a package that runs as a module, and a target of the Makefile."""
