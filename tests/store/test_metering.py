"""How far long work is: counted exactly, told while it lasts."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from holdfast.store.metering import Meter, MeteredFile

MIB = 1 << 20


@pytest.mark.parametrize("passes", [1, 2])
@pytest.mark.parametrize("steps", [[], [MIB] * 3, [MIB] * 4, [MIB] * 9])
def test_a_part_counts_whole_at_its_end_whatever_steps_were_told(
    steps: list[int], passes: int
) -> None:
    told: list[tuple[int, int]] = []
    meter = Meter(lambda done, total: told.append((done, total)), 4 * MIB)
    with meter.part(4 * MIB, passes) as step:
        for length in steps:
            step(length)

    assert told[-1] == (4 * MIB, 4 * MIB)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_pass_of_two_counts_half() -> None:
    told: list[int] = []
    meter = Meter(lambda done, _total: told.append(done), 4 * MIB)
    with meter.part(4 * MIB, passes=2) as step:
        step(4 * MIB)
        assert told == [2 * MIB]


def test_work_that_failed_is_not_counted_as_done() -> None:
    told: list[int] = []
    meter = Meter(lambda done, _total: told.append(done), 4 * MIB)

    def work() -> None:
        with meter.part(4 * MIB) as step:
            step(MIB)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        work()

    assert told == [MIB]


def test_parts_side_by_side_are_told_one_at_a_time_and_never_backwards() -> None:
    told: list[int] = []
    meter = Meter(lambda done, _total: told.append(done), 32 * MIB)

    def work(_part: int) -> None:
        with meter.part(4 * MIB) as step:
            for _ in range(64):
                step(MIB // 16)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))

    assert told == sorted(told)
    assert told[-1] == 32 * MIB


def test_the_end_tells_what_was_counted_nowhere() -> None:
    told: list[tuple[int, int]] = []
    Meter(lambda done, total: told.append((done, total)), 10).end()

    assert told == [(10, 10)]


def test_nobody_need_be_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"bytes")
    lengths: list[int] = []
    meter = Meter(None, 5)
    with meter.part(5) as step, (tmp_path / "file").open("rb") as file:
        step(5)
        assert MeteredFile(file, lengths.append).read() == b"bytes"
    meter.end()

    assert lengths == [5]


def test_a_metered_file_reads_into_a_buffer_and_tells_its_length() -> None:
    lengths: list[int] = []
    file = MeteredFile(io.BufferedReader(io.BytesIO(b"bytes")), lengths.append)
    buffer = bytearray(3)

    assert file.readable()
    assert file.readinto(buffer) == 3
    assert bytes(buffer) == b"byt"
    assert lengths == [3]
