"""The number of SQL statements that each rule of the URL map may send for a GET in the steady state.

What is counted is what `test_statement_budgets.py` counts. The one who asks may do so: an admin who is signed in, or a
token with every permission. The answer is read to its end.
"""

import pytest
from flask import Flask

from agents_app.api import PREFIX
from agents_app.db import Base
from tests.api.conftest import Client
from tests.api.test_statements import counted
from tests.security.tenant import Tenant, tenant, tenants
from tests.security.test_matrix import ROWS, answered
from tests.test_statement_budgets import check

__all__ = ["tenant", "tenants"]
# One line for each rule. A new rule needs a line here. Most have two: who asks, then the answer.
TABLE = f"""
/                                                              1
/account                                                       2
/account/delete                                                1
/activity                                                      3
/activity/export                                               4
/agents                                                        2
/agents/<uuid:agent_id>                                        3
/agents/<uuid:agent_id>/clone                                  2
/agents/<uuid:agent_id>/delete                                 3
/agents/<uuid:agent_id>/disable                                3
/agents/<uuid:agent_id>/edit                                   2
/agents/<uuid:agent_id>/enable                                 2
/agents/<uuid:agent_id>/versions                               3
/agents/<uuid:agent_id>/versions/<int:version>                 2
/agents/<uuid:agent_id>/versions/<int:version>/restore         4
/agents/bulk                                                   2
/agents/bulk/<uuid:bulk_id>                                    3
/agents/deleted                                                2
/agents/export.csv                                             2
/agents/export.json                                            2
/agents/export.yaml                                            2
/agents/import                                                 2
/agents/new                                                    1
/confirm                                                       1
/database                                                      1
/gibberish-xyz-123                                             1
/gibberish-xyz-123/<name>                                      0
/healthz                                                       0
/join                                                          2
/openapi.json                                                  1
/people                                                        4
/people/<uuid:user_id>/deactivate                              2
/people/<uuid:user_id>/delete                                  2
/people/<uuid:user_id>/reset-link                              2
/people/<uuid:user_id>/role                                    2
/people/<uuid:user_id>/second-factor                           2
/people/<uuid:user_id>/unlink                                  2
/people/identities/<uuid:identity_id>/link                     2
/people/invite                                                 1
/profile                                                       3
/profile/details                                               1
/profile/link                                                  1
/profile/second-factor                                         2
/profile/second-factor/recovery-codes                          2
/profile/second-factor/remove                                  2
/profile/unlink                                                2
/readyz                                                        5
/reset                                                         2
/setup                                                         1
/sign-in                                                       1
/sign-in/code                                                  0
/sign-on                                                       1
/sign-on/return                                                1
/sign-out/provider                                             0
/sign-out/provider/go                                          1
/static/<path:filename>                                        0
/static/icons.svg                                              0
/tokens                                                        3
/tokens/<uuid:token_id>/revoke                                 3
/tokens/<uuid:token_id>/rotate                                 3
/tokens/new                                                    2
{PREFIX}/agents                                                2
{PREFIX}/agents/<uuid:agent_id>                                2
{PREFIX}/agents/<uuid:agent_id>/attention                      2
{PREFIX}/agents/<uuid:agent_id>/readers                        2
{PREFIX}/agents/<uuid:agent_id>/runtime                        2
{PREFIX}/agents/<uuid:agent_id>/versions                       2
{PREFIX}/agents/<uuid:agent_id>/versions/<int:version>         3
{PREFIX}/agents/by-external-id/<text:external_id>              3
{PREFIX}/agents/deleted                                        2
{PREFIX}/agents/export                                         3
{PREFIX}/connection-types                                      1
{PREFIX}/me                                                    1
{PREFIX}/runtime/agents                                        2
{PREFIX}/runtime/by-external-id/<text:external_id>             3
"""
BUDGETS = {rule: int(budget) for rule, budget in map(str.split, TABLE.strip().splitlines())}
# The page compares each table of the database with what this release expects, at each request. SQLite is asked about
# each part of a table on its own.
BUDGETS["/system"] = 40 * len(Base.metadata.tables)


def test_every_rule_that_is_read_has_a_budget(console: Flask) -> None:
    assert {rule.rule for rule in console.url_map.iter_rules() if "GET" in rule.methods} == set(BUDGETS)


@pytest.mark.parametrize("rule", BUDGETS)
def test_a_read_of_each_rule_stays_within_its_budget(rule: str, tenant: Tenant) -> None:
    path = tenant.path(rule)
    api, pages = Client(tenant.app, tenant.token), tenant.caller("admin")

    def read() -> str:
        is_of_api = rule.startswith(PREFIX)
        answer = api.get(path.removeprefix(PREFIX)) if is_of_api else pages.ask("GET", path)
        answer.get_data()
        answer.close()
        return answered(answer)

    read()
    with counted(tenant.app) as statements:
        status = read()

    # What is refused would cost less.
    assert status == ("200" if rule.startswith(PREFIX) else ROWS["GET", rule]["admin"])
    check(statements, BUDGETS[rule])
