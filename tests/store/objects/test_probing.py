"""An endpoint that ignores conditions is refused, whatever it answers; no other is."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.servers.lossy import (
    FAULTS,
    Fault,
    Lossy,
    Relay,
    honestly,
    stalls_after,
    without_condition,
)
from tests.servers.running import Endpoint

from holdfast.errors import NotAStoreError, UnfitStoreError
from holdfast.store.objects.probing import probe

Lose = Callable[[Endpoint], Lossy]


def test_a_server_that_keeps_its_word_is_fit_and_left_as_it_was(
    server: Endpoint, tmp_path: Path
) -> None:
    store = server.store(server.make_bucket(), tmp_path)
    probe(store)

    assert list(store.list("")) == []


def test_a_server_that_writes_over_what_is_there_is_unfit(s3rver: Endpoint, tmp_path: Path) -> None:
    store = s3rver.store(s3rver.make_bucket(), tmp_path)

    with pytest.raises(
        UnfitStoreError, match="overwrote an object that a write was not to replace"
    ) as caught:
        probe(store)
    assert s3rver.address in str(caught.value)
    assert list(store.list("")) == []


def test_a_server_without_the_protocol_is_unfit(gcs_emulator: Endpoint, tmp_path: Path) -> None:
    with pytest.raises(UnfitStoreError, match=r"does not offer this \(501\)"):
        probe(gcs_emulator.store(gcs_emulator.make_bucket(), tmp_path))


def test_a_bucket_that_is_not_there_is_named(moto: Endpoint, tmp_path: Path) -> None:
    with pytest.raises(NotAStoreError, match=r"s3://nobody-made-it.*does not exist"):
        probe(moto.store("nobody-made-it", tmp_path))


def says_done(relay: Relay) -> None:
    """Do nothing and say it is done."""
    relay.answer(200, [("ETag", '"1"')], b"")


def test_a_proxy_that_strips_conditions_makes_it_unfit(
    moto: Endpoint, lose: Lose, tmp_path: Path
) -> None:
    proxy = lose(moto)
    proxy.next("PUT", "twice", *[without_condition] * 2)

    with pytest.raises(
        UnfitStoreError, match="overwrote an object that a write was not to replace"
    ):
        probe(moto.store(moto.make_bucket(), tmp_path, endpoint=proxy.address))


def test_a_server_that_tells_two_rivals_they_won_is_unfit(
    moto: Endpoint, lose: Lose, tmp_path: Path
) -> None:
    proxy = lose(moto)
    proxy.next("PUT", "race", honestly, says_done)

    with pytest.raises(UnfitStoreError, match="told 2 of 8 writers of one name that they won"):
        probe(moto.store(moto.make_bucket(), tmp_path, endpoint=proxy.address))


def test_a_server_that_forgets_what_it_took_is_unfit(
    moto: Endpoint, lose: Lose, tmp_path: Path
) -> None:
    proxy = lose(moto)
    proxy.next("PUT", "twice", says_done, says_done)

    with pytest.raises(
        UnfitStoreError, match="overwrote an object that a write was not to replace"
    ):
        probe(moto.store(moto.make_bucket(), tmp_path, endpoint=proxy.address))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_lost_answer_makes_no_server_unfit(
    azurite: Endpoint, lose: Lose, tmp_path: Path, fault: Fault
) -> None:
    proxy = lose(azurite)
    proxy.next("PUT", "probe", fault, honestly, fault, honestly, honestly, fault)
    timeout = "300ms" if fault is stalls_after else "30s"  # an honest answer may take its time
    store = azurite.store(azurite.make_bucket(), tmp_path, endpoint=proxy.address, timeout=timeout)
    probe(store)

    assert list(store.list("")) == []
