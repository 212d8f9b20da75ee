"""What a valid external id in the path of a request is."""

from typing import Annotated

from agents_app.values import limits
from agents_app.values.fields import Schema, field
from agents_app.values.rules import line


class ExternalIdValues(Schema):
    """The external id of one agent."""

    external_id: Annotated[str, line(limits.EXTERNAL_ID)] = field(
        "External ID", missing="Enter the external ID of the agent in the path."
    )
