"""The newest version of each stage, kept as a journal grows: its versions may be thousands."""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from holdfast.core.state import Record, State
from holdfast.gateways.mlflow import entities

Touched = Callable[[State, int, str | None], list[str] | None]
"""Names the versions that entries behind a number, with the digest of that entry, are about;
`None` where that cannot be told at little cost."""
_MOST_ENTRIES: Final = 16


class NewestVersions(Struct, frozen=True):
    """What was found in a state.

    Attributes:
        found: By stage; of production, whether it is live or not.
    """

    seq: int
    head: str | None
    earlier: int
    found: dict[str, Record]

    def shown(self, state: State) -> dict[str, Record]:
        """Return them by stage; of production, the live one, if one is live."""
        if state.production is None:
            return self.found
        return self.found | {"Production": state.versions[state.production]}


def follow(before: NewestVersions | None, state: State, touched: Touched) -> NewestVersions:
    """Return the newest versions of a state, given those of an earlier one."""
    if before is not None and before.head == state.head:
        return before
    versions = None
    is_near = before is not None and 0 < state.seq - before.seq <= _MOST_ENTRIES
    if before is not None and is_near and before.earlier == state.earlier:
        versions = touched(state, before.seq, before.head)
    if before is None or versions is None:
        found = entities.newest(state)
    else:
        changed = [state.versions[version] for version in versions if version in state.versions]
        found = _changed(before.found, state, changed)
    return NewestVersions(state.seq, state.head, state.earlier, found)


def _changed(before: dict[str, Record], state: State, changed: list[Record]) -> dict[str, Record]:
    """Return the newest by stage after some versions changed, and perhaps their stages."""
    numbers = {record.number for record in changed}
    found = {stage: record for stage, record in before.items() if record.number not in numbers}
    seen = [record for record in changed if entities.is_seen(state, record)]
    for record in seen:
        stage = entities.stage_of(record)
        if stage not in found or found[stage].number < record.number:
            found[stage] = record
    for stage, record in before.items():
        if stage not in found or found[stage].number < record.number:  # which left the stage
            found |= _sought(state, stage)
    return found


def _sought(state: State, stage: str) -> dict[str, Record]:
    """Look for the newest version of a stage whose newest one left it."""
    in_stage = (one for one in entities.seen(state) if entities.stage_of(one) == stage)
    record = next(in_stage, None)
    return {} if record is None else {stage: record}
