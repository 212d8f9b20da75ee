"""Agent Console: a self-hosted registry of data agents. The version, and nothing else."""

__version__ = "0.2.0.dev0"
