"""The page System: what it shows of the version, the schema and the settings, and what it never shows."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from flask import Flask, render_template

from agents_app import __version__, config, config_display, dbtools
from agents_app.app import create_app
from agents_app.config_display import SHOWN
from agents_app.database.url import parse_url
from agents_app.db import db
from agents_app.dbtools import Step
from agents_app.dbtools.backup.backups import create_backup
from agents_app.dbtools.review.plan import PlannedStep
from tests.conftest import OpenConsole
from tests.dbtools.tools import create_engine, pretend_position, revision_before, run_sql
from tests.make import KEYS, make_agent, make_user
from tests.web.conftest import PASSWORD, Browser, Page

SECRET = "canary7Qm2Xy8Tt"
# With every parameter that may hold a secret, or names a file.
POSTGRESQL = (
    f"postgresql://role:{SECRET}@db1:5432,db2:5433/console?sslmode=verify-full&sslpassword={SECRET}"
    + f"&passfile=/srv/{SECRET}&options=-capp.key={SECRET}&application_name={SECRET}&target_session_attrs=read-write"
)


@pytest.fixture
def app(schema_url: str, open_console: OpenConsole) -> Flask:
    """A console of this test's own, whose schema it may change."""
    return open_console(schema_url)


@pytest.fixture
def browser(app: Flask) -> Browser:
    """An admin's browser."""
    return signed_in(app)


def signed_in(app: Flask) -> Browser:
    """The browser of an admin of a new account."""
    browser = Browser(app)
    browser.send("/sign-in", email=make_user(app).email, password=PASSWORD)
    return browser


def rows(page: Page) -> dict[str, tuple[str, str]]:
    """The value and the source of each setting on the page."""
    cells = [
        [cell.text for cell in row.all() if cell.parent is row]
        for row in page.root.one("table", class_="settings").all("tr")
    ]
    return {name: (value, source) for name, value, source in cells[1:]}


def commands(page: Page) -> list[str]:
    """The commands that the page offers to copy."""
    offered = [button["data-copy"] for button in page.root.all("button", class_="needs-script") if button["data-copy"]]
    return [page.root.one(id=name).text for name in offered if page.root.one(id=name).tag == "code"]


def saving_config(url: str, folder: Path) -> Config:
    """The configuration of Alembic. Rows that a step drops are saved in `folder`."""
    found = dbtools.alembic_config(parse_url(url))
    found.attributes["backup_folder"] = folder
    return found


def test_the_old_address_leads_here(browser: Browser) -> None:
    answer = browser.client.get("/database")

    assert (answer.status_code, answer.headers["Location"]) == (301, "/system")


def test_a_schema_at_head_is_up_to_date(browser: Browser) -> None:
    page = browser.get("/system")

    assert "Up to date" in page.text
    assert "None. Every table is as expected." in page.text
    assert commands(page) == ["flask db status", "flask doctor", "flask db backup", "flask db deployments"]


def test_a_difference_is_named(app: Flask, browser: Browser) -> None:
    with app.app_context(), db.transaction() as session:
        session.execute(sa.text("ALTER TABLE agents ADD COLUMN nickname TEXT"))

    page = browser.get("/system")

    assert "agents.nickname" in page.root.one("ul", class_="drift").text
    assert "Up to date" not in page.text
    assert commands(page)[0] == "flask db check"


def test_pending_steps_are_shown_with_their_sql_and_the_commands_to_apply_them(
    schema_url: str, browser: Browser
) -> None:
    pretend_position(schema_url, revision_before("add_invitations"))

    page = browser.get("/system")

    assert re.search(r"\d+ steps are pending", page.text)
    assert commands(page)[:3] == ["flask db plan", "flask db backup", "flask db deploy"]
    assert any("CREATE TABLE" in script.text for script in page.root.all("pre"))
    assert "Not checked while steps are pending." in page.text


def test_steps_that_wait_are_shown_with_the_command_that_applies_them(app: Flask, schema_url: str) -> None:
    found = dbtools.read_overview(parse_url(schema_url))
    unmarked, marked = Step("1", "one"), Step("2", "two", after_release=True, after=("1",))
    later = Step("3", "three", after=("2",))
    pages = []
    for steps in ((unmarked, marked), (unmarked, marked, later)):
        position = dbtools.Position("1", steps)
        pending = tuple(PlannedStep(s.revision, s.name, "upgrade", (), (), "", s.after_release) for s in steps[1:])
        with app.test_request_context():
            overview = replace(found, position=position, pending=pending, drift=None)
            pages.append(" ".join(render_template("system/_schema.html", schema=overview, tones={}).split()))

    assert "Ready" in pages[0]
    assert "1 step waits" in pages[0]
    assert "A step follows one that waits" in pages[1]
    for page in pages:
        assert "It waits for <code>flask db deploy --finish</code>" in page
        assert ">flask db deploy --finish</code>" in page
        assert ">flask db deploy</code>" not in page


def test_a_pending_step_does_not_show_how_many_rows_all_accounts_have(
    app: Flask, schema_url: str, browser: Browser
) -> None:
    other = make_user(app)
    for _ in range(7):
        make_agent(app, other)
    pretend_position(schema_url, revision_before("add_invitations"))

    chips = [chip.text for chip in browser.get("/system").root.all("li", class_="fact-chip")]

    assert "agents" in chips
    assert not [chip for chip in chips if chip.removesuffix(" is new").strip("abcdefghijklmnopqrstuvwxyz_")]


def test_a_database_that_a_newer_release_migrated_is_ahead(app: Flask, browser: Browser) -> None:
    with app.app_context(), db.transaction() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = 'ffffffffffff'"))

    page = browser.get("/system")

    assert "Ahead of this release" in page.text
    assert "ffffffffffff" in page.text


def test_a_setting_is_shown_with_its_value_and_where_it_was_read(sqlite_schema_url: str, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(sqlite_schema_url)
    (tmp_path / ".env").write_text("TOKEN_DAYS=30\nSESSION_IDLE=60\n" + f"SECRET_KEY={KEYS['SECRET_KEY']}\n")
    (tmp_path / "above").write_text("EVENTS_DAYS=10\n")
    environment = {name: KEYS[name] for name in ("ENCRYPTION_KEYS", "TOKEN_PEPPERS")} | {
        "DATABASE_URL_FILE": str(tmp_path / "url"),
        "FLASK_ENV_FILE": str(tmp_path / "above"),
        "SESSION_IDLE": "45",
        "BACKUP_FOLDER": str(tmp_path / "backups"),
    }
    found = rows(signed_in(create_app(config.load(environment, tmp_path / ".env"))).get("/system"))

    assert list(found) == list(config.CHECKS)
    assert found["DATABASE_URL"] == (sqlite_schema_url, "DATABASE_URL_FILE (environment)")
    assert found["TOKEN_DAYS"] == ("30", ".env")
    assert found["EVENTS_DAYS"] == ("10", "file of FLASK_ENV_FILE")
    assert found["SESSION_IDLE"] == ("45", "environment")
    assert found["SECRET_KEY"] == ("set", ".env")
    assert found["PUBLIC_URL"] == ("not set", "default")
    assert found["BACKUP_FOLDER"] == (str(tmp_path / "backups"), "environment")
    assert found["API_DOCS_PUBLIC"] == ("true", "default")
    assert found["BIND"] == ("127.0.0.1:8000", "default")


@pytest.mark.parametrize("name", ["DATABASE_URL", "MIGRATION_DATABASE_URL"])
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app%3AS3CRET@127.0.0.1/con",
        "postgresql://app%3BS3CRET@127.0.0.1/con",
        "host=127.0.0.1 dbname=con user='app:S3CRET'",
        "postgresql://127.0.0.1/con?user=app:S3CRET",
        "postgresql://app@/con?host=h%20password%3DS3CRET",
        "postgresql://app@127.0.0.1/con#S3CRET",
    ],
)
def test_a_password_in_another_part_of_a_database_url_is_not_shown(name: str, url: str) -> None:
    loaded = config.load({**KEYS, "DATABASE_URL": POSTGRESQL, name: url}, None)
    values = {setting.name: setting.value for setting in config_display.shown_settings(loaded)}

    assert values[name] == "set, but not shown: a part of it may contain a password"
    assert "S3CRET" not in str(values)


def test_no_key_and_no_password_is_on_the_page(
    sqlite_schema_url: str, open_console: OpenConsole, tmp_path: Path
) -> None:
    app = open_console(sqlite_schema_url)
    browser = signed_in(app)
    texts = {**KEYS, "DATABASE_URL": POSTGRESQL, "LOG_LEVEL": "debug", "BACKUP_FOLDER": str(tmp_path)}
    app.extensions["settings"] = config.load(texts, None)

    page = browser.get("/system")

    assert SECRET not in page.html
    assert not [name for name, text in KEYS.items() if text.rpartition(":")[2] in page.html]
    assert rows(page)["DATABASE_URL"][0] == (
        "postgresql://role:***@/console?host=db1,db2&port=5432,5433&sslmode=verify-full&target_session_attrs=read-write"
    )


def test_a_setting_is_hidden_unless_it_was_decided_to_show_it(browser: Browser) -> None:
    hidden = {name for name, (value, _) in rows(browser.get("/system")).items() if value == "set"}

    # The name of an account is not for the admins of others.
    assert set(config.CHECKS) - set(SHOWN) - hidden == {"OIDC_CLIENT_SECRET", "OIDC_ACCOUNT", "METRICS_TOKEN"}
    assert hidden == set(config.KEY_SETTINGS)


def test_people_of_other_accounts_are_not_shown_in_settings() -> None:
    provider = {"OIDC_ISSUER": "https://id.example.org", "OIDC_CLIENT_ID": "console", "OIDC_CLIENT_SECRET": SECRET}
    people = {"OIDC_ROLES": f"{SECRET}@x.org=admin", "PASSWORD_SIGN_IN": f"a@x.org,{SECRET}@x.org"}
    loaded = config.load({**provider, **people, "OIDC_ACCOUNT": SECRET}, None)

    values = {setting.name: setting.value for setting in config_display.shown_settings(loaded)}

    assert SECRET not in str(values)
    assert (values["OIDC_ISSUER"], values["OIDC_CLIENT_ID"]) == ("https://id.example.org", "console")
    assert (values["OIDC_ROLES"], values["PASSWORD_SIGN_IN"]) == ("set", "2 addresses")


def test_the_version_is_on_every_page_and_at_healthz(app: Flask, browser: Browser) -> None:
    said = f"Agent Console {__version__}"

    assert browser.get("/agents").root.one("p", class_="version").text == said
    error = browser.get("/nothing", 404)
    assert error.root.one("p", class_="request-id").text.endswith(said)
    assert app.test_client().get("/healthz").json == {"status": "ok", "version": __version__}


def test_the_last_deployments_and_the_sizes_of_tables_are_shown(
    app: Flask, browser: Browser, schema_url: str, tmp_path: Path
) -> None:
    command.stamp(saving_config(schema_url, tmp_path), "head")
    command.downgrade(saving_config(schema_url, tmp_path), "-1")
    command.upgrade(saving_config(schema_url, tmp_path), "head")

    page = browser.get("/system")

    assert "upgrade: 1 of 1 step" in " ".join(page.text.split())
    assert "add_filter_indexes" in page.root.all("ol", class_="kept-steps")[0].text
    assert "Sizes of tables" in page.text
    assert "flask db deployments" in page.text


@pytest.mark.parametrize("outcome", ["failed", "interrupted"])
def test_after_a_run_that_did_not_end_well_the_command_that_shows_its_error_comes_first(
    browser: Browser, schema_url: str, tmp_path: Path, outcome: str
) -> None:
    command.stamp(saving_config(schema_url, tmp_path), "head")
    run_sql(schema_url, f"UPDATE deployments SET outcome = '{outcome}', ended_at = started_at")
    pretend_position(schema_url, revision_before("add_deployments"))

    page = browser.get("/system")

    first, then = commands(page)[:2]
    assert re.fullmatch(r"flask db deployments [0-9a-f]{8}", first)
    assert then == "flask db plan"
    assert f"To see why: {first}" in " ".join(page.text.split())


def test_the_newest_backup_is_shown_with_where_it_is(
    schema_url: str, open_console: OpenConsole, tmp_path: Path
) -> None:
    def said() -> str:
        return " ".join(own.get("/system").root.one(id="newest-backup").parent.text.split())

    folder = tmp_path / "backups"
    app = open_console(schema_url, BACKUP_FOLDER=str(folder))
    own = signed_in(app)
    assert "None is known" in said()

    command.stamp(saving_config(schema_url, tmp_path), "head")
    with create_engine(schema_url).begin() as connection:
        connection.exec_driver_sql("UPDATE deployments SET backup = '/srv/old.dump', host = 'web-2'")
    assert "A deployment on web-2 took it" in said()
    assert "old.dump. It is on that machine" in said()
    assert "/srv" not in said()

    file = create_backup(parse_url(schema_url), folder).file
    assert f"{file.name}, in the backup folder of this server." in said()
    app.extensions["settings"] = replace(app.extensions["settings"], backup_folder=file)
    assert "A deployment on web-2 took it" in said()


def test_rows_of_the_release_before_are_named_with_the_command_that_fills_them(app: Flask, schema_url: str) -> None:
    found = replace(dbtools.read_overview(parse_url(schema_url)), refills=("fill_names", "fill_more"))
    with app.test_request_context():
        page = " ".join(render_template("system/_schema.html", schema=found, tones={}).split())

    assert "Such rows lack the values of fill_names, fill_more." in page
    assert ">flask db deploy --finish</code>" in page


def test_a_changed_file_of_an_applied_step_is_shown(browser: Browser, schema_url: str, tmp_path: Path) -> None:
    command.stamp(saving_config(schema_url, tmp_path), "head")
    with create_engine(schema_url).begin() as connection:
        connection.exec_driver_sql("UPDATE applied_steps SET checksum = 'other'")

    assert "was changed after it was applied" in browser.get("/system").text
