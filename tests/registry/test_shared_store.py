"""One opened registry, used by several threads in the names of several people."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.registry.conftest import Text

import holdfast
from holdfast import Registry
from holdfast.core.auth import Auth
from holdfast.errors import ConflictError, HoldfastError, StoreError

ANA = Auth("u_ana", "session", "person")
BO = Auth("u_bo", "token:1a2b", "person", claimed="root")


def together(count: int, act: Callable[[int], object]) -> list[object]:
    """Have *count* threads act at the same moment; errors are results."""
    barrier = threading.Barrier(count)

    def run(number: int) -> object:
        barrier.wait(30)
        try:
            return act(number)
        except HoldfastError as error:
            return error

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(run, range(count)))


def test_each_writes_in_a_name_of_their_own(registry: Registry, text: Text) -> None:
    ana, bo = registry.acting_as("ana", ANA), registry.acting_as("bo", BO)

    ana.register("iris", text("one"))
    bo.note("iris@1.0.0", "seen")

    lines = [(past.by, past.auth) for past in registry.history("iris")]
    assert lines == [("ana", ANA), ("bo", BO)]


def test_what_one_wrote_the_other_sees_without_reading_it_again(
    registry: Registry, text: Text
) -> None:
    ana, bo = registry.acting_as("ana", ANA), registry.acting_as("bo", BO)
    ana.register("iris", text("one"))

    assert ana._session.ledger("iris") is bo._session.ledger("iris")
    assert bo.resolve("iris@latest").registered_by == "ana"


def test_a_store_that_is_not_there_yet_is_made_once_by_whoever_comes_first(
    store: Path, text: Text
) -> None:
    registry = holdfast.open(store)
    files = [text(f"m{number}") for number in range(4)]

    done = together(
        4, lambda number: registry.acting_as(f"u{number}", ANA).register("iris", files[number])
    )

    assert not [error for error in done if isinstance(error, HoldfastError)]
    assert len(registry.versions("iris")) == 4
    assert holdfast.open(store).verify().damages == ()


def test_threads_that_write_one_model_lose_nothing(registry: Registry, text: Text) -> None:
    registry.register("iris", text("one"))

    done = together(
        8, lambda number: registry.acting_as(f"u{number}", ANA).note("iris@1.0.0", f"n{number}")
    )

    notes = registry._session.find("iris@1.0.0")[1].notes
    assert not [error for error in done if isinstance(error, HoldfastError)]
    assert sorted(notes) == [f"n{number}" for number in range(8)]
    assert {past.by for past in registry.history("iris", last=8)} == {f"u{n}" for n in range(8)}


def test_of_threads_that_expect_the_same_one_wins(registry: Registry, text: Text) -> None:
    refs = [registry.register("iris", text(f"m{number}")).ref for number in range(7)]
    registry.promote(refs[0])

    done = together(
        6, lambda number: registry.acting_as("x", ANA).promote(refs[number + 1], expect="1.0.0")
    )

    assert len([moved for moved in done if not isinstance(moved, ConflictError)]) == 1


def test_readers_see_whole_states_while_others_write(registry: Registry, text: Text) -> None:
    registry.register("iris", text("one"))

    def act(number: int) -> object:
        if number < 2:
            return [registry.acting_as("x", ANA).note("iris@1.0.0", "n") for _ in range(20)][-1]
        return [len(registry.history("iris")) for _ in range(20)]

    done = together(6, act)

    for counts in done[2:]:
        assert isinstance(counts, list)
        assert counts == sorted(counts)
    assert len(registry.history("iris")) == 41


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_waits_for_no_thread_of_its_parent(registry: Registry, text: Text) -> None:
    registry.register("iris", text("one"))
    shared, ledger = registry._session._shared, registry._session.ledger("iris")
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with shared._lock, ledger._reading, ledger._writing:
            held.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    child = os.fork()
    if not child:  # pragma: no cover - another process
        try:
            registry.note("iris@1.0.0", "from the child")
        except BaseException:  # noqa: BLE001 - a child must never run the parent's tests
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    done.set()
    thread.join()

    assert status == 0
    assert registry._session.find("iris@1.0.0")[1].notes == ("from the child",)


def test_a_store_of_a_given_id_is_made_once(store: Path, tmp_path: Path) -> None:
    source = holdfast.open(store)
    source.init()
    target = holdfast.open(tmp_path / "backup")
    source.backup(target)
    source.backup(target)

    assert target.identity == source.identity


def test_all_who_act_on_it_share_one_folder_for_what_passes(registry: Registry) -> None:
    views = [registry.acting_as(f"u{number}", ANA)._session for number in range(3)]

    assert len({session.scratch() for session in [*views, registry._session]}) == 1


def test_a_store_that_nobody_made_is_refused_to_readers_alone(store: Path) -> None:
    registry = holdfast.open(store).acting_as("ana", ANA)

    with pytest.raises(StoreError, match="is not a store yet"):
        registry.identity  # noqa: B018 - asked for its refusal
    registry.init()
    assert registry.identity
