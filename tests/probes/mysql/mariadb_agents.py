"""Databases, users and agents on the MariaDB server of the tests."""

from typing import Any

from tests.mariadb import MariaDb

PASSWORD = "correct horse battery"
SET_UP = [
    "CREATE DATABASE sales",
    "CREATE DATABASE my_stock",
    "CREATE DATABASE empty",
    "CREATE TABLE sales.orders (id INT, note TEXT)",
    "CREATE TABLE sales.items (id INT)",
    "CREATE VIEW sales.report AS SELECT id FROM sales.orders",
    "CREATE TABLE my_stock.parts (id INT)",
    "CREATE PROCEDURE sales.pay() INSERT INTO sales.orders VALUES (1, 'paid')",
]

ROLES_AND_USERS = [
    *[f"CREATE USER {user} IDENTIFIED BY '{PASSWORD}'" for user in ("reader", "other", "secure_reader", "locked")],
    "GRANT SELECT, SHOW VIEW ON sales.* TO reader",
    "GRANT SELECT ON sales.* TO secure_reader REQUIRE SSL",
    "ALTER USER locked ACCOUNT LOCK",
    "CREATE ROLE writers",
    "GRANT SELECT, DELETE ON sales.* TO writers",
    "CREATE ROLE outer_role",
    "GRANT writers TO outer_role",
]
# The account of the fixture `new_user`, whose name must be quoted everywhere.
NEW_USER, ACCOUNT = "odd`user", "`odd``user`"


def agent(mariadb: MariaDb, **values: Any) -> dict[str, Any]:
    """An agent for the user `reader`, in the TLS mode verify-full."""
    login = {"host": "localhost", "port": mariadb.port, "database": "sales"}
    login |= {"username": "reader", "password": PASSWORD, "sslmode": "verify-full"}
    limits: dict[str, Any] = {"read_only": True, "schema_allow_list": [], "table_allow_list": []}
    return login | limits | {"ssl_root_cert": mariadb.authority.certificate} | values
