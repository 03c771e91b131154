"""Heads kept elsewhere: a journal that was cut, rewritten or put back is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.registry import disk
from tests.registry.conftest import Clock, Grow

import holdfast
from holdfast import Registry
from holdfast.errors import DamagedError, InvalidInputError, NotFoundError

JOURNAL = "models/iris/journal"
Opened = Callable[..., Registry]


@pytest.fixture
def moved(registry: Registry, grow: Grow) -> Registry:
    """A registry whose iris 1.1.0 is live, promoted over 1.0.0 in entry 4."""
    grow(2)
    registry.promote("iris@1.0.0")
    registry.promote("iris@1.1.0")
    return registry


def _pinned(store: Path, pin: str) -> Registry:
    return holdfast.open(store, by="ann", clock=Clock(), pins={"iris": pin})


def test_a_move_tells_the_head_after_it(moved: Registry) -> None:
    done = moved.rollback("iris")

    assert done.head == str(moved.heads("iris")[0])
    assert str(done.head).startswith("5:")
    assert moved.promote("iris@1.0.0").head == done.head


def test_all_heads_are_told_at_once(moved: Registry, grow: Grow) -> None:
    grow(1, "rose")

    heads = moved.heads()

    assert [(head.model, head.seq) for head in heads] == [("iris", 4), ("rose", 1)]
    with pytest.raises(NotFoundError):
        moved.heads("lily")


def test_a_journal_that_went_on_has_the_pinned_head(moved: Registry, store: Path) -> None:
    pin = str(moved.heads("iris")[0])
    moved.rollback("iris")

    pinned = _pinned(store, pin)

    assert pinned.status("iris").live is not None
    assert pinned.promote("iris@1.1.0").changed
    assert moved.verify("iris", head=pin).whole


Spoil = Callable[[Path], object]


def _cut(store: Path) -> None:
    (store / JOURNAL / "0000000004.json").unlink()


def _rewrite(store: Path) -> None:
    path = store / JOURNAL / "0000000004.json"
    disk.overwrite(path, disk.sealed(path.read_bytes().replace(b'"by":"ann"', b'"by":"eve"')))


def _rewrite_all(store: Path) -> None:
    """Write another history of the same length, by the rules."""
    disk.remove(store / "models" / "iris")
    (store / "known" / "iris.json").unlink()
    eve = holdfast.open(store, by="eve", clock=Clock())
    (store / "m.txt").write_text("evil")
    made = eve.register("iris", store / "m.txt")
    eve.promote(made)
    for turn in range(3):
        eve.note(made, f"{turn}")


SPOILS: dict[str, Spoil] = {"cut": _cut, "rewritten": _rewrite, "replaced": _rewrite_all}


@pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS)
@pytest.mark.parametrize("projection", ["kept", "gone"])
def test_a_spoiled_journal_is_refused_by_whoever_pinned_its_head(
    moved: Registry, store: Path, spoil: Spoil, projection: str
) -> None:
    pin = str(moved.heads("iris")[0])
    spoil(store)
    if projection == "gone":
        (store / "models" / "iris" / "active_version.json").unlink()

    readers: tuple[Callable[[Registry], object], ...] = (
        lambda registry: registry.status("iris"),
        lambda registry: registry.load("iris@production"),
        lambda registry: registry.promote("iris@1.0.0"),
    )
    for read in readers:
        with pytest.raises(DamagedError):
            read(_pinned(store, pin))
    assert not _vouched(store, pin)


def _vouched(store: Path, pin: str) -> bool:
    try:
        return holdfast.open(store).verify("iris", head=pin).whole
    except DamagedError:  # the witness speaks first
        return False


def test_without_a_pin_a_cut_tail_is_not_seen_once_its_witness_is_gone(
    moved: Registry, store: Path
) -> None:
    _cut(store)
    (store / "models" / "iris" / "active_version.json").unlink()

    assert holdfast.open(store).verify().whole
    assert moved.location == store


def test_an_older_copy_of_the_whole_store_is_refused(
    moved: Registry, store: Path, tmp_path: Path
) -> None:
    older = disk.copy(store, tmp_path / "older")
    moved.rollback("iris", reason="errors doubled")
    pin = str(moved.heads("iris")[0])

    assert holdfast.open(older).verify().whole
    with pytest.raises(DamagedError, match="ends at entry 4, but the head 5:"):
        _pinned(older, pin).status("iris")
    verification = holdfast.open(older).verify("iris", head=pin)
    assert [damage.subject for damage in verification.damages] == ["journal of iris"]


def test_a_pin_is_held_against_the_journal_and_not_against_a_fold(
    registry: Registry, store: Path, grow: Grow
) -> None:
    grow(1)
    for turn in range(260):
        registry.tag("iris@1.0.0", {"turn": str(turn)})
    pin = str(registry.heads("iris")[0]).replace("261:", "2:")

    with pytest.raises(DamagedError, match=r"0000000002\.json is sha256:"):
        _pinned(store, pin).status("iris")


def test_a_store_that_is_gone_has_no_pinned_model(moved: Registry, tmp_path: Path) -> None:
    pin = str(moved.heads("iris")[0])

    with pytest.raises(NotFoundError):
        _pinned(tmp_path / "empty", pin).status("iris")


def test_nothing_is_registered_in_place_of_a_pinned_journal(
    moved: Registry, store: Path, tmp_path: Path
) -> None:
    pin = str(moved.heads("iris")[0])
    disk.remove(store / "models" / "iris")
    (tmp_path / "m.txt").write_text("evil")

    with pytest.raises(DamagedError, match="ends at entry 0"):
        _pinned(store, pin).register("iris", tmp_path / "m.txt")


def test_a_pin_of_another_model_binds_nobody(moved: Registry, store: Path) -> None:
    rose = {"rose": str(moved.heads("iris")[0])}

    assert holdfast.open(store, pins=rose).status("iris").live is not None


def test_a_head_is_asked_of_a_model_and_well_written(moved: Registry, store: Path) -> None:
    pin = str(moved.heads("iris")[0])

    with pytest.raises(InvalidInputError, match="needs a model"):
        moved.verify(head=pin)
    with pytest.raises(InvalidInputError, match="is not SEQ:SHA256"):
        moved.verify("iris", head="4")
    with pytest.raises(InvalidInputError, match="is not SEQ:SHA256"):
        _pinned(store, "newest")
