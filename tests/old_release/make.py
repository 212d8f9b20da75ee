"""Makes the records of a release with the code of that release. README.md says how to run it."""

import base64
import json
import os
import re
import secrets
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from flask import Flask
from flask.testing import FlaskClient

from agents_app import __version__, dbtools
from agents_app.app import create_app
from agents_app.config import load
from agents_app.database.url import parse_url
from agents_app.db import create_sqlite_file
from agents_app.errors import ConsoleError
from agents_app.operations import accounts, agents, events, invitations, rotation, sessions, tokens, users
from agents_app.operations.permissions import Actor, Visitor
from agents_app.schemas import listing
from agents_app.schemas.events import parse_query

HERE = Path(__file__).parent
VISITOR = Visitor("192.0.2.7", "Firefox")
PEOPLE = ("admin", "editor", "viewer", "gone", "deactivated")
ROWS = 2


def key() -> str:
    """32 random bytes in base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


class Recording:
    """The actions in the console of the release, and notes of everything that a test must know."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.first_key, self.old_key = f"first:{key()}", f"old:{key()}"
        self.settings = {
            "SECRET_KEY": key(),
            "ENCRYPTION_KEYS": f"new:{key()},{self.old_key}",
            "TOKEN_PEPPERS": f"p1:{key()}",
        }
        self.notes: dict[str, Any] = {"release": __version__, "settings": self.settings, "agents": {}, "deleted": {}}
        self.actors: dict[str, Actor] = {}
        self.password = f"{secrets.token_urlsafe(9)} for tests"

    def app(self, **changes: str) -> Flask:
        """The console of the release."""
        return create_app(load({"DATABASE_URL": self.url, **self.settings, **changes}, None))

    def happen(self) -> dict[str, Any]:
        """Do everything in order. Returns the notes."""
        with self.app(ENCRYPTION_KEYS=self.first_key).app_context():
            self.people()
            self.agents()
            self.lose_agents()
        with self.app(ENCRYPTION_KEYS=f"{self.old_key},{self.first_key}").app_context():
            rotation.rotate("operator", lambda _done: None)
        app = self.app()
        with app.app_context():
            self.agents_under_the_new_key()
            self.tokens()
            self.other_events()
        # Outside of the context, in which requests would share their actor.
        self.cookies(app)
        self.programs(app)
        self.lists(app)
        with self.app(DELETED_SECRETS_DAYS="0").app_context():
            agent_id = self.agent("Deleted without its secrets", connection_config=DATABASE | {"password": "gone 9"})
            agents.delete(self.actors["admin"], agent_id)
            self.notes["deleted"]["remove_secrets"] = str(agent_id)
        return self.notes

    def people(self) -> None:
        """Two accounts with users of every role; one is deactivated, and one will be deleted."""
        password = {"password": self.password}
        first = {"account_name": "Acme", "name": "Ada Admin", "email": "admin@acme.example"}
        other = {"account_name": "Globex", "name": "Otto Other", "email": "other@globex.example"}
        account_id, other_id = accounts.create(first | password), accounts.create(other | password)
        self.actors["admin"] = self.signed_in("admin@acme.example")
        self.actors["other"] = self.signed_in("other@globex.example")
        for role in PEOPLE[1:]:
            known_role = {"role": role if role in ("editor", "viewer") else "admin"}
            code = invitations.invite(self.actors["admin"], known_role)
            person = {"name": f"{role.title()} Person", "email": f"{role}@acme.example"}
            self.actors[role] = self.actor(invitations.join(VISITOR, code, person | password))
        users.deactivate(self.actors["admin"], self.actors["deactivated"].user_id)
        self.actors["operator"] = accounts.terminal_actor("operator", "Acme")
        self.notes |= {"account_id": str(account_id), "other_account_id": str(other_id), "password": self.password}
        self.notes["people"] = {role: f"{role}@acme.example" for role in PEOPLE if role != "gone"}
        self.notes["other_person"] = "other@globex.example"
        self.notes["invitation"] = invitations.invite(self.actors["admin"], {"role": "viewer"})
        self.notes["reset_link"] = invitations.make_reset_link(self.actors["admin"], self.actors["viewer"].user_id)

    def agents(self) -> None:
        """Agents of each type and dialect: with few and with all fields, changed, disabled, cloned."""
        admin, editor = self.actors["admin"], self.actors["editor"]
        everything = self.agent("Sales", connection_config=DATABASE | EVERYTHING, **TEXTS)
        agents.update(editor, everything, {"description": "Was changed.", "connection_config": {"row_limit": 10}})
        agents.update(admin, everything, {"api_key": "sk-second-key-of-sales-0002"}, 2)
        clone = agents.clone(admin, everything)
        self.note("everything", everything, api_key="sk-second-key-of-sales-0002", password="pass word 1 of sales")
        self.note("clone", clone, api_key="sk-second-key-of-sales-0002", password="pass word 1 of sales")
        self.note("bare", self.agent("Bare", connection_config=DATABASE | {"dialect": "mysql"}))
        sql_server = DATABASE | {"dialect": "mssql", "password": "short"}
        disabled = self.agent(
            "Stock \N{LATIN SMALL LETTER SHARP S} \N{GREEK CAPITAL LETTER SIGMA}", "editor", sql_server
        )
        agents.disable(editor, disabled, {"reason": "The warehouse moves."})
        self.note("disabled", disabled, password="short")
        report = self.agent("Reports", connection_type="POWERBI", connection_config=POWER_BI | POWER_BI_EVERYTHING)
        self.note("power_bi", report, client_secret="the~client~secret~of~reports")
        of_operator = self.agent("Of an operator", "operator", DATABASE | {"password": "of operators 5"})
        self.note("of_operator", of_operator, password="of operators 5")
        self.note("of_someone_gone", self.agent("Of someone gone", "gone"))
        of_other_account = self.agent("Of another account", "other", DATABASE | {"password": "other account's 7"})
        self.notes["other_agent"] = str(of_other_account)

    def lose_agents(self) -> None:
        """Deleted agents, and a restored one."""
        admin = self.actors["admin"]
        for name, more in {
            "database": {"connection_config": DATABASE | EVERYTHING, **TEXTS},
            "power_bi": {"connection_type": "POWERBI", "connection_config": POWER_BI | POWER_BI_EVERYTHING},
            "bare": {},
            "disabled": {"connection_config": DATABASE | {"password": "of the disabled 3"}},
            "of_someone_gone": {"as_who": "gone", "connection_config": DATABASE | {"password": "of the gone 4"}},
        }.items():
            agent_id = self.agent(f"Deleted {name}", **more)
            if name == "disabled":
                agents.disable(admin, agent_id, {"reason": "Was wrong."})
            agents.delete(admin, agent_id)
            self.notes["deleted"][name] = str(agent_id)
        back = self.agent("Back again", connection_config=DATABASE | {"password": "of the returned 6"})
        agents.delete(admin, back)
        agents.restore_deleted(admin, back)
        self.note("restored", back, password="of the returned 6")
        users.delete(admin, self.actors["gone"].user_id)

    def agents_under_the_new_key(self) -> None:
        """Agents with certificates. The secrets of earlier agents keep the old key, as there was no rotation."""
        certificate, private_key, locked_key = certificates()
        proof = {"auth_method": "certificate", "certificate_pem": certificate, "private_key_pem": locked_key}
        proof |= {"private_key_password": "opens the key"}
        ledger = self.agent("Ledger", connection_type="POWERBI", connection_config=POWER_BI | proof)
        self.note("certificate", ledger, private_key_pem=locked_key, private_key_password="opens the key")
        # 0.1.0 checked only the first block, and so stored this key in clear.
        careless = POWER_BI | {"auth_method": "certificate", "certificate_pem": certificate + private_key}
        self.note("key_in_clear", self.agent("Careless", connection_type="POWERBI", connection_config=careless))
        lost = self.agent("Deleted careless", connection_type="POWERBI", connection_config=careless)
        agents.delete(self.actors["admin"], lost)
        self.notes["deleted"]["key_in_clear"] = str(lost)
        # It also accepted any base64 as a certificate.
        no_certificate = "-----BEGIN CERTIFICATE-----\nbm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"
        unparsed = DATABASE | {"sslmode": "verify-ca", "ssl_root_cert": no_certificate, "password": "of the unparsed 8"}
        self.note("no_certificate", self.agent("Unparsed", connection_config=unparsed), password="of the unparsed 8")

    def tokens(self) -> None:
        """One of each scope, a limited one, a revoked one, and one of another account."""
        admin, texts = self.actors["admin"], {}
        for scope in ("read", "write", "runtime"):
            texts[scope] = tokens.create(admin, {"name": f"{scope} token", "scopes": [scope], **TEN_YEARS})[1]
        limited = {"scopes": ["runtime"], "agent_ids": [self.notes["agents"]["everything"]["id"]]}
        texts["limited"] = tokens.create(admin, {"name": "limited", **limited, **TEN_YEARS})[1]
        revoked_id, texts["revoked"] = tokens.create(admin, {"name": "revoked", "scopes": ["read"], **TEN_YEARS})
        tokens.revoke(admin, revoked_id)
        other = {"name": "other", "scopes": ["runtime"], **TEN_YEARS}
        texts["other_account"] = tokens.create(self.actors["other"], other)[1]
        self.notes["tokens"] = texts

    def programs(self, app: Flask) -> None:
        """Requests of programs: agents with an Idempotency-Key, an ETag, a fetch, refusals."""
        client = app.test_client(use_cookies=False)
        self.notes["idempotent"] = {}
        for name in ("untouched", "changed", "deleted"):
            body = {"name": f"Keyed {name}", "connection_type": "DB", "api_key": "sk-of-the-keyed-agent-0001"}
            body["connection_config"] = DATABASE | {"password": "of the keyed 2"}
            headers = self.bearer("write") | {"Idempotency-Key": f"key of the {name} one"}
            made = client.post("/api/v1/agents", json=body, headers=headers)
            assert made.status_code == 201, made.text
            found = {"id": made.json["id"], "key": headers["Idempotency-Key"], "body": body}
            self.notes["idempotent"][name] = found
        changed, deleted = (f"/api/v1/agents/{self.notes['idempotent'][name]['id']}" for name in ("changed", "deleted"))
        bare, everything = (f"/api/v1/agents/{self.notes['agents'][name]['id']}" for name in ("bare", "everything"))
        for method, path, scope, status in (
            ("PATCH", changed, "write", 200),
            ("DELETE", deleted, "write", 204),
            ("GET", f"{everything}/runtime", "runtime", 200),
            ("DELETE", everything, "read", 403),
            ("GET", "/api/v1/me", "revoked", 401),
        ):
            change = {"description": "Now with one."} if method == "PATCH" else None
            answer = client.open(path, method=method, json=change, headers=self.bearer(scope))
            assert answer.status_code == status, answer.text
        self.notes["etag"] = {"agent": "bare", "value": client.get(bare, headers=self.bearer("read")).headers["ETag"]}

    def cookies(self, app: Flask) -> None:
        """Cookies of users who are signed in."""
        self.notes["cookies"] = {}
        for role in ("admin", "editor", "viewer"):
            browser = app.test_client()
            form = {"email": f"{role}@acme.example", "password": self.password, "csrf_token": csrf(browser, "/sign-in")}
            assert browser.post("/sign-in", data=form).status_code == 303
            cookie = browser.get_cookie("session")
            assert cookie is not None
            self.notes["cookies"][role] = {"name": "session", "value": cookie.value}
            if role == "editor":
                self.agent_by_form(browser)

    def agent_by_form(self, browser: FlaskClient) -> None:
        """An agent that was made on a page."""
        values = {"csrf_token": csrf(browser, "/agents/new"), "key": secrets.token_hex(16), "name": "Of a page"}
        config = {f"DB-{name}": value for name, value in (DATABASE | {"password": "of a page 9"}).items()}
        made = browser.post("/agents/new", data=values | {"connection_type": "DB"} | config)
        assert made.status_code == 303, made.text
        self.note("of_page", UUID(made.location.rpartition("/")[2]), password="of a page 9")

    def other_events(self) -> None:
        """Other actions, and failures."""
        admin = self.actors["admin"]
        users.change_role(admin, self.actors["deactivated"].user_id, {"role": "viewer"})
        accounts.rename(admin, {"name": "Acme Limited"})
        accounts.rename(admin, {"name": "Acme"})
        for email in ("nobody@acme.example", "admin@acme.example"):
            with suppress(ConsoleError):
                sessions.sign_in(VISITOR, email, "a wrong guess")

    def lists(self, app: Flask) -> None:
        """The cursors of the first page of each list."""
        client, cursors = app.test_client(use_cookies=False), {}
        for sort in listing.Sort:
            page = client.get(f"/api/v1/agents?limit={ROWS}&sort={sort.value}", headers=self.bearer("read")).json
            following = client.get(
                f"/api/v1/agents?limit={ROWS}&sort={sort.value}&cursor={page['next_cursor']}",
                headers=self.bearer("read"),
            ).json
            ids = [item["id"] for item in following["items"]]
            cursors[sort.value] = {"cursor": page["next_cursor"], "following": ids}
        with app.app_context():
            found = events.listing(self.actors["admin"], parse_query({"limit": ROWS}))
        self.notes["cursors"] = {"limit": ROWS, "agents": cursors, "events": found.next_cursor}

    def agent(self, name: str, as_who: str = "admin", connection_config: Any = None, **more: Any) -> UUID:
        """A new agent."""
        values = {"name": name, "connection_type": "DB", "connection_config": connection_config or DATABASE, **more}
        return agents.create(self.actors[as_who], values)[0]

    def note(self, name: str, agent_id: UUID, **clear: str) -> None:
        """Note the id of an agent and its secrets in clear."""
        self.notes["agents"][name] = {"id": str(agent_id), "secrets": clear}

    def bearer(self, scope: str) -> dict[str, str]:
        """The header of a request with a token."""
        return {"Authorization": f"Bearer {self.notes['tokens'][scope]}"}

    def signed_in(self, email: str) -> Actor:
        """The actor of a new session."""
        return self.actor(sessions.sign_in(VISITOR, email, self.password))

    def actor(self, session_id: str) -> Actor:
        """The actor of a session."""
        return sessions.authenticate(Visitor(VISITOR["address"]), session_id)


def csrf(browser: FlaskClient, address: str) -> str:
    """The CSRF value of the form of a page."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', browser.get(address).text)
    assert found
    return found[1]


def certificates() -> tuple[str, str, str]:
    """A self-signed certificate, its private key, and the same key encrypted with a password."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "console.example")])
    made = x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
    made = made.not_valid_before(datetime(2026, 1, 1, tzinfo=UTC)).not_valid_after(datetime(2099, 1, 1, tzinfo=UTC))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    certificate = made.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    clear = private.private_bytes(*form, serialization.NoEncryption())
    locked = private.private_bytes(*form, serialization.BestAvailableEncryption(b"opens the key"))
    return certificate.decode(), clear.decode(), locked.decode()


TEN_YEARS = {"expires_in_days": 3650}
DATABASE = {"dialect": "postgresql", "host": "db.example.org", "database": "sales", "username": "reader"}
TEXTS = {
    "description": "Answers on sales.\nFor the board.",
    "model_type": "gpt-5-mini",
    "api_key": "sk-first-key-of-sales-0001",
    "system_instructions": "Answer in two sentences.\nNever guess.",
}
EVERYTHING = {
    "port": 6432,
    "password": "pass word 1 of sales",
    "sslmode": "verify-full",
    "ssl_root_cert": certificates()[0],
    "read_only": False,
    "row_limit": 77,
    "statement_timeout_ms": 5_000,
    "connect_timeout_s": 3,
    "schema_allow_list": ["public", "sales"],
    "table_allow_list": ["sales.orders"],
}
POWER_BI = {
    "tenant_id": "contoso.example.org",
    "client_id": "6f9619ff-8b86-4011-b42d-00c04fc964ff",
    "workspace_id": "0c0ffee0-1111-4222-8333-444455556666",
    "dataset_id": "0da7a5e7-1111-4222-8333-444455556666",
}
POWER_BI_EVERYTHING = {
    "client_secret": "the~client~secret~of~reports",
    "credential_expires_at": "2099-12-31",
    "cloud": "usgov",
    "impersonated_user_name": "reader@contoso.example.org",
    "row_limit": 500,
    "timeout_s": 30,
    "allowed_tables": ["Sales", "Date"],
}


def main() -> None:
    """Fill the empty database of DATABASE_URL, and write it and the notes into the release's folder."""
    url = parse_url(os.environ["DATABASE_URL"])
    kind, folder = url.get_backend_name(), HERE / __version__
    folder.mkdir(exist_ok=True)
    create_sqlite_file(url)
    dbtools.upgrade_to_head(url)
    text = url.set(drivername=kind).render_as_string(hide_password=False)
    notes = Recording(text).happen()
    (folder / f"{kind}.json").write_text(json.dumps(notes, indent=1) + "\n")
    if kind == "sqlite":
        (folder / "sqlite.db").unlink(missing_ok=True)
        with closing(sqlite3.connect(url.database or "")) as connection:
            connection.execute("PRAGMA page_size = 1024")
            connection.execute("VACUUM INTO ?", [str(folder / "sqlite.db")])
        return
    dump = [sys.argv[1], "--no-owner", "--no-privileges", "--no-comments", "--inserts", text]
    dumped = subprocess.run(dump, check=True, capture_output=True, text=True).stdout
    # Without `\\restrict`, which older clients do not know, any client can load the SQL.
    plain = re.sub(r"^\\(un)?restrict .*\n", "", dumped, flags=re.MULTILINE)
    (folder / "postgresql.sql").write_text(plain)


if __name__ == "__main__":
    main()
