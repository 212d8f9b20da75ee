"""Permissions: every rule of the URL map for every kind of caller. tests/api has the table of the JSON API."""

import re
import uuid

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.test import TestResponse

from agents_app.api import PREFIX
from agents_app.db import db
from agents_app.models import User
from agents_app.operations.permissions import Actor
from tests.api.conftest import Client, without_request_id
from tests.api.test_permissions import BODIES, path_of
from tests.api.test_permissions import TABLE as JSON_TABLE
from tests.make import make_agent, make_token, make_user
from tests.security.conftest import Caller
from tests.security.tenant import Tenant, tenant, tenants

__all__ = ["tenant", "tenants"]
# One line per rule: the status for each kind of caller. `in` means the sign-in page. `foreign` is an admin of
# another account who asks for this account's record; `ended` is the cookie of an ended session; `token` is an
# API token of the admin, which gives no access to pages. A new page needs a line here.
TABLE = """
                                                    nobody  ended   token   viewer  editor  admin   foreign
GET  /                                              in      in      in      303     303     303     303
GET  /agents                                        in      in      in      200     200     200     200
GET  /agents/deleted                                in      in      in      200     200     200     200
GET  /agents/<uuid:agent_id>                        in      in      in      200     200     200     404
GET  /agents/new                                    in      in      in      403     200     200     200
POST /agents/new                                    in      in      in      403     422     422     422
GET  /agents/<uuid:agent_id>/edit                   in      in      in      403     200     200     404
POST /agents/<uuid:agent_id>/edit                   in      in      in      403     400     400     404
GET  /agents/<uuid:agent_id>/versions               in      in      in      200     200     200     404
GET  /agents/<uuid:agent_id>/versions/<int:version>/restore  in  in     in      403     200     200     404
POST /agents/<uuid:agent_id>/versions/<int:version>/restore  in  in     in      403     400     400     404
GET  /agents/<uuid:agent_id>/versions/<int:version> in      in      in      200     200     200     404
GET  /agents/<uuid:agent_id>/clone                  in      in      in      403     200     200     404
POST /agents/<uuid:agent_id>/clone                  in      in      in      403     303     303     404
GET  /agents/<uuid:agent_id>/enable                 in      in      in      403     200     200     404
POST /agents/<uuid:agent_id>/enable                 in      in      in      403     303     303     404
POST /agents/<uuid:agent_id>/test                   in      in      in      403     303     303     404
GET  /agents/<uuid:agent_id>/disable                in      in      in      403     200     200     404
POST /agents/<uuid:agent_id>/disable                in      in      in      403     422     422     404
GET  /agents/<uuid:agent_id>/delete                 in      in      in      403     403     200     404
POST /agents/<uuid:agent_id>/delete                 in      in      in      403     403     303     404
GET  /agents/bulk                                   in      in      in      403     200     200     200
POST /agents/bulk                                   in      in      in      403     303     303     303
GET  /agents/bulk/<uuid:bulk_id>                    in      in      in      200     200     200     404
POST /agents/bulk/<uuid:bulk_id>/undo               in      in      in      403     303     303     404
POST /agents/<uuid:deleted_id>/restore              in      in      in      403     403     303     404
GET  /tokens                                        in      in      in      403     403     200     200
GET  /tokens/new                                    in      in      in      403     403     200     200
POST /tokens/new                                    in      in      in      403     403     422     422
GET  /tokens/<uuid:token_id>/rotate                 in      in      in      403     403     200     404
POST /tokens/<uuid:token_id>/rotate                 in      in      in      403     403     200     404
GET  /tokens/<uuid:token_id>/revoke                 in      in      in      403     403     200     404
POST /tokens/<uuid:token_id>/revoke                 in      in      in      403     403     303     404
GET  /people                                        in      in      in      403     403     200     200
GET  /people/invite                                 in      in      in      403     403     200     200
POST /people/invite                                 in      in      in      403     403     422     422
POST /people/invitations/<uuid:invitation_id>/withdraw  in  in      in      403     403     303     404
GET  /people/<uuid:user_id>/reset-link              in      in      in      403     403     200     404
POST /people/<uuid:user_id>/reset-link              in      in      in      403     403     200     404
GET  /people/<uuid:user_id>/role                    in      in      in      403     403     200     404
POST /people/<uuid:user_id>/role                    in      in      in      403     403     422     404
GET  /people/<uuid:user_id>/deactivate              in      in      in      403     403     200     404
POST /people/<uuid:user_id>/deactivate              in      in      in      403     403     303     404
POST /people/<uuid:user_id>/activate                in      in      in      403     403     303     404
GET  /people/<uuid:user_id>/second-factor           in      in      in      403     403     200     404
POST /people/<uuid:user_id>/second-factor           in      in      in      403     403     303     404
GET  /people/<uuid:user_id>/delete                  in      in      in      403     403     200     404
POST /people/<uuid:user_id>/delete                  in      in      in      403     403     303     404
GET  /people/<uuid:user_id>/unlink                  in      in      in      403     403     303     404
POST /people/<uuid:user_id>/unlink                  in      in      in      403     403     303     404
GET  /people/identities/<uuid:identity_id>/link     in      in      in      403     403     404     404
POST /people/identities/<uuid:identity_id>/link     in      in      in      403     403     404     404
POST /people/identities/<uuid:identity_id>/add      in      in      in      403     403     404     404
POST /people/identities/<uuid:identity_id>/dismiss  in      in      in      403     403     404     404
GET  /account                                       in      in      in      403     403     200     200
POST /account                                       in      in      in      403     403     422     422
POST /account/second-factor                         in      in      in      403     403     303     303
GET  /account/delete                                in      in      in      403     403     200     200
POST /account/delete                                in      in      in      403     403     422     422
GET  /system                                        in      in      in      403     403     200     200
GET  /database                                      in      in      in      301     301     301     301
GET  /activity                                      in      in      in      200     200     200     200
GET  /agents/import                                 in      in      in      200     200     200     200
POST /agents/import                                 in      in      in      403     403     422     422
GET  /agents/export.json                            in      in      in      200     200     200     200
GET  /agents/export.yaml                            in      in      in      200     200     200     200
GET  /agents/export.csv                             in      in      in      200     200     200     200
GET  /activity/export                               in      in      in      200     200     200     200
GET  /profile                                       in      in      in      200     200     200     200
POST /profile                                       in      in      in      422     422     422     422
GET  /profile/details                               in      in      in      200     200     200     200
POST /profile/details                               in      in      in      422     422     422     422
POST /profile/sessions/<uuid:row_id>/end            in      in      in      404     404     404     404
POST /profile/sessions/end-others                   in      in      in      303     303     303     303
GET  /profile/second-factor                         in      in      in      200     200     200     200
POST /profile/second-factor                         in      in      in      422     422     422     422
GET  /profile/second-factor/recovery-codes          in      in      in      303     303     303     303
POST /profile/second-factor/recovery-codes          in      in      in      303     303     303     303
GET  /profile/second-factor/remove                  in      in      in      303     303     303     303
POST /profile/second-factor/remove                  in      in      in      303     303     303     303
GET  /confirm                                       in      in      in      303     303     303     303
POST /confirm                                       in      in      in      303     303     303     303
GET  /sign-in/code                                  in      in      in      in      in      in      in
POST /sign-in/code                                  in      in      in      in      in      in      in
GET  /profile/link                                  in      in      in      303     303     303     303
POST /profile/link                                  in      in      in      303     303     303     303
GET  /profile/unlink                                in      in      in      303     303     303     303
POST /profile/unlink                                in      in      in      303     303     303     303
GET  /sign-on                                       404     404     404     404     404     404     404
GET  /sign-on/return                                404     404     404     404     404     404     404
GET  /sign-out/provider                             404     303     404     303     303     303     303
GET  /sign-out/provider/go                          404     404     404     404     404     404     404
POST /sign-in/continue                              303     303     303     303     303     303     303
GET  /sign-in                                       200     200     200     303     303     303     303
POST /sign-in                                       422     422     422     422     422     422     422
POST /session                                       in      in      in      200     200     200     200
POST /sign-out                                      in      in      in      in      in      in      in
GET  /setup                                         in      in      in      in      in      in      in
POST /setup                                         in      in      in      in      in      in      in
GET  /join                                          200     200     200     200     200     200     200
POST /join                                          422     422     422     422     422     422     422
GET  /reset                                         200     200     200     200     200     200     200
POST /reset                                         422     422     422     422     422     422     422
POST /theme                                         303     303     303     303     303     303     303
GET  /healthz                                       200     200     200     200     200     200     200
GET  /readyz                                        200     200     200     200     200     200     200
GET  /openapi.json                                  200     200     200     200     200     200     200
GET  /gibberish-xyz-123                             200     200     200     200     200     200     200
GET  /gibberish-xyz-123/<name>                      200     200     200     200     200     200     200
GET  /static/<path:filename>                        200     200     200     200     200     200     200
GET  /static/icons.svg                              200     200     200     200     200     200     200
"""
KINDS, *LINES = [line.split() for line in TABLE.strip().splitlines()]
ROWS = {(method, rule): dict(zip(KINDS, expected, strict=True)) for method, rule, *expected in LINES}
PAGES = {
    method_and_rule: row for method_and_rule, row in ROWS.items() if row["nobody"] == "in" and row["admin"] != "in"
}  # What every form is sent with: a role that there is not, and nothing else.
FORM = {"role": "owner"}
# What browsers save instead of showing it.
FILES = {"/activity/export", *(f"/agents/export.{form}" for form in ("csv", "json", "yaml"))}


def answered(answer: TestResponse) -> str:
    """The status, or `in` if the response redirects to the sign-in page or shows it."""
    leads_in = answer.status_code == 303 and answer.headers["Location"].startswith("/sign-in")
    is_it = answer.status_code == 401 and 'action="/sign-in"' in answer.text
    return "in" if leads_in or is_it else str(answer.status_code)


def test_every_rule_of_the_url_map_is_in_one_of_the_two_tables(console: Flask) -> None:
    rules = {
        (method, rule.rule) for rule in console.url_map.iter_rules() for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    spelled = {(method, re.sub("deleted_id", "agent_id", rule)) for method, rule in ROWS}

    assert rules == spelled | {(method, PREFIX + rule) for method, rule in JSON_TABLE}


@pytest.mark.parametrize(("method", "rule"), ROWS, ids=lambda part: part)
def test_each_kind_of_caller_is_served_or_refused(tenant: Tenant, method: str, rule: str) -> None:
    found = {}
    for kind in KINDS:
        answer = tenant.caller(kind).ask(method, tenant.path(rule), FORM if method == "POST" else None)
        found[kind] = answered(answer)
        answer.close()

    assert found == ROWS[method, rule]


@pytest.mark.parametrize(("method", "rule"), [key for key in ROWS if key[0] == "POST"], ids=lambda part: part)
def test_every_page_that_changes_something_refuses_a_form_of_another_session(
    tenant: Tenant, method: str, rule: str
) -> None:
    path = tenant.path(rule)
    caller = tenant.caller("admin")
    other = tenant.caller("admin").csrf

    refused = [caller.ask(method, path, {"csrf_token": value}) for value in ("", "x", other)]
    refused.append(caller.ask(method, path))

    assert [answer.status_code for answer in refused] == [400] * 4


@pytest.mark.parametrize(
    ("method", "rule"), [(method, rule) for method, rule in PAGES if "<uuid:" in rule], ids=lambda part: part
)
def test_a_page_of_another_account_is_answered_like_a_missing_one(tenant: Tenant, method: str, rule: str) -> None:
    foreign = tenant.path(rule)
    missing = re.sub(r"<uuid:\w+>", str(uuid.uuid4()), rule).replace("<int:version>", "1")

    seen = [tenant.caller("foreign").ask(method, path, {"version": "1"}) for path in (foreign, missing)]

    assert [answer.status_code for answer in seen] == [404, 404]
    assert _without_what_is_new_each_time(seen[0]) == _without_what_is_new_each_time(seen[1])


def _without_what_is_new_each_time(answer: TestResponse) -> str:
    text = re.sub(r'name="csrf_token" value="[^"]+"', "", answer.text)
    text = re.sub("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "", text)
    return text.replace(answer.headers["X-Request-ID"], "")


# A PUT of an external id of another account creates an agent.
NAMING_ONE = [key for key in JSON_TABLE if "<uuid:" in key[1] or ("<text:" in key[1] and key[0] != "PUT")]


@pytest.mark.parametrize(("method", "rule"), NAMING_ONE, ids=lambda part: part)
def test_the_response_for_another_accounts_agent_equals_that_for_a_missing_one(
    tenant: Tenant, method: str, rule: str
) -> None:
    api = Client(tenant.app, make_token(tenant.app, tenant.people["foreign"], "write", "runtime"))
    body = BODIES.get(rule.rpartition("/")[2], BODIES.get(method))
    paths = path_of(rule, tenant.app, tenant.admin), re.sub(r"<(uuid|text):\w+>", str(uuid.uuid4()), rule)

    foreign, missing = (api(method, path.replace("<int:version>", "1"), body) for path in paths)

    assert foreign.status_code == 404
    assert without_request_id(foreign) == without_request_id(missing)
    assert _names(foreign) == _names(missing)


def _names(answer: TestResponse) -> list[tuple[str, str]]:
    return [(name, value) for name, value in answer.headers if name not in ("X-Request-ID", "Date", "RateLimit")]


def test_a_deactivated_person_has_no_access_to_any_page(console: Flask, admin: Actor) -> None:
    caller = Caller(console, admin)
    assert caller.ask("GET", "/agents").status_code == 200

    with console.app_context(), db.transaction() as session:
        session.execute(sa.update(User).where(User.id == admin.user_id).values(is_active=False))

    assert answered(caller.ask("GET", "/agents")) == "in"


def test_the_account_is_never_read_from_the_request(console: Flask, admin: Actor) -> None:
    other = make_user(console)
    foreign = make_agent(console, other, name="Theirs")
    caller = Caller(console, admin)

    for path in (
        f"/agents?account_id={other.account_id}",
        f"/agents?account={other.account_id}&created_by={other.user_id}",
        f"/activity?account_id={other.account_id}&person={other.user_id}&target={foreign}",
    ):
        assert "Theirs" not in caller.ask("GET", path, headers={"X-Account-Id": str(other.account_id)}).text


@pytest.mark.parametrize(
    "rule",
    [rule for (method, rule), row in PAGES.items() if (method, row["admin"]) == ("GET", "200") and rule not in FILES],
)
def test_every_page_offers_to_sign_out(tenant: Tenant, rule: str) -> None:
    assert 'action="/sign-out"' in tenant.caller("admin").ask("GET", tenant.path(rule)).text
