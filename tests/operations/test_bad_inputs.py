"""Operations refuse every bad value of an agent. The tests of the doors use the same table."""

import pytest
from flask import Flask

from agents_app.errors import InvalidInput
from agents_app.operations import agent_reads, agents
from agents_app.operations.read_only_members import SENTENCES
from agents_app.schemas import listing
from agents_app.values.choices import ConnectionType
from tests.bad_inputs import BAD_AGENTS, Bad
from tests.make import make_agent, make_user


@pytest.mark.parametrize("bad", BAD_AGENTS, ids=lambda bad: bad.name)
def test_a_new_agent_with_a_bad_value_is_refused_with_every_sentence(app: Flask, bad: Bad) -> None:
    maker = make_user(app)

    with pytest.raises(InvalidInput) as refusal:
        agents.create(maker, bad.values)

    assert sorted(refusal.value.fields) == sorted(bad.refused)
    assert agent_reads.listing(maker, listing.parse({})).items == []


@pytest.mark.parametrize("bad", [bad for bad in BAD_AGENTS if not bad.name.startswith("no ")], ids=lambda bad: bad.name)
def test_a_change_to_a_bad_value_is_refused_with_every_sentence(app: Flask, bad: Bad) -> None:
    maker = make_user(app)
    kind = bad.values["connection_type"] if bad.values["connection_type"] in list(ConnectionType) else "DB"
    agent_id = make_agent(app, maker, connection_type=kind)

    with pytest.raises(InvalidInput) as refusal:
        agents.update(maker, agent_id, bad.values)

    # Of what only the console sets, a change says that it differs.
    refused = [(pointer, SENTENCES.get(pointer.removeprefix("/"), sentence)) for pointer, sentence in bad.refused]
    assert sorted(refusal.value.fields) == sorted(refused)
    assert agent_reads.read(maker, agent_id)["version"] == 1


def test_an_ipv6_address_is_stored_without_its_brackets(app: Flask) -> None:
    maker = make_user(app)

    for text in ("[::1]", "::1", " [0:0:0:0:0:0:0:1] "):
        agent_id = make_agent(app, maker, connection_config={"host": text})
        assert agent_reads.read(maker, agent_id)["connection_config"]["host"] == "::1"
