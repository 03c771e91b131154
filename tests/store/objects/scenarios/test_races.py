"""Sixteen writers for one name, each with a store of its own: one wins, and its bytes stay.

moto is no judge of this: it looks and then writes, with no lock between.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.servers.running import Endpoint
from tests.store.contract import PREFIX, race

from holdfast.store import TakenError
from holdfast.store.objects.object_store import ObjectStore

WRITERS = 16
FEW, MANY = 20, 200


def writer(store: ObjectStore, key: str, number: int) -> Callable[[], object]:
    return lambda: store.create(key, b"writer %d" % number)


def unfair(server: Endpoint, folder: Path, rounds: int) -> list[tuple[str, object]]:
    """Return the rounds in which not exactly one won and stayed."""
    bucket = server.make_bucket()
    stores = [server.store(bucket, folder) for _ in range(WRITERS)]
    wrong: list[tuple[str, object]] = []
    for turn in range(1, rounds + 1):
        key = f"{PREFIX}/{turn:010d}.json"
        outcomes = race([writer(store, key, number) for number, store in enumerate(stores)])
        winners = [number for number, outcome in enumerate(outcomes) if outcome is None]
        losers = [outcome for outcome in outcomes if isinstance(outcome, TakenError)]
        stayed = stores[0].read(key)
        has_one_winner = (len(winners), len(losers)) == (1, WRITERS - 1)
        if not has_one_winner or stayed != b"writer %d" % winners[0]:
            wrong.append((key, outcomes))
    return wrong


def test_one_of_sixteen_wins(azurite: Endpoint, tmp_path: Path) -> None:
    assert unfair(azurite, tmp_path, FEW) == []


@pytest.mark.long
@pytest.mark.parametrize("name", ["azurite", "localstack", "ceph_gateway"])
def test_one_of_sixteen_wins_every_time(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    assert unfair(request.getfixturevalue(name), tmp_path, MANY) == []
