"""Creating through servers that lose answers: no entry twice, none lost, no needless failure."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.servers.lossy import (
    FAULTS,
    Fault,
    Lossy,
    Relay,
    conflicts_before,
    fails_after,
    fails_before,
    honestly,
    resets_after,
    stalls_after,
)
from tests.servers.running import Endpoint
from tests.store.contract import KEY, PREFIX, race

from holdfast.errors import OutcomeUnknownError, StoreError
from holdfast.store import InDoubtError, TakenError
from holdfast.store.journal import Journal

MODEL = "models/iris"
COMMIT = "c" * 32
OURS, THEIRS = b"our entry", b"a rival's entry"
ENDLESS = 40
SHORT = "300ms"
"""Until an answer that never comes is given up; an honest one may take longer on a busy machine."""
LONG = "30s"

Lose = Callable[[Endpoint], Lossy]


def named(fault: Fault) -> str:
    return fault.__name__


class Line:
    """A store reached over a line that loses answers, and the same one reached directly."""

    def __init__(self, server: Endpoint, proxy: Lossy, folder: Path, timeout: str) -> None:
        bucket = server.make_bucket()
        self.proxy = proxy
        self.store = server.store(bucket, folder, endpoint=proxy.address, timeout=timeout)
        self.journal = Journal(self.store, MODEL)
        self.there = server.store(bucket, folder)

    def lose(self, *faults: Fault) -> None:
        """Let the next attempts to write an entry go wrong."""
        self.proxy.next("PUT", "/journal/", *faults)

    def entries(self) -> dict[str, bytes | None]:
        """Return what really is in the journal."""
        return {name: self.there.read(f"{PREFIX}/{name}") for name in self.there.list(PREFIX)}


@pytest.fixture
def timeout(request: pytest.FixtureRequest) -> str:
    """Return how long an answer is waited for: shortly only where one never comes."""
    call = getattr(request.node, "callspec", None)
    return SHORT if call is not None and stalls_after in call.params.values() else LONG


@pytest.fixture
def line(server: Endpoint, lose: Lose, tmp_path: Path, timeout: str) -> Line:
    return Line(server, lose(server), tmp_path, timeout)


@pytest.fixture
def moto_line(moto: Endpoint, lose: Lose, tmp_path: Path, timeout: str) -> Line:
    return Line(moto, lose(moto), tmp_path, timeout)


@pytest.mark.parametrize("fault", FAULTS, ids=named)
def test_an_entry_is_written_once_whatever_answer_is_lost(line: Line, fault: Fault) -> None:
    line.lose(fault)
    line.journal.append(1, OURS, COMMIT)

    assert line.entries() == {"0000000001.json": OURS}
    assert line.proxy.left == 0


@pytest.mark.parametrize("second", FAULTS, ids=named)
@pytest.mark.parametrize("first", FAULTS, ids=named)
def test_an_entry_is_written_once_when_two_answers_are_lost(
    moto_line: Line, first: Fault, second: Fault
) -> None:
    moto_line.lose(first, second)
    moto_line.journal.append(1, OURS, COMMIT)

    assert moto_line.entries() == {"0000000001.json": OURS}


@pytest.mark.parametrize("fault", FAULTS, ids=named)
def test_a_rivals_entry_is_never_taken_for_ours(line: Line, fault: Fault) -> None:
    line.there.create(KEY, THEIRS)
    line.lose(fault)

    with pytest.raises(TakenError):
        line.journal.append(1, OURS, COMMIT)
    assert line.entries() == {"0000000001.json": THEIRS}


@pytest.mark.parametrize("fault", [fails_before, conflicts_before], ids=named)
def test_a_rival_that_comes_between_two_attempts_wins(line: Line, fault: Fault) -> None:
    def overtaken(relay: Relay) -> None:
        line.there.create(KEY, THEIRS)
        fault(relay)

    line.lose(overtaken)

    with pytest.raises(TakenError):
        line.journal.append(1, OURS, COMMIT)
    assert line.entries() == {"0000000001.json": THEIRS}


def test_the_same_bytes_are_a_rivals_if_no_answer_was_lost(line: Line) -> None:
    line.there.create(KEY, OURS)

    with pytest.raises(TakenError):
        line.store.create(KEY, OURS)


def test_rivals_over_bad_lines_write_one_entry(line: Line) -> None:
    faults = itertools.islice(itertools.cycle([fails_after, honestly, resets_after]), 8)
    line.lose(*faults)

    def rival(number: int) -> Callable[[], object]:
        return lambda: line.journal.append(1, b"rival %d" % number, COMMIT)

    outcomes = race([rival(number) for number in range(8)])

    assert [type(outcome) for outcome in outcomes].count(TakenError) == 7, outcomes
    assert line.entries() == {"0000000001.json": b"rival %d" % outcomes.index(None)}


def test_a_service_that_stays_away_leaves_the_outcome_unknown(moto_line: Line) -> None:
    moto_line.lose(*[fails_before] * ENDLESS)

    with pytest.raises(OutcomeUnknownError, match=COMMIT):
        moto_line.journal.append(1, OURS, COMMIT)
    assert moto_line.entries() == {}


def test_an_entry_that_cannot_be_read_after_a_lost_answer_is_in_doubt(moto_line: Line) -> None:
    moto_line.lose(fails_after, *[conflicts_before] * ENDLESS)
    moto_line.proxy.next("GET", KEY, *[refuses] * ENDLESS)

    with pytest.raises(InDoubtError, match="503"):
        moto_line.store.create(KEY, OURS)
    assert moto_line.entries() == {"0000000001.json": OURS}


def test_conflicts_without_end_are_a_failure_of_the_service(moto_line: Line) -> None:
    moto_line.lose(*[conflicts_before] * ENDLESS)

    with pytest.raises(StoreError, match="others are writing it; call again"):
        moto_line.store.create(KEY, OURS)
    assert moto_line.entries() == {}


def test_a_refusal_is_told_at_once(moto_line: Line) -> None:
    moto_line.lose(refuses)

    with pytest.raises(StoreError, match="denied permission"):
        moto_line.journal.append(1, OURS, COMMIT)
    assert [method for method, _path in moto_line.proxy.log].count("PUT") == 1


def test_an_endpoint_that_is_not_there_is_no_doubt(moto: Endpoint, tmp_path: Path) -> None:
    store = moto.store("holdfast", tmp_path, endpoint="http://127.0.0.1:1")

    with pytest.raises(StoreError, match="cannot be reached; check the network") as caught:
        store.create(KEY, OURS)
    assert not isinstance(caught.value, InDoubtError)


def test_a_created_object_costs_one_request(line: Line) -> None:
    line.journal.append(1, OURS, COMMIT)

    assert [method for method, _path in line.proxy.log] == ["PUT"]
    assert line.store.wire.requests == {"create": 1}


@pytest.mark.parametrize(
    "fault", [fails_after, resets_after, stalls_after, fails_before], ids=named
)
def test_a_replaced_object_is_replaced_whatever_answer_is_lost(line: Line, fault: Fault) -> None:
    line.lose(fault)
    line.store.replace(KEY, OURS)

    assert line.there.read(KEY) == OURS


@pytest.mark.parametrize("fault", [fails_after, fails_before], ids=named)
def test_a_tagged_object_is_replaced_whatever_answer_is_lost(line: Line, fault: Fault) -> None:
    line.there.create(KEY, b"old")
    tagged_object = line.store.tagged(KEY) or (b"", "")
    line.lose(fault)

    assert line.store.replace_tagged(KEY, OURS, tagged_object[1])
    assert line.there.read(KEY) == OURS


STEPS = {
    "s3": [("POST", "?uploads"), ("PUT", "partNumber=2"), ("POST", "?uploadId")],
    "gs": [("POST", "?uploads"), ("PUT", "partNumber=2"), ("POST", "?uploadId")],
    "az": [("PUT", "comp=block&"), ("PUT", "comp=block&"), ("PUT", "comp=blocklist")],
}
"""The requests of an upload in parts: the first, one between, and the last."""


@pytest.mark.parametrize("fault", [fails_after, fails_before, resets_after], ids=named)
@pytest.mark.parametrize("step", range(3), ids=["first", "between", "last"])
def test_a_large_file_arrives_whatever_answer_is_lost(
    line: Line, source: Path, step: int, fault: Fault
) -> None:
    source.write_bytes(b"weights!" * (3 << 20))
    line.proxy.next(*STEPS[line.store.wire.bucket.kind][step], fault)
    blob = line.store.ingest(source, "blobs/sha256", None)

    assert line.there.size(f"blobs/sha256/{blob.sha256}") == blob.size_bytes
    assert list(line.there.list("blobs/sha256")) == [blob.sha256]
    assert line.proxy.left == 0


def refuses(relay: Relay) -> None:
    """Do nothing, for the caller may not."""
    relay.answer(403, [], b"<Error><Code>AccessDenied</Code></Error>")
