"""The schema of a URL, from DATABASE_SCHEMA or from `search_path` in its options, and the other options."""

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from agents_app.database.url import parse_url, schema_of, session_settings, with_schema

SCHEMAS = {
    "-csearch_path=app": "app",
    "-c search_path=App": "app",
    "--search-path=app": "app",
    "-csearch_path=app,public": "app",
    '-csearch_path="My\\ App",public': "My App",
    '-csearch_path="a""b"': 'a"b',
    "-csearch_path=other -csearch_path=app": "app",
    '-csearch_path="$user",public': None,
    "-csearch_path=": None,
    "-cwork_mem=5MB": None,
}


def url_with(options: str) -> URL:
    """The URL with these options, as the console reads it."""
    written = sa.make_url("postgresql://db.example.org/console").update_query_dict({"options": options})
    return parse_url(written.render_as_string())


@pytest.mark.parametrize("options", SCHEMAS)
def test_the_first_name_of_the_search_path_is_the_schema(options: str) -> None:
    assert schema_of(url_with(options)) == SCHEMAS[options]


def test_further_schemas_are_removed_and_other_settings_are_kept() -> None:
    settings = session_settings(url_with("-cwork_mem=5MB -csearch_path=app,public --lock-timeout=7s"))

    assert settings == {"work_mem": "5MB", "search_path": "app", "lock_timeout": "7s"}


def test_a_schema_is_added_to_the_options() -> None:
    url = with_schema(url_with("-cwork_mem=5MB"), "My App")

    assert schema_of(url) == "My App"
    assert session_settings(url) == {"work_mem": "5MB", "search_path": '"My App"'}
    assert with_schema(url, "My App") == url


@pytest.mark.parametrize("options", ["-csearch_path=public", '-csearch_path="$user",public'])
def test_two_different_schemas_are_refused(options: str) -> None:
    with pytest.raises(ValueError, match=r"sets search_path=.* and DATABASE_SCHEMA is app\. Keep one of them\."):
        with_schema(url_with(options), "app")
