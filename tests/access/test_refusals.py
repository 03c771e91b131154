"""Refusals and sign-ins: batched, bounded, wording later, and without secrets."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.access.conftest import NOON

from holdfast.access import refusals as module
from holdfast.access.refusals import Refusals
from holdfast.access.tokens import mint
from holdfast.store import BlobStore

DAY = "2026-03-01"


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def refusals(store: BlobStore, clock: Callable[[], datetime]) -> Refusals:
    return Refusals(store, "web-1", clock)


def test_reports_are_written_in_one_file_and_read_again(
    refusals: Refusals, store: BlobStore, folder: Path, clock: Clock
) -> None:
    refusals.record("refused", "bo may not", user="u_bo", by="bo", verb="promote", model="iris")
    refusals.record("sign_in_failed", "token has expired", address="203.0.113.9", request="r1")
    waiting = list(refusals.read(DAY))

    assert refusals.flush() == 2
    assert refusals.flush() == 0
    files = [path.name for path in (folder / "access/refusals" / DAY).iterdir()]
    assert files == ["web-1-1.ndjson"]
    again = list(Refusals(store, "other", clock).read(DAY))
    assert again == waiting == list(refusals.read(DAY))
    assert [(report.what, report.user, report.address) for report in again] == [
        ("refused", "u_bo", None),
        ("sign_in_failed", None, "203.0.113.9"),
    ]


def test_a_restarted_server_writes_beside_what_is_there(
    refusals: Refusals, store: BlobStore, clock: Clock
) -> None:
    refusals.record("refused", "one")
    refusals.flush()
    again = Refusals(store, "web-1", clock)
    again.record("refused", "two")
    again.flush()

    assert [report.why for report in again.read(DAY)] == ["one", "two"]


def test_midnight_parts_a_batch(refusals: Refusals, folder: Path, clock: Clock) -> None:
    refusals.record("refused", "one")
    clock.now = NOON + timedelta(days=1)
    refusals.record("refused", "two")
    refusals.flush()

    days = sorted(path.name for path in (folder / "access/refusals").iterdir())
    assert days == ["2026-03-01", "2026-03-02"]


def test_a_full_batch_is_written_at_once(refusals: Refusals, folder: Path) -> None:
    for number in range(200):
        refusals.record("refused", str(number))

    assert len(list((folder / "access/refusals" / DAY).iterdir())) == 1


def test_secrets_and_what_steers_a_terminal_do_not_get_in(refusals: Refusals) -> None:
    secret = mint("p", b"\7" * 32).secret
    refusals.record("refused", f"a\nb\x1b[2J {secret}", by="x" * 5000, model=secret)

    report = next(refusals.read(DAY))
    assert report.why == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}[2J hft_p_…"
    assert report.model == "hft_p_…"
    assert report.by == "x" * 500


def test_a_store_that_takes_nothing_makes_nothing_grow_for_ever(
    folder: Path, refusals: Refusals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_WAITING", 5)
    for number in range(9):
        refusals.record("refused", str(number))

    assert len(list(refusals.read(DAY))) == 5
    assert refusals.flush() == 5
    assert (folder / "access/refusals" / DAY).is_dir()


def test_lines_that_are_no_reports_are_left_out(refusals: Refusals, folder: Path) -> None:
    refusals.record("refused", "one")
    refusals.flush()
    day = folder / "access/refusals" / DAY
    (day / "odd.ndjson").write_bytes(b"{}\nnull\n" + b"[" * 10_000 + b'\n{"at":"x","what":"y"}\n')
    (day / "gone.ndjson").symlink_to(day / "nowhere")

    assert [report.what for report in refusals.read(DAY)] == ["refused", "y"]


def test_the_day_of_a_token_s_last_use_is_kept_and_written_once_a_day(
    refusals: Refusals, store: BlobStore, folder: Path, clock: Clock
) -> None:
    refusals.used("1a2b3c4d5e6f")
    refusals.flush()
    report = folder / "access/uses/1a2b3c4d5e6f.json"
    before = report.stat().st_mtime_ns
    refusals.used("1a2b3c4d5e6f")
    refusals.flush()
    assert report.stat().st_mtime_ns == before
    clock.now = NOON + timedelta(days=1)
    refusals.used("1a2b3c4d5e6f")
    refusals.flush()
    (folder / "access/uses/odd.json").write_bytes(b"{")

    assert Refusals(store, "", clock).last_uses() == {"1a2b3c4d5e6f": "2026-03-02"}
    assert Refusals(store, "", clock).last_uses(["odd", "1a2b3c4d5e6f"]) == {
        "1a2b3c4d5e6f": "2026-03-02"
    }
    assert Refusals(store, "", clock).last_uses([]) == {}
    assert Refusals(None, "", clock).last_uses() == {}


def test_after_400_days_they_go(refusals: Refusals, folder: Path, clock: Clock) -> None:
    for age in (0, 399, 401, 430):
        clock.now = NOON - timedelta(days=age)
        refusals.record("refused", str(age))
    refusals.flush()
    clock.now = NOON

    assert refusals.prune() == 2
    left = sorted(path.parent.name for path in (folder / "access/refusals").rglob("*.ndjson"))
    assert left == [(NOON - timedelta(days=age)).date().isoformat() for age in (399, 0)]


def test_without_a_store_they_are_forgotten() -> None:
    refusals = Refusals(None, "web-1", lambda: datetime(2026, 3, 1, tzinfo=UTC))
    refusals.record("refused", "one")

    assert len(list(refusals.read(DAY))) == 1
    assert refusals.flush() == 1
    assert list(refusals.read(DAY)) == []
    assert refusals.prune() == 0


@pytest.mark.parametrize("day", ["..", "2026-03-01/../..", "x"])
def test_a_day_is_a_day(refusals: Refusals, day: str) -> None:
    with pytest.raises(ValueError, match="format"):
        list(refusals.read(day))
