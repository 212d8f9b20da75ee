"""Rows of several tables are inserted in one statement only where this stores what SQLAlchemy would store."""

import pytest
import sqlalchemy as sa

from agents_app.database import inserts
from agents_app.database.url import parse_url

TABLES = sa.MetaData()
FIRST = sa.Table("first", TABLES, sa.Column("id", sa.Integer), sa.Column("tier", sa.Text, default="free"))
OTHERS = [sa.Table(name, TABLES, sa.Column("id", sa.Integer)) for name in ("second", "third")]


@pytest.mark.parametrize(("row", "tier"), [({"id": 1}, "free"), ({"id": 1, "tier": "gold"}, "gold")])
def test_a_column_that_a_row_leaves_out_gets_the_default_of_its_model(
    row: dict[str, object], tier: str, schema_url: str
) -> None:
    with sa.create_engine(parse_url(schema_url)).begin() as connection:
        TABLES.create_all(connection)

        # SQLAlchemy compiles the statement once, and uses it again.
        for _ in range(2):
            inserts.insert(connection, {FIRST: [row], **{table: [{"id": 2}] for table in OTHERS}})

        assert connection.execute(sa.select(FIRST)).all() == [(1, tier)] * 2
        assert [connection.execute(sa.select(table)).all() for table in OTHERS] == [[(2,)] * 2] * 2
