"""The obvious Flask program over the same table: entities, `paginate`, `jsonify`, lazy loads in the page.

It has no authentication, no tenants, no history and no log, and it stores secrets as they are sent.
"""

import os
import uuid
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, jsonify, render_template, request
from flask_sqlalchemy import SQLAlchemy
from jinja2 import DictLoader

db = SQLAlchemy()

PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Agents</title></head>
<body>
<h1>Agents</h1>
<p>{{ page.total }} agents</p>
<table>
<tr>
<th>Name</th><th>Status</th><th>Connection</th><th>Model</th><th>Last test</th><th>Created by</th><th>Updated</th>
</tr>
{% for agent in page.items %}
<tr>
<td><a href="{{ url_for('read', agent_id=agent.id) }}">{{ agent.name }}</a><br>{{ agent.description }}</td>
<td>{{ agent.status }}</td>
<td>{{ agent.connection_type }} {{ agent.connection_config.host }}</td>
<td>{{ agent.model_type }}</td>
<td>{{ agent.test.outcome if agent.test else "Not tested" }}</td>
<td>{{ agent.creator.name }}</td>
<td>{{ agent.updated_at.strftime("%Y-%m-%d %H:%M") }}</td>
</tr>
{% endfor %}
</table>
{% if page.has_next %}<a href="{{ url_for('page', page=page.next_num) }}">Next</a>{% endif %}
</body>
</html>
"""


class User(db.Model):  # type: ignore[name-defined, misc]
    """Who created an agent."""

    __tablename__ = "users"
    id = db.Column(db.Uuid, primary_key=True)
    name = db.Column(db.String(255))


class Test(db.Model):  # type: ignore[name-defined, misc]
    """The last test of an agent."""

    __tablename__ = "connection_tests"
    agent_id = db.Column(db.Uuid, db.ForeignKey("agents.id"), primary_key=True)
    outcome = db.Column(db.String(10))


class Agent(db.Model):  # type: ignore[name-defined, misc]
    """An agent: the columns of the guide."""

    __tablename__ = "agents"
    id = db.Column(db.Uuid, primary_key=True, default=uuid.uuid4)
    name = db.Column(db.String(255), nullable=False)
    description = db.Column(db.Text)
    status = db.Column(db.String(50), default="active")
    model_type = db.Column(db.String(100))
    api_key = db.Column(db.String(500))
    system_instructions = db.Column(db.Text)
    connection_type = db.Column(db.Enum("PBI", "DB", name="connectiontype"), nullable=False)
    connection_config = db.Column(db.JSON, nullable=False)
    account_id = db.Column(db.Uuid, nullable=False)
    created_by = db.Column(db.Uuid, db.ForeignKey("users.id"))
    created_at = db.Column(db.DateTime(timezone=True), default=lambda: datetime.now(UTC))
    updated_at = db.Column(db.DateTime(timezone=True), default=lambda: datetime.now(UTC))
    creator = db.relationship(User)
    test = db.relationship(Test, uselist=False)

    def as_dict(self) -> dict[str, Any]:
        """The agent without its API key."""
        return {
            column.name: getattr(self, column.name) for column in self.__table__.columns if column.name != "api_key"
        }


def create_app() -> Flask:
    """The program, with the database of DATABASE_URL."""
    app = Flask(__name__)
    app.jinja_loader = DictLoader({"agents.html": PAGE})
    # SQLAlchemy has another driver for a URL that names none.
    url = os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg2:", 1)
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    db.init_app(app)
    app.add_url_rule("/", view_func=page)
    app.add_url_rule("/agents", view_func=listing)
    app.add_url_rule("/agents", view_func=create, methods=["POST"])
    app.add_url_rule("/agents/<uuid:agent_id>", view_func=read)
    return app


def page() -> str:
    """A page of agents, as HTML."""
    return render_template("agents.html", page=_paginated(Agent.updated_at.desc(), Agent.id.desc()))


def listing() -> Response:
    """A page of agents, as JSON."""
    found = _paginated(Agent.created_at, Agent.id)
    return jsonify(items=[agent.as_dict() for agent in found.items], total=found.total, pages=found.pages)


def read(agent_id: uuid.UUID) -> Response:
    """One agent."""
    return jsonify(db.get_or_404(Agent, agent_id).as_dict())


def create() -> tuple[Response, int]:
    """Store a new agent of the only account."""
    agent = Agent(account_id=uuid.UUID(os.environ["ACCOUNT_ID"]), **request.get_json())
    db.session.add(agent)
    db.session.commit()
    return jsonify(agent.as_dict()), 201


def _paginated(*order: Any) -> Any:
    return db.paginate(db.select(Agent).order_by(*order), per_page=20)
