"""The group `flask agents` with every command. These modules add their commands to it."""

from agents_app.cli import agent_files as agent_files
from agents_app.cli import agent_versions as agent_versions
from agents_app.cli import bulk_agents as bulk_agents
from agents_app.cli import connection_tests as connection_tests
from agents_app.cli import readers as readers
from agents_app.cli.agents import agents as agents
