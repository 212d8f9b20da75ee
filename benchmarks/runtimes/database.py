"""What the load does to the database: connections, rows that are written, and WAL."""

from dataclasses import dataclass

from benchmarks.migrations.rows import execute

TABLES = ("runtime_reads", "api_tokens", "events", "agent_versions", "agents")
WRITES = f"""SELECT relname, n_tup_ins, n_tup_upd, n_tup_hot_upd, pg_total_relation_size(relid)
FROM pg_stat_user_tables WHERE relname IN {TABLES}"""
TOTALS = """SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn, xact_commit,
    (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid())
FROM pg_stat_database WHERE datname = current_database()"""


@dataclass(frozen=True)
class Written:
    """Numbers of the database since it was made, or of one load."""

    tables: dict[str, tuple[int, ...]]
    """By table: rows added, rows changed, those of them without a change of an index (HOT), bytes."""
    wal: int
    commits: int
    connections: int

    def since(self, before: "Written") -> "Written":
        """What has come since then. The connections are those of now."""
        tables = {
            name: tuple(now - then for now, then in zip(numbers, before.tables[name], strict=True))
            for name, numbers in self.tables.items()
        }
        return Written(tables, self.wal - before.wal, self.commits - before.commits, self.connections)


def written(url: str) -> Written:
    """What is written now."""
    tables = {str(row[0]): tuple(map(_whole, row[1:])) for row in execute(url, WRITES)}
    return Written(tables, *map(_whole, execute(url, TOTALS)[0]))


def _whole(value: object) -> int:
    return int(str(value))
