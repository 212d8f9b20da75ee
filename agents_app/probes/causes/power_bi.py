"""Causes and warnings of Power BI. Each cause has the fact `reference`: the status and the request ID of the answer."""

from agents_app.probes.causes.cause import Cause, Responsible

# Power BI keeps rights for a while. Microsoft's documents give the two minutes and the limit of one call an hour.
REFRESH = (
    "If the rights were granted a short time ago, Power BI may not use them yet: the service principal can send "
    + "POST https://{api}/v1.0/myorg/RefreshUserPermissions (once an hour at most); wait two minutes, and test again."
)
# Row-level security. More rights are never advised: those of a workspace role would switch it off for users.
IMPOSSIBLE = "No service principal can query such a dataset with the API executeQueries, whatever its rights."
DAX = (
    "Use a dataset without row-level security. Another API of Microsoft, executeDaxQueries, can query such a dataset "
    + "on a capacity, but this console does not test it."
)


def _power_bi(what: str, next_step: str, responsible: Responsible) -> Cause:
    return Cause(what, f"{next_step} Reference of Power BI: {{reference}}.", responsible)


CAUSES = {
    "power_bi_tenant_setting": _power_bi(
        "The tenant does not allow service principals to call the API of Power BI.",
        "Ask a Fabric administrator to turn on the tenant setting “Service principals can call Fabric public APIs” "
        + "for the application, or for a group that it is in. Earlier names of the setting: “Service principals can "
        + "use Fabric APIs”, “Allow service principals to use Power BI APIs”.",
        Responsible.FABRIC_ADMIN,
    ),
    "power_bi_xmla_disabled": _power_bi(
        "The tenant does not allow queries through the XMLA endpoint.",
        "Ask a Fabric administrator to turn on the tenant setting “Allow XMLA endpoints and Analyze in Excel with "
        + "on-premises semantic models”.",
        Responsible.FABRIC_ADMIN,
    ),
    "power_bi_no_access": _power_bi(
        "The service principal has no access to the dataset, or the dataset does not exist. Power BI "
        + "gives the same answer in both cases.",
        "Check workspace ID and dataset ID. If both are right, ask a workspace administrator to give the service "
        + f"principal the Build permission on the dataset. {REFRESH}",
        Responsible.WORKSPACE_ADMIN,
    ),
    "power_bi_no_build": _power_bi(
        "The service principal can see the dataset, but has no permission to query it.",
        "Ask a workspace administrator to give the service principal the Build permission on the dataset, and a "
        + "Fabric administrator whether the tenant setting “Semantic Model Execute Queries REST API” (earlier "
        + f"“Dataset Execute Queries REST API”) is on. {REFRESH}",
        Responsible.WORKSPACE_ADMIN,
    ),
    "power_bi_row_level_security": _power_bi(
        f"The dataset has row-level security or single sign-on. {IMPOSSIBLE}",
        DAX,
        Responsible.YOU,
    ),
    "power_bi_query_error": _power_bi(
        "The dataset answered the test query with an error.",
        "Open the dataset in Power BI and check that its model has no errors. A query may return at most 100,000 rows, "
        + "1,000,000 values and 15 MB.",
        Responsible.YOU,
    ),
    "power_bi_busy": _power_bi("Power BI is busy.", "Try again {when}.", Responsible.WAIT),
    "power_bi_refused": _power_bi(
        "Power BI refused a request of the console in a way that the console does not know.",
        "Report it to the maintainers of Agent Console with the reference.",
        Responsible.US,
    ),
    # Warnings
    "power_bi_workspace_hidden": Cause(
        "The service principal cannot read the workspace: it has no role there, or the workspace ID is wrong.",
        "Check the workspace ID. Queries need no role in the workspace.",
        Responsible.YOU,
    ),
    "power_bi_dataset_hidden": Cause(
        "The service principal cannot read the properties of the dataset, or the dataset ID is wrong.",
        "Check the dataset ID. Queries need the Build permission only.",
        Responsible.YOU,
    ),
    "power_bi_build_only": Cause(
        "The dataset answers queries only at the address without the workspace: the service principal has the Build "
        + "permission, and no role in the workspace.",
        f"Ask a workspace administrator to give the service principal a role in the workspace. {REFRESH}",
        Responsible.WORKSPACE_ADMIN,
    ),
    # Shown when an agent is saved
    "power_bi_not_with_this_api": Cause(
        f"The dataset of the agent has row-level security or single sign-on. {IMPOSSIBLE}",
        DAX,
        Responsible.YOU,
    ),
    "power_bi_user_needs_row_level_security": Cause(
        f"An impersonated user name is for datasets with row-level security only. {IMPOSSIBLE}",
        DAX,
        Responsible.YOU,
    ),
    "power_bi_user_ignored": Cause(
        "The dataset of the agent has no row-level security, so Power BI ignores the impersonated user name.",
        "Remove the impersonated user name.",
        Responsible.YOU,
    ),
}
