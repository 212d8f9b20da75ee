"""The probe of MySQL and MariaDB."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from agents_app.probes.mysql.errors import driver_errors, failure, is_refusal
from agents_app.probes.mysql.grants import Right, UnknownGrant, read_rights, read_roles
from agents_app.probes.mysql.greeting import read_greeting
from agents_app.probes.mysql.rights import (
    PUBLIC,
    READING,
    VIEWS_NOT_EXAMINED,
    VIEWS_OF_OTHERS,
    Needs,
    changeable_by_everyone,
    findings,
    is_readable,
    is_writable,
    statements,
    statements_to_enter,
)
from agents_app.probes.network.addresses import AddressRules
from agents_app.probes.network.databases import DatabaseServer
from agents_app.probes.quoting import quote_mysql
from agents_app.probes.recorder import ProbeFailed, Recorder
from agents_app.probes.table_names import shorten, split_tables

if TYPE_CHECKING:
    from pymysql.connections import Connection

DEFAULT_PORT = 3306
# Shorter than the wait for an answer, so that the server itself ends a slow statement and says so.
STATEMENT_S = 3
COUNT_MAX = 10**9


def run(values: Mapping[str, Any], rules: AddressRules, recorder: Recorder) -> None:
    """Test a connection, and find out what its user may do."""
    server = DatabaseServer.of(values, DEFAULT_PORT)
    facts = server.facts
    addresses = server.resolve(rules, recorder)
    with ExitStack() as opened:
        with recorder.step("connect"):
            client = opened.enter_context(server.connect(addresses))
            greeting = read_greeting(client, facts)
            recorder.know(server=f"{greeting.product} {greeting.version}".strip())
        if not values.get("password"):
            with recorder.step("sign_in"):
                raise ProbeFailed("password_missing", **facts)
        from agents_app.probes.mysql.sign_in import sign_in

        connection = opened.enter_context(closing(sign_in(client, values, recorder, facts)))
        _Session(connection, greeting.is_mariadb, values, recorder, facts).check()


class _Session:
    """The steps after the sign-in."""

    def __init__(
        self,
        connection: "Connection[Any]",
        is_mariadb: bool,
        values: Mapping[str, Any],
        recorder: Recorder,
        facts: Mapping[str, Any],
    ) -> None:
        self._connection, self._is_mariadb = connection, is_mariadb
        self._values, self._recorder, self._facts = values, recorder, facts
        self._user = values["username"]

    def check(self) -> None:
        """Open the database, and check the rights and the allow lists."""
        with self._step("database"):
            self._open_database()
        with self._step("read_only"):
            account = self._account()
            rights = self._check_rights()
        with self._step("tables"):
            # With wrong allow lists, statements could take away what the user needs.
            if self._check_names(rights) and rights is not None:
                texts = statements(rights, Needs.of(self._values), *account, is_mariadb=self._is_mariadb)
                self._recorder.suggest(*texts)

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        with self._recorder.step(name), driver_errors(self._facts):
            yield

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(query, values or None)
            return list(cursor.fetchall())

    def _number(self, query: str, *values: Any) -> int:
        """The number that a query answers. Another server can send any text in its place, such as 1e999999999."""
        ((number,),) = self._rows(query, *values)
        if type(number) is not int or not 0 <= number <= COUNT_MAX:
            raise ProbeFailed("mysql_protocol")
        return number

    def _open_database(self) -> None:
        from pymysql.err import MySQLError

        self._limit_statements()
        try:
            self._connection.select_db(self._values["database"])
        except MySQLError as error:
            if failure(error, self._facts).code == "mysql_database_denied":
                self._recorder.suggest(*statements_to_enter(Needs.of(self._values), *self._account()))
            raise

    def _limit_statements(self) -> None:
        from pymysql.err import MySQLError

        name, value = (
            ("max_statement_time", STATEMENT_S) if self._is_mariadb else ("max_execution_time", STATEMENT_S * 1000)
        )
        try:
            self._rows(f"SET SESSION {name} = {value}")
        except MySQLError as error:
            # Servers before MySQL 5.7 and MariaDB 10.1 do not have it.
            if not is_refusal(error):
                raise

    def _check_rights(self) -> list[Right] | None:
        try:
            rights = self._read_rights()
        except UnknownGrant:
            self._recorder.warn("mysql_rights_unreadable", **self._facts)
            return None
        needs = Needs.of(self._values)
        found = dict(findings(rights, needs))
        if not needs.may_write and self._can_write_as_everyone(rights):
            found["mysql_rights_of_everyone"] = [quote_mysql(self._values["database"])]
        for code, objects in found.items():
            self._recorder.warn(code, role=self._user, objects=shorten(objects))
        if not needs.may_write:
            self._recorder.know(read_only=found.keys() <= READING)
            if self._rows(VIEWS_OF_OTHERS):
                self._recorder.know(not_examined=VIEWS_NOT_EXAMINED)
        if others := changeable_by_everyone(rights, needs):
            self._recorder.know(open_databases=shorten(others))
        return rights

    def _can_write_as_everyone(self, rights: list[Right]) -> bool:
        """Whether the database has a right to write that SHOW GRANTS does not list.

        Rows of mysql.db without a user hold for every user. Such rights are on all tables of a schema, so one is read.
        """
        schema = self._values["database"]
        tables = self._rows("SELECT table_name FROM information_schema.tables WHERE table_schema = %s LIMIT 1", schema)
        query = "SELECT privileges FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"
        found = {
            name for (table,) in tables for (names,) in self._rows(query, schema, table) for name in names.split(",")
        }
        return bool(tables) and bool(found & {"insert", "update"}) and not is_writable(schema, tables[0][0], rights)

    def _account(self) -> tuple[str, str]:
        """The user and the host of the account. The host may be a pattern, and is not that of this connection."""
        user, _, host = str(self._rows("SELECT CURRENT_USER()")[0][0]).rpartition("@")
        return user, host

    def _read_rights(self) -> list[Right]:
        lines = self._grants("CURRENT_USER()")
        rights = list(read_rights(lines))
        # MySQL shows the rights of a role only together with those of the user.
        own = set() if self._is_mariadb else {right.without_role for right in rights}
        for role in read_roles(lines):
            found = read_rights(self._grants_of_role(role), role)
            rights += [right for right in found if right.without_role not in own]
        return [*rights, *read_rights(self._grants_of_everyone(), PUBLIC)]

    def _grants_of_role(self, quoted_role: str) -> list[str]:
        """The grants of a role that the user has, also of one that is not active after the sign-in."""
        if not self._is_mariadb:
            return self._grants(f"CURRENT_USER() USING {quoted_role}")
        # MariaDB shows them only while the role is active.
        active = self._rows("SELECT CURRENT_ROLE()")[0][0]
        quoted_active = quote_mysql(active) if active else "NONE"
        with self._refusals():
            self._rows(f"SET ROLE {quoted_role}")
        try:
            return self._grants(quoted_role)
        finally:
            self._rows(f"SET ROLE {quoted_active}")

    def _grants_of_everyone(self) -> list[str]:
        if not self._is_mariadb:
            return []
        # MariaDB has them from 10.11 on. It refuses also if there are none.
        with suppress(UnknownGrant):
            return self._grants(PUBLIC)
        return []

    def _grants(self, account: str) -> list[str]:
        with self._refusals():
            return [str(row[0]) for row in self._rows(f"SHOW GRANTS FOR {account}")]

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        from pymysql.err import MySQLError

        try:
            yield
        except MySQLError as error:
            raise (UnknownGrant() if is_refusal(error) else error) from None

    def _check_names(self, rights: list[Right] | None) -> bool:
        """Check the allow lists, and say whether everything in them exists."""
        schemas, tables = self._values["schema_allow_list"], self._values["table_allow_list"]
        fold = str.casefold if self._number("SELECT @@lower_case_table_names") else str
        missing = []
        if schemas:
            seen = {fold(row[0]) for row in self._rows("SELECT schema_name FROM information_schema.schemata")}
            missing = [name for name in schemas if fold(name) not in seen]
            self._warn("schemas_missing", missing)
        if tables:
            missing += self._check_tables(rights, fold)
        else:
            self._count_tables(has_missing=bool(missing))
        return not missing

    def _check_tables(self, rights: list[Right] | None, fold: Any) -> list[str]:
        pairs = split_tables(self._values["table_allow_list"], self._values["database"])
        query = "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema IN %s"
        seen = {(fold(row[0]), fold(row[1])) for row in self._rows(query, [schema for schema, _ in pairs])}
        found = [pair for pair in pairs if (fold(pair[0]), fold(pair[1])) in seen]
        missing = [".".join(pair) for pair in pairs if pair not in found]
        self._warn("tables_missing", missing)
        if rights is not None:
            unreadable = [pair for pair in found if not is_readable(*pair, rights)]
            self._warn("tables_unreadable", [".".join(pair) for pair in unreadable])
            self._recorder.know(readable_tables=len(found) - len(unreadable))
        return missing

    def _count_tables(self, *, has_missing: bool) -> None:
        query = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema IN %s"
        count = self._number(query, self._values["schema_allow_list"] or [self._values["database"]])
        self._recorder.know(readable_tables=count)
        if not count and not has_missing:
            self._recorder.warn("nothing_readable", role=self._user, database=self._values["database"])

    def _warn(self, code: str, names: list[str]) -> None:
        if names:
            self._recorder.warn(code, role=self._user, names=shorten(names))
