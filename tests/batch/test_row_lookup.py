"""A row of a batch, read back while its output is what it was."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.batch.conftest import Score, customers, written

from holdfast.batch.row_lookup import read_back


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_a_row_is_read_back(score: Score, tmp_path: Path, ending: str) -> None:
    frame = customers(70_000)
    frame.to_parquet(tmp_path / "a.parquet")
    record = score("fraud@1.0.0", "a.parquet", id_column="id", output=f"o.{ending}").record
    for row in (0, 65_535, 65_536, 69_999):
        held = read_back(record, row)

        assert isinstance(held, dict)
        assert held["id"] == frame.id[row]
        assert int(held["row"]) == row
    assert read_back(record, 70_000) == "the output has no such row"


def test_another_file_of_that_name_is_not_read(score: Score, tmp_path: Path) -> None:
    customers(3).to_parquet(tmp_path / "a.parquet")
    record = score("fraud@1.0.0", "a.parquet").record
    score("fraud@1.0.0", "a.parquet", replacing="replace")

    assert read_back(record, 0) == "the output has other bytes than were written"
    assert len(written(tmp_path)["row"]) == 3
    (tmp_path / "scores.parquet").unlink()
    assert read_back(record, 0) == "the output is not there any more"
    (tmp_path / "scores.parquet").mkdir()
    assert "the output cannot be read" in str(read_back(record, 0))


def test_an_output_that_is_none_is_told(score: Score, tmp_path: Path) -> None:
    import hashlib

    customers(3).to_parquet(tmp_path / "a.parquet")
    record = score("fraud@1.0.0", "a.parquet").record
    (tmp_path / "scores.parquet").write_bytes(b"other")
    record = replace(record, output_digest=hashlib.sha256(b"other").hexdigest())

    assert "the output cannot be read" in str(read_back(record, 0))
