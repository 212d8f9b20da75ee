"""Helpers that say which stored agent each agent of a file is: by its external id, else by a name that is single."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from agents_app.schemas.agent_files import Entry, Problems
from agents_app.values.text import to_nfc
from agents_app.wording import number_text

HAS_EXTERNAL_ID = (
    "An agent of this console has this name and the external ID {external_id}. Write external_id: {external_id} if it "
    + "is the same agent, and another external_id or name if it is not."
)
NOT_SINGLE = (
    "{count} agents of this console have this name and no external ID, so it is not known which one is meant. Give "
    + "each an external ID there, and write it here."
)
TWICE_IN_FILE = "{count} agents of this file have this name and no external_id. Write an external_id for each of them."
SAME_EXTERNAL_ID = "Another agent of this file, at {place}, has the same external_id."


@dataclass(frozen=True)
class Known:
    """What is known of a stored agent to find it."""

    id: UUID
    external_id: str | None
    name: str
    version: int


def match(entries: Sequence[Entry], stored: Sequence[Known], problems: Problems) -> dict[str, UUID | None]:
    """The id of the stored agent for the place of each entry, None for a new agent. Refused entries are left out."""
    by_external_id = {agent.external_id: agent for agent in stored if agent.external_id}
    by_name: dict[str, list[Known]] = {}
    for agent in stored:
        by_name.setdefault(to_nfc(agent.name), []).append(agent)
    names = Counter(entry.name for entry in entries if not entry.external_id)
    found: dict[str, UUID | None] = {}
    places: dict[str, str] = {}
    for entry in entries:
        if entry.external_id and entry.external_id in places:
            sentence = SAME_EXTERNAL_ID.format(place=places[entry.external_id])
            problems.append((f"{entry.place}/external_id", sentence))
            continue
        if entry.external_id:
            places[entry.external_id] = entry.place
        if entry.external_id in by_external_id:
            found[entry.place] = by_external_id[entry.external_id].id
        elif entry.name is not None and (sentence := _why_not(entry, names, by_name.get(entry.name, []))):
            problems.append((f"{entry.place}/name", sentence))
        else:
            found[entry.place] = _by_name(by_name.get(entry.name or "", []))
    _refuse_two_of_one(entries, found, problems)
    return found


def _why_not(entry: Entry, names: Counter[str | None], named: list[Known]) -> str:
    """Why the name of an entry does not say which agent it is. Empty if it does."""
    without = sum(not agent.external_id for agent in named)
    if not entry.external_id and names[entry.name] > 1:
        return TWICE_IN_FILE.format(count=number_text(names[entry.name]))
    if without > 1:
        return NOT_SINGLE.format(count=number_text(without))
    other = next((agent for agent in named if agent.external_id), None)
    if not entry.external_id and not without and other:
        return HAS_EXTERNAL_ID.format(external_id=other.external_id)
    return ""


def _by_name(named: list[Known]) -> UUID | None:
    return next((agent.id for agent in named if not agent.external_id), None)


def _refuse_two_of_one(entries: Sequence[Entry], found: dict[str, UUID | None], problems: Problems) -> None:
    """Refuse the second entry that was matched, by its name, with the agent of another entry."""
    places: dict[UUID, str] = {}
    for entry in entries:
        agent_id = found.get(entry.place)
        if agent_id in places:
            del found[entry.place]
            sentence = f"The agent at {places[agent_id]} has this name too, and both would be the same agent here."
            problems.append((f"{entry.place}/name", f"{sentence} Write the external_id that the agent has here."))
        elif agent_id:
            places[agent_id] = entry.place
