"""Queries of lists whose filters can be sent more than once."""

from collections.abc import Mapping
from typing import Annotated, Any, get_args

from pydantic import create_model

from agents_app.schemas.listing import AgentQuery, PageQuery, hash_of_filters
from agents_app.values import fields, limits
from agents_app.values.fields import Rule, Schema, field
from agents_app.values.rules import line
from agents_app.values.several import several

# The filters that programs can send with several values.
SEVERAL = (
    "status",
    "connection_type",
    "model_type",
    "model_provider",
    "environment",
    "owner",
    "external_id",
    "label",
    "created_by",
    "test",
)
REPEATED = "May be sent up to 100 times: one of the values has to match."


def with_several(query: type[AgentQuery]) -> type[AgentQuery]:
    """The same query for programs: a filter that is sent more than once matches each of its values."""
    return create_model(
        query.__name__, __base__=query, __doc__=query.__doc__, **{name: _several(query, name) for name in SEVERAL}
    )


def _several(query: type[Schema], name: str) -> Any:
    single = query.model_fields[name]
    kind = next(one for one in get_args(single.annotation) if one is not type(None))
    rule = next(one for one in single.metadata if isinstance(one, Rule))
    hint = f"{single.description or ''} {REPEATED}".strip()
    several_of_kind: Any = Annotated[list[kind], several(rule)]  # type: ignore[valid-type]
    return several_of_kind, field(single.title or name, hint, default=[], option_hint=single.description or "")


AgentFilters = with_several(AgentQuery)


def parse(values: Mapping[str, Any]) -> AgentQuery:
    """The query of these values, in which filters can be lists. Raises InvalidInput with every broken rule."""
    return fields.parse(AgentFilters, values)


class RuntimeQuery(PageQuery):
    """A query of the agents that a runtime can fetch."""

    external_id: Annotated[list[str], several(line(limits.EXTERNAL_ID))] = field("External ID", REPEATED, default=[])

    @property
    def cursor_filters(self) -> str:
        """A hash of the filters that the cursors of this list need again."""
        return hash_of_filters(self)
