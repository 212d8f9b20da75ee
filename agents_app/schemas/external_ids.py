"""What a valid external id in the path of a request is."""

from typing import Annotated

from agents_app.values import limits
from agents_app.values.fields import Schema, field
from agents_app.values.rules import line

NO_EXTERNAL_ID = (
    "The path has no external ID. If it is . or .., clients and proxies remove it from the path: then use the id of "
    + "the agent, which GET /agents?external_id=.. returns."
)


class ExternalIdValues(Schema):
    """The external id of one agent."""

    external_id: Annotated[str, line(limits.EXTERNAL_ID)] = field("External ID", missing=NO_EXTERNAL_ID)
