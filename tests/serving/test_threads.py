"""How many threads libraries may begin in each worker."""

from pathlib import Path

import pytest

from holdfast.serving import threads


@pytest.mark.parametrize(
    ("workers", "cores", "share"), [(1, 8, 8), (4, 8, 2), (3, 8, 2), (9, 8, 1)]
)
def test_the_cores_are_dealt_out_among_workers(workers: int, cores: int, share: int) -> None:
    environment: dict[str, str] = {}
    thread_count = threads.limit(environment, workers, cores)

    assert thread_count == share
    assert environment == dict.fromkeys(threads.VARIABLES, str(share))


def test_what_the_environment_says_is_left_and_goes_for_the_others_too() -> None:
    environment = {"OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "5"}
    thread_count = threads.limit(environment, 8, 8)

    assert thread_count == 3
    assert (environment["MKL_NUM_THREADS"], environment["OPENBLAS_NUM_THREADS"]) == ("5", "3")


@pytest.mark.parametrize("text", ["", "all", "-1", "0", "²"])
def test_what_is_no_number_of_threads_is_passed_over(text: str) -> None:
    assert threads.limit({"OMP_NUM_THREADS": text}, 2, 8) == 4


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "400000 100000\n"}, 4),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "100000 0\n"}, None),
        ({"cpu.max": "\xff"}, None),
        ({"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({}, None),
    ],
)
def test_a_container_has_the_cores_of_its_control_group(
    tmp_path: Path, files: dict[str, str], cores: int | None
) -> None:
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    assert threads.quota(tmp_path) == cores


def test_there_are_cores() -> None:
    assert threads.cores() >= 1
