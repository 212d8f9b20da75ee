"""A database URL means the same as in libpq and SQLAlchemy, or is refused in one sentence without secrets."""

import re
from typing import Any

import pytest
from psycopg2.extensions import parse_dsn

from agents_app.config import load
from agents_app.database.url import parse_url, printable_url
from agents_app.errors import ConfigurationError
from agents_app.paths import ROOT

CANARY = "canary5Xy8Qm1TtLw6"
# The parameters that psycopg2 gets, by address.
POSTGRESQL_URLS: dict[str, dict[str, Any]] = {
    "postgresql://u:p@h:5433/d": {"user": "u", "password": "p", "host": "h", "port": 5433, "dbname": "d"},
    "POSTGRES://u@h/d": {"user": "u", "host": "h", "dbname": "d"},
    "postgresql:///d": {"dbname": "d"},
    "postgresql://u@/d": {"user": "u", "dbname": "d"},
    "postgresql://:5433/d": {"port": 5433, "dbname": "d"},
    "postgresql://h1:5432,h2:5433/d": {"host": "h1,h2", "port": "5432,5433", "dbname": "d"},
    "postgresql://u:p@h1,h2:5433/d": {"user": "u", "password": "p", "host": "h1,h2", "port": ",5433", "dbname": "d"},
    "postgresql:///d?host=h1,h2&port=5433": {"host": "h1,h2", "port": "5433,5433", "dbname": "d"},
    "postgresql:///d?host=h1:5432&host=h2:5433": {"host": "h1,h2", "port": "5432,5433", "dbname": "d"},
    "postgresql:///d?host=h:5433": {"host": "h", "port": 5433, "dbname": "d"},
    "postgresql://h/d?target_session_attrs=primary": {"host": "h", "dbname": "d", "target_session_attrs": "primary"},
    "postgresql://u@%2Fvar%2Frun%2Fpostgresql:5433/d": {
        "user": "u",
        "host": "/var/run/postgresql",
        "port": "5433",
        "dbname": "d",
    },
    "postgresql:///d?host=/var/run/postgresql": {"host": "/var/run/postgresql", "dbname": "d"},
    "postgresql:///d?host=@/run/postgresql": {"host": "@/run/postgresql", "dbname": "d"},
    "postgresql://[::1]:5433/d": {"host": "::1", "port": 5433, "dbname": "d"},
    "postgresql://[fe80::1%25eth0]/d": {"host": "fe80::1%eth0", "dbname": "d"},
    "postgresql://[::1]:1,[::2]:2/d": {"host": "::1,::2", "port": "1,2", "dbname": "d"},
    "postgresql://u%40corp:p%2Fa%3A%40@h/my%20d": {
        "user": "u@corp",
        "password": "p/a:@",
        "host": "h",
        "dbname": "my d",
    },
    "postgresql://u:100%sure@h/d": {"user": "u", "password": "100%sure", "host": "h", "dbname": "d"},
    "postgresql://u:a/b?c#d:e@h/d": {"user": "u", "password": "a/b?c#d:e", "host": "h", "dbname": "d"},
    "postgresql://u@server:p@h:5433/d": {"user": "u@server", "password": "p", "host": "h", "port": 5433, "dbname": "d"},
    "postgresql://u@h:5433/d?application_name=a@b": {
        "user": "u",
        "host": "h",
        "port": 5433,
        "dbname": "d",
        "application_name": "a@b",
    },
    "postgresql://h/d?user=u@x&password=p@y": {"user": "u@x", "password": "p@y", "host": "h", "dbname": "d"},
    "postgresql://h/d?ssl=true": {"host": "h", "dbname": "d", "sslmode": "require"},
    "postgresql://h/d?sslrootcert=certs/ca.pem": {"host": "h", "dbname": "d", "sslrootcert": f"{ROOT}/certs/ca.pem"},
    "postgresql://h/d?sslrootcert=system": {"host": "h", "dbname": "d", "sslrootcert": "system"},
    "postgresql://h/d?options=-ca%3Db+-cc%3Dd": {"host": "h", "dbname": "d", "options": "-ca=b -cc=d"},
    "postgresql:///?service=console": {"service": "console"},
    "host=h dbname=d user=u password='a b'": {"user": "u", "password": "a b", "host": "h", "dbname": "d"},
}
# libpq parses these differently from SQLAlchemy; the console follows SQLAlchemy, as before.
PARSED_AS_BY_SQLALCHEMY = (
    "POSTGRES:",
    "postgresql:///d?host=h",
    "postgresql://u:100%",
    "postgresql://u:a/b",
    "postgresql://u@server:",
    "postgresql://h/d?sslrootcert=c",
    "postgresql://h/d?options",
)
SQLITE_URLS = {
    "sqlite:////srv/console.db": "/srv/console.db",
    "sqlite:///instance/x.db": f"{ROOT}/instance/x.db",
    "SQLite:///my%20data/x.db": f"{ROOT}/my data/x.db",
    "sqlite+pysqlite:////srv/x.db": "/srv/x.db",
}
INVALID_URLS = {
    "sqlite://x.db": "must have three slashes",
    f"sqlite://{CANARY}/x.db": "must have three slashes",
    "sqlite:x.db": "must have three slashes",
    "sqlite:/srv/x.db": "must have three slashes",
    "sqlite:///": "must name a file",
    "sqlite:///instance/": "must name a file",
    "sqlite:///x.db?mode=ro": "must name a file",
    "sqlite:///file:x.db": "must contain a plain path, without file: or a drive letter",
    r"sqlite:///C:\data\x.db": "must contain a plain path, without file: or a drive letter",
    "sqlite:///C:/data/x.db": "must contain a plain path, without file: or a drive letter",
    "sqlite:///x%00.db": "must contain a plain path, without file: or a drive letter",
    "sqlite:///~nobody-of-that-name/x.db": "begins with ~ and a user name that does not exist.",
    "sqlite+aiosqlite:///x.db": "names a driver that the console does not use",
    f"postgresql+asyncpg://u:{CANARY}@h/d": "names a driver that the console does not use",
    f"postgresql+psycopg://u:{CANARY}@h/d": "names a driver that the console does not use",
    f"jdbc:postgresql://h/d?user=u&password={CANARY}": "begins with jdbc:",
    f"Server=h;Database=d;User Id=u;Password={CANARY}": "has the .NET format",
    f"Host=h;Username=u;Password={CANARY}": "has the .NET format",
    f"psql postgresql://u:{CANARY}@h/d": "begins with psql",
    f"psql 'postgresql://u:{CANARY}@h/d'": "begins with psql",
    f"mysql://u:{CANARY}@h/d": "must begin with postgresql:// or sqlite:///.",
    f"https://h/{CANARY}": "must begin with postgresql:// or sqlite:///.",
    f"postgresql:u:{CANARY}@h/d": "is not a database URL",
    "file:x.db": "is not a database URL",
    f"host=h dbnam={CANARY}": "is not a database URL",
    f"host=h password='{CANARY}": "is not a database URL",
    f"postgresql://u:{CANARY}@h": "must name the database",
    f"postgresql://u:{CANARY}@/?host=/run": "must name the database",
    f"host=h user=u password={CANARY}": "must name the database",
    f"postgresql://postgres:7/{CANARY}@127.0.0.1:5931/d": "has a database name that contains a part of another address",
    f"postgresql://postgres:/{CANARY}@h/d": "has a database name that",
    f"postgresql://postgres/{CANARY}@h/d": "has a database name that",
    f"postgresql:////u:{CANARY}@h/d": "has a database name that",
    f"postgresql://postgresql://u:{CANARY}@h/d": "has a database name that",
    f"postgresql://postgres@postgresql://u:{CANARY}@h/d": "has a database name that",
    f"postgresql://h/d?dbname=postgresql://a:{CANARY}@h/d": "has a database name that",
    f"host=h dbname='postgresql://a:{CANARY}@h/d'": "has a database name that",
    f"host=h dbname='host=h password={CANARY}'": "has a database name that",
    f"host=h dbname=d user=u:{CANARY}@h": "has a user name that",
    f"postgresql://h/d?user=postgresql://a:{CANARY}@h/d": "has a user name that",
    f"host=u:{CANARY}@h dbname=d": "has a host that",
    f"postgresql:///d?host=h1,u:{CANARY}@h2": "has a host that",
    f"postgresql://u:half@{CANARY}@h/d": "has more than one @",
    f"postgresql://u:{CANARY}@h:port/d": "must have host:5432/dbname after the @",
    f"postgresql://u:{CANARY}@fe80::1/d": "must have host:5432/dbname after the @",
    f"postgresql://u:{CANARY}@[::1/d": "must have host:5432/dbname after the @",
    f"postgresql://u:{CANARY}@h:65536/d": "has a port that is not a number from 1 to 65,535",
    f"postgresql://u:{CANARY}@h/d?port=x": "has a port that is not a number from 1 to 65,535",
    f"postgresql://u:{CANARY}@h1,h2,h3/d?port=1,2": "has a different number of ports than hosts",
    f"postgresql://u:{CANARY}@h/d?sslmode=requird": "has an invalid sslmode; it must be one of disable,",
    f"postgresql://u:{CANARY}@h1,h2/d?target_session_attrs=rw": "has an invalid target_session_attrs",
    f"postgresql://u:{CANARY}@h/d?connect_timeout=soon": "has a connect_timeout that is not a whole number",
    f"postgresql://u:{CANARY}@h/d?schema=public": "has a parameter that PostgreSQL does not know: schema. Remove it.",
    f"postgresql://h/d?pass-{CANARY}": "has a parameter that PostgreSQL does not know. Remove it.",
    f"postgresql://u:{CANARY}@h/d?options=-ca&options=-cb": "has the parameter options twice",
    f"postgresql://u:{CANARY}%00@h/d": "contains a zero byte",
    f"postgresql://u:{CANARY}%ff@h/d": "has a % code that is not UTF-8",
    f"postgresql://u:{CANARY}@h/d?sslkey=~nobody-of-that-name/key": "has a path that begins with ~ and a user",
}


def connect_parameters(text: str) -> dict[str, Any]:
    url = parse_url(text)
    return url.get_dialect()().create_connect_args(url)[1]


@pytest.mark.parametrize(("text", "sentence"), INVALID_URLS.items(), ids=INVALID_URLS)
@pytest.mark.parametrize("name", ["DATABASE_URL", "MIGRATION_DATABASE_URL"])
def test_an_invalid_address_is_refused_with_its_cause_and_remove_secrets(name: str, text: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        load({name: text}, None)

    assert error.value.detail.startswith(f"{name} {sentence}")
    assert "\n" not in error.value.detail
    assert CANARY not in error.value.detail


@pytest.mark.parametrize("text", POSTGRESQL_URLS)
def test_a_postgresql_address_means_the_same_as_in_libpq(text: str) -> None:
    expected = POSTGRESQL_URLS[text]

    assert connect_parameters(text) == expected
    if not text.startswith(PARSED_AS_BY_SQLALCHEMY):
        # A single port applies to every host.
        parsed = parse_dsn(text) | ({"port": "5433,5433"} if text.endswith("port=5433") else {})
        assert {name: str(value) for name, value in expected.items()} == parsed


@pytest.mark.parametrize("text", POSTGRESQL_URLS)
def test_an_address_that_is_rendered_and_parsed_again_is_the_same(text: str) -> None:
    url = parse_url(text)

    assert parse_url(url.render_as_string(hide_password=False)) == url


@pytest.mark.parametrize(("text", "path"), SQLITE_URLS.items(), ids=SQLITE_URLS)
def test_an_sqlite_path_does_not_depend_on_the_working_directory(text: str, path: str) -> None:
    assert parse_url(text).database == path


def test_a_tilde_means_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/console")

    assert parse_url("sqlite:///~/console.db").database == "/home/console/console.db"
    assert connect_parameters("postgresql://h/d?passfile=~/pass")["passfile"] == "/home/console/pass"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"postgresql://u:{CANARY}@h1:1,h2:2/d", "postgresql://u:***@/d?host=h1,h2&port=1,2"),
        (f"postgresql://%2Frun/d?user=u&password={CANARY}", "postgresql://u:***@/d?host=/run"),
        (f"postgresql://h/d?sslpassword={CANARY}", "postgresql://h/d?sslpassword=***"),
        (f"host=h dbname=d user=u password={CANARY}", "postgresql://u:***@h/d"),
        ("sqlite:////srv/my data/${HOME}.db", "sqlite:////srv/my data/${HOME}.db"),
    ],
)
def test_an_address_is_printed_as_it_can_be_typed_but_without_its_password(text: str, shown: str) -> None:
    assert printable_url(parse_url(text)) == shown


def test_every_address_in_the_documentation_can_be_parsed() -> None:
    texts = [(ROOT / name).read_text() for name in ("README.md", ".env.example", "docs/deployment.md")]
    found = re.findall(r"(?:postgresql|sqlite)://[^\s`]*\w", "\n".join(texts))

    assert len(found) >= 8
    assert {parse_url(text).get_backend_name() for text in found} == {"postgresql", "sqlite"}


def test_migration_database_url_must_name_a_database_of_the_same_type() -> None:
    with pytest.raises(ConfigurationError, match=r"^MIGRATION_DATABASE_URL must be another URL of the same database"):
        load({"MIGRATION_DATABASE_URL": "postgresql://h/d"}, None)
