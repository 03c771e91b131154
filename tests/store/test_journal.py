"""Entries created once, in order."""

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from io import BufferedReader
from itertools import islice
from pathlib import Path

import pytest
from tests.store.chain import COMMIT, MODEL, chain, far_entry
from tests.store.contract import race

from holdfast.errors import DamagedError, OutcomeUnknownError, StoreError
from holdfast.store import InDoubtError, Item, Store, TakenError, layout
from holdfast.store.journal import Journal
from holdfast.store.local import LocalStore

PREFIX = layout.model(MODEL)
SLOT = f"{PREFIX}/journal/0000000001.json"
FIRST, SECOND, THIRD = islice(chain(), 3)
RIVAL = b"a rival's entry"

Answer = Callable[[LocalStore, str, bytes], None]


class FaultyStore:
    """A store whose answers to `create` are scripted; when the script ends it answers honestly.

    Args:
        store: Where what is really stored is stored.
        script: What happens at the first, second, ... creation.
        reading: Raised by every reading.
        passed_over: Names that a listing does not show.
    """

    def __init__(
        self,
        store: LocalStore,
        script: Sequence[Answer] = (),
        reading: OSError | None = None,
        passed_over: Collection[str] = (),
    ) -> None:
        self._store = store
        self._script = iter(script)
        self._reading = reading
        self._passed_over = passed_over
        self.traits = store.traits
        self.tried: list[tuple[str, bytes]] = []

    def open(self, key: str) -> BufferedReader:
        if self._reading is not None:
            raise self._reading
        return self._store.open(key)

    def create(self, key: str, data: bytes) -> None:
        self.tried.append((key, data))
        next(self._script, honestly)(self._store, key, data)

    def replace(self, key: str, data: bytes) -> None:
        self._store.replace(key, data)

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        names = self._store.list(prefix, after)
        return (name for name in names if name not in self._passed_over)

    def items(self, prefix: str, after: str = "") -> Iterator[Item]:
        return self._store.items(prefix, after)

    def delete(self, key: str) -> None:
        self._store.delete(key)


def honestly(store: LocalStore, key: str, data: bytes) -> None:
    store.create(key, data)


def stores_and_fails(store: LocalStore, key: str, data: bytes) -> None:
    store.create(key, data)
    raise StoreError(key, "the answer was lost")


def stores_and_says_taken(store: LocalStore, key: str, data: bytes) -> None:
    store.create(key, data)
    raise TakenError(key)


def fails(_store: LocalStore, key: str, _data: bytes) -> None:
    raise StoreError(key, "the disk is on fire")


def says_taken(_store: LocalStore, key: str, _data: bytes) -> None:
    raise TakenError(key)


def loses_to_a_rival(store: LocalStore, key: str, _data: bytes) -> None:
    store.create(key, RIVAL)
    raise TakenError(key)


def loses_to_a_rival_and_fails(store: LocalStore, key: str, _data: bytes) -> None:
    store.create(key, RIVAL)
    raise StoreError(key, "the answer was lost")


@pytest.fixture
def journal(store: LocalStore) -> Journal:
    return Journal(store, PREFIX)


def filled(store: Store, count: int) -> Journal:
    """Return a journal with entries 1 to *count*."""
    journal = Journal(store, PREFIX)
    for seq, written in enumerate(islice(chain(), count), start=1):
        journal.append(seq, written.raw, COMMIT)
    return journal


def overwrite(store: LocalStore, key: str, data: bytes) -> None:
    store.delete(key)
    store.create(key, data)


def test_an_entry_is_a_file_of_its_number(store: LocalStore, journal: Journal) -> None:
    journal.append(1, FIRST.raw, COMMIT)

    assert store.read(SLOT) == FIRST.raw
    assert journal.slot(1) == SLOT


def test_entries_are_read_by_their_number(store: LocalStore) -> None:
    journal = filled(store, 2)

    assert [journal.read(seq) for seq in (1, 2, 3)] == [FIRST.raw, SECOND.raw, None]


def test_an_entry_that_cannot_be_read_is_told_from_one_that_is_not_there(
    store: LocalStore, journal: Journal
) -> None:
    Path(store.path(SLOT)).mkdir(parents=True)

    with pytest.raises(
        DamagedError,
        match=r"models/iris/journal/0000000001\.json cannot be read: is a folder, not a file",
    ):
        journal.read(1)


def test_the_last_entry_of_an_empty_journal_is_none(journal: Journal) -> None:
    assert journal.tail() == 0


def test_the_last_entry_is_the_highest_number(store: LocalStore) -> None:
    assert filled(store, 12).tail() == 12


@pytest.mark.parametrize("missing", [1, 2, 4])
def test_a_gap_is_damage_and_named(store: LocalStore, missing: int) -> None:
    journal = filled(store, 5)
    store.delete(journal.slot(missing))

    with pytest.raises(
        DamagedError, match=rf"000000000{missing}\.json is missing from the journal"
    ):
        journal.tail()


def test_the_first_of_several_gaps_is_named(store: LocalStore) -> None:
    journal = filled(store, 5)
    for seq in (4, 2):
        store.delete(journal.slot(seq))

    with pytest.raises(DamagedError, match=r"0000000002\.json"):
        journal.tail()


def test_a_file_numbered_zero_hides_no_gap(store: LocalStore) -> None:
    journal = filled(store, 2)
    store.delete(journal.slot(1))
    store.create(f"{PREFIX}/journal/0000000000.json", b"")

    with pytest.raises(DamagedError, match=r"0000000001\.json"):
        journal.tail()


def test_an_entry_that_a_listing_passes_over_is_no_gap(store: LocalStore) -> None:
    filled(store, 5)
    blinking = FaultyStore(store, passed_over=["0000000002.json", "0000000004.json"])

    assert Journal(blinking, PREFIX).tail() == 5


def test_files_of_others_are_no_entries(store: LocalStore) -> None:
    journal = filled(store, 2)
    for name in (".tmp-1-ab", "README", "0000000000.json", "00000000003.json", "0000000003.json~"):
        Path(store.path(f"{PREFIX}/journal/{name}")).touch()

    assert journal.tail() == 2


def test_as_many_files_as_entries_hide_no_gap(store: LocalStore) -> None:
    journal = filled(store, 3)
    store.delete(journal.slot(2))
    store.create(f"{PREFIX}/journal/0000000002.jsonx", b"{}")

    with pytest.raises(DamagedError, match=r"0000000002\.json is missing"):
        journal.tail()


def test_the_mark_of_signatures_is_no_entry(store: LocalStore) -> None:
    journal = filled(store, 3)
    journal.seal()

    assert journal.tail() == 3


def test_numbers_of_more_than_ten_digits_are_higher(journal: Journal) -> None:
    for seq in (9_999_999_999, 10_000_000_000):
        journal.append(seq, far_entry(seq).raw, COMMIT)

    with pytest.raises(DamagedError, match=r"0000000001\.json"):
        journal.tail()
    assert journal.read(10_000_000_000) == far_entry(10_000_000_000).raw


def test_a_taken_place_is_told_and_kept(journal: Journal) -> None:
    journal.append(1, RIVAL, COMMIT)

    with pytest.raises(TakenError):
        journal.append(1, FIRST.raw, COMMIT)
    assert journal.read(1) == RIVAL


def test_appending_the_same_entry_again_changes_nothing(journal: Journal) -> None:
    journal.append(1, FIRST.raw, COMMIT)
    journal.append(1, FIRST.raw, COMMIT)

    assert journal.tail() == 1


def test_of_rivals_for_a_place_one_gets_it(journal: Journal) -> None:
    def rival(number: int) -> Callable[[], object]:
        return lambda: journal.append(1, b"rival %d" % number, COMMIT)

    outcomes = race([rival(number) for number in range(8)])

    assert sorted(map(str, map(type, outcomes))) == sorted(
        [str(type(None))] + [str(TakenError)] * 7
    )
    assert journal.read(1) == b"rival %d" % outcomes.index(None)


@pytest.mark.parametrize("answer", [stores_and_fails, stores_and_says_taken])
def test_a_lost_answer_is_a_success(store: LocalStore, answer: Answer) -> None:
    faulty = FaultyStore(store, [answer])
    journal = Journal(faulty, PREFIX)
    journal.append(1, FIRST.raw, COMMIT)

    assert (journal.read(1), journal.tail()) == (FIRST.raw, 1)
    assert set(faulty.tried) == {(SLOT, FIRST.raw)}


@pytest.mark.parametrize("answer", [loses_to_a_rival, loses_to_a_rival_and_fails])
def test_a_rivals_entry_is_a_lost_race_whatever_the_answer(
    store: LocalStore, answer: Answer
) -> None:
    faulty = FaultyStore(store, [answer])
    journal = Journal(faulty, PREFIX)

    with pytest.raises(TakenError):
        journal.append(1, FIRST.raw, COMMIT)
    assert (journal.read(1), journal.tail()) == (RIVAL, 1)
    assert faulty.tried == [(SLOT, FIRST.raw)]


def test_a_failure_before_storing_is_told_and_leaves_the_place_free(store: LocalStore) -> None:
    journal = Journal(FaultyStore(store, [fails]), PREFIX)

    with pytest.raises(StoreError, match="the disk is on fire"):
        journal.append(1, FIRST.raw, COMMIT)
    assert journal.tail() == 0
    journal.append(1, SECOND.raw, COMMIT)
    assert journal.read(1) == SECOND.raw


def test_what_may_still_come_to_be_written_is_an_unknown_outcome(store: LocalStore) -> None:
    def may_come(_store: LocalStore, key: str, _data: bytes) -> None:
        raise InDoubtError(key, "did not answer in time")

    faulty = FaultyStore(store, [may_come])

    with pytest.raises(OutcomeUnknownError, match=f"may or may not hold commit {COMMIT}"):
        Journal(faulty, PREFIX).append(1, FIRST.raw, COMMIT)
    assert faulty.tried == [(SLOT, FIRST.raw)]


def test_taken_while_nobody_is_there_means_the_same_place_once_more(store: LocalStore) -> None:
    faulty = FaultyStore(store, [says_taken])
    journal = Journal(faulty, PREFIX)
    journal.append(1, FIRST.raw, COMMIT)

    assert faulty.tried == [(SLOT, FIRST.raw)] * 2
    assert (journal.read(1), journal.tail()) == (FIRST.raw, 1)


@pytest.mark.parametrize(
    "answers",
    [
        [says_taken] * 10,
        [stores_and_fails, *[fails] * 9],
        [says_taken, stores_and_fails, *[fails] * 8],
    ],
)
def test_doubt_that_does_not_end_is_an_outcome_of_its_own(
    store: LocalStore, answers: list[Answer]
) -> None:
    faulty = FaultyStore(store, answers)

    with pytest.raises(OutcomeUnknownError) as caught:
        Journal(faulty, PREFIX).append(1, FIRST.raw, COMMIT)
    assert (caught.value.slot, caught.value.commit) == (SLOT, COMMIT)
    assert faulty.tried == [(SLOT, FIRST.raw)] * 3


@pytest.mark.parametrize("answer", [stores_and_fails, fails, says_taken])
def test_a_place_that_cannot_be_read_after_a_doubt_is_an_unknown_outcome(
    store: LocalStore, answer: Answer
) -> None:
    faulty = FaultyStore(store, [answer], reading=OSError(5, "Input/output error"))

    with pytest.raises(OutcomeUnknownError, match=f"may or may not hold commit {COMMIT}"):
        Journal(faulty, PREFIX).append(1, FIRST.raw, COMMIT)
    assert faulty.tried == [(SLOT, FIRST.raw)]


@pytest.mark.parametrize(
    "answer",
    [stores_and_fails, stores_and_says_taken, fails, says_taken, loses_to_a_rival],
)
def test_no_answer_leads_to_the_next_place(store: LocalStore, answer: Answer) -> None:
    faulty = FaultyStore(store, [answer] * 10)
    with contextlib.suppress(TakenError, StoreError, OutcomeUnknownError):
        Journal(faulty, PREFIX).append(1, FIRST.raw, COMMIT)

    assert {key for key, _data in faulty.tried} == {SLOT}
    assert set(store.list(f"{PREFIX}/journal")) <= {"0000000001.json"}
