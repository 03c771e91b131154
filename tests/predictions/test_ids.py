"""Ids: their order, their day, their worker."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import InvalidInputError
from holdfast.predictions import ids
from holdfast.predictions.ids import Mint

NOON = int(datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp() * 1000)


def mint(*moments: int) -> Mint:
    times = iter(moments)
    return Mint("host-1", lambda: next(times), lambda _bits: 5)


def test_an_id_is_a_uuid_of_version_7() -> None:
    parsed_id = uuid.UUID(mint(NOON)())

    assert parsed_id.version == 7
    assert parsed_id.variant == uuid.RFC_4122
    assert parsed_id.int >> 80 == NOON


@given(st.lists(st.integers(1, 2**47), min_size=2, max_size=50))
def test_ids_rise_whatever_the_clock_does(moments: list[int]) -> None:
    make = mint(*moments)
    made = [make() for _ in moments]

    assert made == sorted(set(made))


def test_more_than_a_millisecond_holds_run_ahead_of_the_clock() -> None:
    make = Mint("host-1", lambda: NOON, lambda _bits: 0)
    made = [make() for _ in range(5000)]

    assert made == sorted(set(made))
    assert ids.time_ms(made[-1]) == NOON + 1


def test_threads_never_make_the_same_id() -> None:
    make = Mint("host-1", lambda: NOON, lambda _bits: 0)
    with ThreadPoolExecutor(4) as pool:
        made = [made for some in pool.map(lambda _: [make() for _ in range(500)], range(8))
                for made in some]  # fmt: skip

    assert len(set(made)) == 4000


def test_an_id_tells_its_day_and_its_worker() -> None:
    made = Mint("host-1", lambda: NOON)()

    assert ids.day_of(made) == "2026-11-25"
    assert ids.mark_in(made) == ids.mark_of("host-1")
    first, behind = ids.bounds_of("2026-11-25")
    assert first < made < behind
    assert behind == ids.bounds_of("2026-11-26")[0]


def test_the_last_day_of_the_calendar_has_an_end() -> None:
    first, behind = ids.bounds_of("9999-12-31")

    assert ids.day_of(first) == "9999-12-31"
    assert first < behind


@given(st.text(), st.integers(0, 2**46 - 1))
def test_any_worker_has_a_mark_that_its_ids_carry(worker: str, bits: int) -> None:
    made = Mint(worker, lambda: NOON, lambda _bits: bits)()

    assert ids.mark_in(made) == ids.mark_of(worker)
    assert ids.parse(made.upper()) == made


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "019ab1d2c3d47a5f8b6e0123456789ab",
        "019ab1d2-c3d4-4a5f-8b6e-0123456789ab",
        "019ab1d2-c3d4-7a5f-8b6e-0123456789ag",
        "019ab1d2-c3d47-a5f-8b6e-0123456789ab",
        "../../../../etc/passwd/7aaaaaaaaaaaa",
    ],
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="is not a UUIDv7"):
        ids.parse(text)


def test_a_time_beyond_all_calendars_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="beyond the year 9999"):
        ids.day_of("ffffffff-ffff-7000-8000-000000000000")


@given(st.integers(0, 2**46 - 1), st.integers(0, 2**46 - 1))
def test_a_row_of_a_batch_has_an_id_of_its_own_and_its_batch(bits: int, row: int) -> None:
    batch_id = Mint("batch-1", lambda: NOON, lambda _bits: bits)()
    made = ids.parse(f"{batch_id}:{row}")
    first, last = ids.bounds_of_batch(made)

    assert ids.parse(made) == made == ids.of_row(batch_id, row)
    assert ids.row_between(batch_id, made) == row
    assert first <= batch_id <= last
    assert ids.mark_in(made) == ids.mark_in(batch_id)
    assert (made == batch_id) == (row == 0)


def test_ids_of_other_batches_are_none_of_its_rows() -> None:
    mint = Mint("batch-1", lambda: NOON)
    first, second = mint(), mint()

    assert ids.row_between(first, ids.of_row(second, 3)) is None


@pytest.mark.parametrize("row", [2**46, 99_999_999_999_999])
def test_a_row_beyond_every_batch_is_refused(row: int) -> None:
    with pytest.raises(InvalidInputError, match="is beyond every batch"):
        ids.parse(f"{Mint('a')()}:{row}")
