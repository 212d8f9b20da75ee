"""Files of agents: what they refuse, what a plan says, and that `apply` does it once, all of it or nothing."""

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from agents_app.db import db
from agents_app.errors import Forbidden, InvalidInput, Malformed
from agents_app.models import AgentVersion, Event
from agents_app.operations import agent_file_rows, agent_files, agent_reads, agents
from agents_app.operations.agent_plans import Step
from agents_app.operations.permissions import Actor
from agents_app.operations.planned_agents import Plan
from agents_app.schemas import agent_files as schema
from agents_app.schemas.agent_files import FORMAT, AgentFile
from agents_app.values import yaml_writing
from agents_app.values.choices import Door, FileFormat
from tests.make import DATABASE, POWER_BI, make_agent, make_user

CANARY = "canary-secret-0123456789"
MOVING = {"reason": "Moving."}
ODD_TEXTS = (
    *(
        "no",
        "yes",
        "1e3",
        "0123",
        "~",
        "null",
        "=1+1",
        "- a",
        "a: b",
        "a #b",
        "'x'",
        '"',
        "2026-01-31",
        "é😀",
        "*a",
        "&a",
    ),
    *("!tag", "%", "@a", "`a`", "a:", "[a]", "{a}", "a\tb"),
)
ODD_LINES = (
    "a  \nb",
    "a\n\n  b",
    "a\u0085b\nc",
    "- a\n- b",
    "a\n\tb",
    "#a\nb",
    "\x1b[31ma\nb",
    "a\u2028b",
    "x: |\n  y",
    "---\na",
)


def in_file(**changes: Any) -> dict[str, Any]:
    """An agent of a file."""
    config = {**DATABASE, **changes.pop("connection_config", {})}
    return {"name": "Sales", "connection_type": "DB", "connection_config": config, **changes}


def file_of(*entries: Any, form: FileFormat = FileFormat.YAML, reads: Any = None) -> AgentFile:
    text = schema.to_text({"format": FORMAT, "agents": list(entries)}, form)
    return schema.read(text.encode(), reads)


def exported(actor: Actor, form: FileFormat = FileFormat.YAML) -> str:
    return schema.to_text(agent_files.export(actor), form)


def kinds(plan: Plan) -> list[str]:
    return [agent.kind.value for agent in plan.agents]


def refused(actor: Actor, file: AgentFile) -> dict[str, str]:
    """What a plan refuses, by its place. `apply` refuses the same."""
    with pytest.raises(InvalidInput) as refusal:
        agent_files.plan(actor, file)
    with pytest.raises(InvalidInput) as again:
        agent_files.apply(actor, file)
    assert again.value.fields == refusal.value.fields
    return dict(refusal.value.fields)


@pytest.fixture
def admin(console: Flask) -> Any:
    """An admin of a new account, in the context of the app."""
    person = make_user(console)
    with console.app_context():
        yield person


@pytest.fixture
def operator(admin: Actor) -> Actor:
    """The same at the terminal."""
    return replace(admin, door=Door.TERMINAL, user_id=None)


def test_who_may_not_import_is_refused(console: Flask, admin: Actor) -> None:
    for role in ("viewer", "editor"):
        person = make_user(console, role, admin.account_id)
        for operation in (agent_files.plan, agent_files.apply):
            with pytest.raises(Forbidden):
                operation(person, file_of(in_file()))
    assert agent_files.export(person)["agents"] == []


def test_a_plan_names_every_mistake_with_its_place_and_changes_nothing(console: Flask, admin: Actor) -> None:
    for _ in range(2):
        make_agent(console, admin, name="Twice here")
    make_agent(console, admin, name="Known", external_id="known")
    before = exported(admin)
    config = in_file()["connection_config"]
    entries = [
        in_file(name=""),
        in_file(name="b", environment="test"),
        in_file(name="c", connection_config={"port": 70_000}),
        in_file(name="d", connection_config={"password": CANARY}),
        in_file(name="e", api_key=CANARY),
        in_file(name="f", secrets={"password": CANARY}),
        in_file(name="g", secrets={"api_key": "env:KEY"}),
        in_file(name="h", secrets={"client_secret": "stored"}),
        in_file(name="i", secrets=["password"]),
        in_file(name="j", status="paused"),
        in_file(name="k", status="disabled"),
        in_file(name="l", status_reason="Moving."),
        in_file(name="m", labels={"a b": "c"}),
        in_file(name="n", owner=5),
        in_file(name="o", unknown="x"),
        in_file(name="p", connection_type="FTP"),
        in_file(name="q", external_id="same"),
        in_file(name="r", external_id="same"),
        in_file(name="Twice"),
        in_file(name="Twice"),
        in_file(name="Twice here"),
        in_file(name="Known"),
        "text",
        {"name": "x", "connection_type": "DB", "connection_config": {**config, "host": ""}},
    ]

    found = refused(admin, file_of(*entries))

    wanted = (
        *("0/name", "1/environment", "2/connection_config/port", "3/connection_config/password", "4/api_key"),
        *("5/secrets/password", "6/secrets/api_key", "7/secrets/client_secret", "8/secrets", "9/status"),
        *("10/status_reason", "11/status_reason", "12/labels/a b", "13/owner", "14/unknown", "15/connection_type"),
        *("17/external_id", "18/name", "19/name", "20/name", "21/name", "22", "23/connection_config/host"),
    )
    assert sorted(found) == sorted(f"/agents/{place}" for place in wanted)
    assert CANARY not in str(found)
    assert found["/agents/13/owner"] == "Write this as text. In YAML, put it in quotes."
    assert exported(admin) == before


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The file is empty."),
        (b" \n", "The file is empty."),
        (b"# nothing\n", "The file is empty."),
        (b"- a\n", "Write an object with the members format and agents at the top of the file."),
        (b"[]", "Send one JSON object."),
        (b"a: \xff\n", "The file is not in UTF-8: line 1 has other bytes."),
        (b"a: 1\na: 2\n", "The YAML is refused: line 2 has a member that this object has already. Remove one."),
        (
            b"a: &x 1\n",
            "The YAML is refused: line 1 has an anchor or an alias (& or *). Write the value itself, or put it",
        ),
        (b"a: 1\nb: *x\n", "The YAML is refused: line 2 has an anchor or an alias"),
        (b"a: !!python/object:os.system x\n", "The YAML is refused: line 1 has a tag (!)."),
        (b"a: .nan\n", "The YAML is refused: line 1 has a number that is not finite."),
        (b"a: " + b"[" * 30 + b"]" * 30, "The YAML is refused: line 1 is nested more than 20 levels deep."),
        (b"a: " + b"9" * 5_000, "The YAML is refused: line 1 has a number with too many digits."),
        (b"? [a]\n: b\n", "The YAML is refused: line 1 has a list or an object as the name of a member."),
        (b"a: 1\n---\nb: 2\n", "The YAML is refused: line 2 starts a second YAML document."),
        (b"a: b\n\x07c: d\n", "The YAML is refused: line 2 contains the character U+0007."),
        (
            b"a:\n  - [1,\n\n  2\nb: 2\n",
            "The YAML is invalid at line 5, column 2, in the list that begins with [ at line 2. A comma or the",
        ),
        (b"a: {x: 1\nb: 2\n", "The YAML is invalid at line 2, column 2, in the object that begins with { at line 1."),
        (b"a: 'x\nb: 2\n", "The YAML is invalid at line 3, column 1, in the text in quotes that begins at line 1. The"),
        (b"a:\n  - 1\n b: 2\n", "The YAML is invalid at line 3, column 2, in the object that begins at line 1. Begin"),
        (b"a: x\nb\n", "The YAML is invalid at line 3, column 1, in the member that begins at line 2. A colon and"),
        (b"a: b: c\n", "The YAML is invalid at line 1, column 5. No member can begin here. Put a text with a colon in"),
        (b"a:\n\tb: 1\n", "The YAML is invalid at line 2, column 1. A value cannot begin so. Put it in quotes, and"),
        (b"a: |x\n  b\n", "The YAML is invalid at line 1, column 5."),
        (b'{"a": 1, "a": 2}', "A JSON object contains the same member twice. Remove one."),
        (b"\xef\xbb\xbf{}", "Send the JSON in UTF-8, without a byte order mark."),
    ],
)
def test_what_is_no_file_of_agents_is_refused_with_its_cause(body: bytes, sentence: str) -> None:
    with pytest.raises(Malformed) as refusal:
        schema.read(body)

    assert refusal.value.detail.startswith(sentence)


def test_a_number_where_a_text_belongs_is_refused_with_what_to_do_in_the_format_of_the_file(admin: Actor) -> None:
    in_yaml = f"format: {FORMAT}\nagents:\n  - name: Sales\n    connection_type: DB\n    external_id: 0123\n"
    in_json = json.dumps({"format": FORMAT, "agents": [{"name": "Sales", "connection_type": "DB", "external_id": 123}]})

    said = [refused(admin, schema.read(text.encode()))["/agents/0/external_id"] for text in (in_yaml, in_json)]

    assert said == ["Write this as text. In YAML, put it in quotes.", "Write this as text."]


def test_what_yaml_allows_and_a_file_does_not_is_refused_at_all_its_places() -> None:
    with pytest.raises(Malformed) as refusal:
        schema.read(b"a: 1\na: &x 2\nb: [*x, !t 3, .inf]\n*x : 4\n")
    with pytest.raises(Malformed) as many:
        schema.read(b"a: &x 1\n" * 22)

    said = [part.split()[:5] for part in refusal.value.detail.replace("Line", "line").split("line ")[1:]]
    assert [" ".join(words) for words in said] == [
        "2 has a member that",
        "2 has an anchor or",
        "3 has an anchor or",
        "3 has a tag (!).",
        "3 has a number that",
        "4 has an anchor or",
    ]
    assert many.value.detail.count("ine ") == 20
    assert many.value.detail.endswith("23 more places are refused.")


def test_what_ends_the_reading_of_yaml_is_named_after_what_was_refused_before_it() -> None:
    with pytest.raises(Malformed) as refused:
        schema.read(b"format: a\nformat: b\n? [c]\n: d\n")

    assert refused.value.detail == (
        "The YAML is refused: line 2 has a member that this object has already. Remove one. "
        + "Line 3 has a list or an object as the name of a member. Write a text."
    )


def test_another_format_and_other_members_are_refused(admin: Actor) -> None:
    for body, place in (
        (b"agents: []", "/format"),
        (b"format: agent-console-agents/2\nagents: []", "/format"),
        (b"format: [1]\nagents: []", "/format"),
        (f"format: {FORMAT}".encode(), "/agents"),
        (f"format: {FORMAT}\nagents: {{}}".encode(), "/agents"),
        (f"format: {FORMAT}\nagents: []\nmore: 1".encode(), "/more"),
    ):
        assert list(refused(admin, schema.read(body))) == [place]


def test_texts_that_yaml_reads_as_other_things_stay_texts(admin: Actor, console: Flask) -> None:
    for number, text in enumerate(ODD_TEXTS):
        lines = ODD_LINES[number % len(ODD_LINES)]
        values = {"name": text.replace("\t", " "), "owner": f"={text}".replace("\t", " "), "labels": {"no": "0123"}}
        make_agent(console, admin, **values, external_id=f"n{number:02}", description=text, system_instructions=lines)
    other = make_user(console)

    for form in FileFormat:
        text = exported(admin, form)
        agent_files.apply(other, schema.read(text.replace("\n", "\r\n").encode()), prune=True)

        assert exported(other, form) == text
        assert kinds(agent_files.plan(admin, schema.read(text.encode()))) == ["same"] * len(ODD_TEXTS)


def test_a_second_apply_changes_nothing_and_every_difference_is_one_act(console: Flask, admin: Actor) -> None:
    kept = make_agent(console, admin, name="Kept", external_id="kept", description="Old", owner="Ada")
    stopped = make_agent(console, admin, name="Stopped")
    entries = [
        in_file(name="Kept", external_id="kept", description="New", status="disabled", status_reason="Moving."),
        in_file(name="Stopped", status="disabled", status_reason="Old."),
        in_file(name="New", external_id="new"),
    ]

    planned = agent_files.plan(admin, file_of(*entries))
    done = agent_files.apply(admin, file_of(*entries), note="Release 12")

    assert kinds(done) == kinds(planned) == ["changed", "changed", "new"]
    changed = [(one.pointer, one.before, one.after) for one in done.agents[0].differences]
    assert changed == [
        ("/description", "Old", "New"),
        ("/owner", "Ada", None),
        ("/status", "active", "disabled"),
        ("/status_reason", None, "Moving."),
    ]
    assert acts(admin, kept) == ["agent.created", "agent.updated", "agent.disabled"]
    assert acts(admin, stopped) == ["agent.created", "agent.disabled"]
    assert not agent_files.apply(admin, file_of(*entries)).changes_something
    assert acts(admin, kept) == ["agent.created", "agent.updated", "agent.disabled"]
    assert notes(admin) == {None, "Release 12"}


def test_missing_agents_are_deleted_only_on_request(console: Flask, admin: Actor) -> None:
    gone = make_agent(console, admin, name="Gone")

    assert kinds(agent_files.apply(admin, file_of())) == ["missing"]
    assert agent_reads.read(admin, gone)["name"] == "Gone"
    assert agent_files.plan(admin, file_of(), prune=True).deletes == 1
    agent_files.apply(admin, file_of(), prune=True)

    assert agent_files.export(admin)["agents"] == []
    assert agents.restore_deleted(admin, gone) == "Gone"


def test_an_agent_is_found_by_its_external_id_or_a_single_name_and_gets_the_external_id(
    console: Flask, admin: Actor
) -> None:
    by_id = make_agent(console, admin, name="Old name", external_id="x")
    by_name = make_agent(console, admin, name="Named")
    make_agent(console, admin, name="Other", external_id="other")
    entries = [in_file(name="New name", external_id="x"), in_file(name="Named", external_id="y")]

    done = agent_files.apply(admin, file_of(*entries, in_file(name="Other", external_id="z")))

    assert [agent.agent_id for agent in done.agents[:2]] == [by_id, by_name]
    assert kinds(done) == ["changed", "changed", "new", "missing"]
    assert agent_reads.read(admin, by_name)["external_id"] == "y"


def test_a_secret_is_never_in_a_file_and_is_set_kept_or_removed(console: Flask, operator: Actor) -> None:
    secrets = {"env:KEY": CANARY, "env:PASSWORD": f"{CANARY}-2"}
    whole = in_file(external_id="x", secrets={"api_key": "env:KEY", "password": "env:PASSWORD"})

    first = agent_files.apply(operator, file_of(whole, reads=secrets.__getitem__))
    again = agent_files.apply(operator, file_of(whole, reads=secrets.__getitem__))
    kept = agent_files.apply(operator, schema.read(exported(operator).encode()))
    replaced = agent_files.plan(operator, file_of(whole, reads=lambda _: "another-secret-of-mine"))
    removed = agent_files.apply(operator, file_of(in_file(external_id="x", secrets={"api_key": None})))

    assert first.agents[0].secrets == {"/api_key": "set", "/connection_config/password": "set"}
    assert [kinds(one) for one in (again, kept)] == [["same"], ["same"]]
    assert set(replaced.agents[0].secrets.values()) == {"replaced"}
    assert removed.agents[0].secrets == {"/api_key": "removed"}
    assert agent_files.export(operator)["agents"][0]["secrets"] == {"password": "stored"}
    said = [str(plan) for plan in (first, again, kept, replaced, removed)]
    assert CANARY not in str([*said, recorded(operator), exported(operator)])


def test_a_secret_must_be_given_again_for_another_destination(console: Flask, operator: Actor) -> None:
    make_agent(console, operator, connection_config={"password": CANARY}, external_id="x")
    moved = in_file(external_id="x", connection_config={"host": "other.example.org"}, secrets={"password": "stored"})

    found = refused(operator, file_of(moved))
    again = agent_files.apply(operator, file_of({**moved, "secrets": {"password": "env:SAME"}}, reads=lambda _: CANARY))

    assert list(found) == ["/agents/0/secrets/password"]
    assert "destination of the connection has changed" in found["/agents/0/secrets/password"]
    assert again.agents[0].secrets == {"/connection_config/password": "replaced"}


def test_a_moved_secret_is_reported_together_with_what_else_is_wrong_at_every_door(
    console: Flask, operator: Actor
) -> None:
    agent_id = make_agent(console, operator, connection_config={"password": CANARY}, external_id="x")
    wrong = {"environment": "prod", "connection_config": {"host": "other.example.org", "port": 0}}
    moved = in_file(external_id="x", **wrong, secrets={"password": "stored"})

    found = refused(operator, file_of(moved))
    with pytest.raises(InvalidInput) as refusal:
        agents.update(operator, agent_id, wrong)

    places = {"/environment", "/connection_config/port"}
    assert set(found) == {f"/agents/0{one}" for one in places} | {"/agents/0/secrets/password"}
    assert {pointer for pointer, _ in refusal.value.fields} == places | {"/connection_config/password"}


def test_a_new_agent_without_its_secrets_is_incomplete_and_the_plan_says_so(console: Flask, admin: Actor) -> None:
    entries = [
        in_file(name="a", model_provider="openai", secrets={"password": "stored"}),
        {"name": "b", "connection_type": "POWERBI", "connection_config": POWER_BI},
    ]

    done = agent_files.apply(admin, file_of(*entries))

    assert [agent.secrets_to_set for agent in done.agents] == [
        ["/api_key", "/connection_config/password"],
        ["/connection_config/client_secret"],
    ]
    assert all(agent.is_incomplete for agent in done.agents)


def test_an_agent_that_others_changed_after_the_plan_is_planned_again(console: Flask, admin: Actor) -> None:
    agent_id = make_agent(console, admin, external_id="x", owner="Ada")
    planner = agent_files._planner(admin, file_of(in_file(external_id="x", description="From the file")))

    before = steps_of(planner, admin)
    agents.update(admin, agent_id, {"description": "Of someone else"})
    after = steps_of(planner, admin)

    assert [(step.version, step.shown.differences[0].before) for step in (*before, *after)] == [
        (1, None),
        (2, "Of someone else"),
    ]


@pytest.mark.long
def test_a_thousand_agents_are_the_same_in_another_account(console: Flask, admin: Actor) -> None:
    other = make_user(console)
    entries = [
        in_file(
            name=f"Agent {number % 700}",
            external_id=f"x-{number}",
            system_instructions="Line.  \n\n  text\n" * 50 + "End.",
        )
        for number in range(1_000)
    ]
    agent_files.apply(admin, file_of(*entries))

    for form in FileFormat:
        text = exported(admin, form)
        agent_files.apply(other, schema.read(text.encode()))

        assert exported(other, form) == text
    assert kinds(agent_files.plan(other, schema.read(text.encode()))) == ["same"] * 1_000


def test_an_export_is_the_same_text_on_both_databases(console: Flask, admin: Actor) -> None:
    labels = {"team": "finance", "a": "no", "bb": "0123"}
    whole = {"labels": labels, "description": "One.\n\n  Two.", "environment": "production"}
    for name, external_id in (("b", None), ("Z", None), ("a", None), ("y", "2"), ("x", "10")):
        make_agent(console, admin, name=name, external_id=external_id, **whole)
        whole = {}
    agents.disable(admin, UUID(str(agent_files.plan(admin, file_of(in_file(name="a"))).agents[0].agent_id)), MOVING)

    config = "".join(f"      {name}: {value}\n" for name, value in DATABASE.items())
    rest = f"    connection_type: DB\n    connection_config:\n{config}"
    lines = (
        f"format: {FORMAT}\nagents:\n",
        f'  - name: x\n    external_id: "10"\n{rest}',
        f'  - name: "y"\n    external_id: "2"\n{rest}',
        f"  - name: Z\n{rest}",
        f"  - name: a\n    status: disabled\n    status_reason: Moving.\n{rest}",
        "  - name: b\n    description: |-\n      One.\n\n        Two.\n    environment: production\n",
        f'    labels:\n      a: "no"\n      bb: "0123"\n      team: finance\n{rest}',
    )
    assert exported(admin) == "".join(lines)


def test_only_a_person_at_the_terminal_has_variables_and_files(admin: Actor) -> None:
    file = file_of(in_file(secrets={"password": "env:KEY"}), reads=lambda _: CANARY)

    for operation in (agent_files.plan, agent_files.apply):
        with pytest.raises(ValueError, match="Only a person at the terminal"):
            operation(admin, file)


def test_the_form_of_a_file_is_fixed() -> None:
    written = yaml_writing.write({"a": ["x", {"b": "1\n2", "c": " 1\n2\n"}], "d": {}, "no": "Ada: x", "e": None})

    assert written == (
        'a:\n  - x\n  - b: |-\n      1\n      2\n    c: |2\n       1\n      2\nd: {}\n"no": "Ada: x"\ne: null\n'
    )


def steps_of(planner: Any, actor: Actor) -> list[Step]:
    with db.reading() as connection:
        stored = agent_file_rows.known(connection, actor)
        return list(planner.steps(stored, lambda ids: agent_file_rows.rows(connection, actor, ids)))


def acts(actor: Actor, agent_id: UUID) -> list[str]:
    with db.reading() as connection:
        query = sa.select(AgentVersion.action).where(AgentVersion.agent_id == agent_id).order_by(AgentVersion.version)
        return list(connection.scalars(query))


def notes(actor: Actor) -> set[str | None]:
    with db.reading() as connection:
        return set(connection.scalars(sa.select(AgentVersion.note).where(AgentVersion.account_id == actor.account_id)))


def recorded(actor: Actor) -> list[Any]:
    """Everything that versions and events record."""
    with db.reading() as connection:
        rows = connection.execute(sa.select(AgentVersion.snapshot, AgentVersion.changes)).all()
        return [*rows, *connection.execute(sa.select(Event.details)).all()]
