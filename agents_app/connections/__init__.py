"""The connection types. CONTRIBUTING.md describes how to add one."""

from agents_app.connections.base import Connection
from agents_app.connections.database import DatabaseConnection
from agents_app.connections.power_bi import PowerBiConnection
from agents_app.values.choices import ConnectionType

TYPES: dict[ConnectionType, type[Connection]] = {
    ConnectionType.DB: DatabaseConnection,
    ConnectionType.POWERBI: PowerBiConnection,
}

__all__ = ["TYPES", "Connection"]
