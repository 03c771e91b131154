"""Digests of the data: of every file, so that a change during the run is seen and named."""

from pathlib import Path

import pytest

from holdfast.datasets import data_digests
from holdfast.errors import InvalidInputError


def test_a_file_has_its_own_digest_and_a_folder_one_of_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a\n")
    (tmp_path / "days").mkdir()
    (tmp_path / "days" / "1.csv").write_text("a\n")

    files = data_digests.of_files({"rows": tmp_path / "rows.csv", "days": tmp_path / "days"})
    own = "87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7"

    assert files == {"rows": {"": own}, "days": {"1.csv": own}}
    digests = data_digests.of_data(files)
    assert digests["rows"] == f"sha256:{own}"
    assert digests["days"] != digests["rows"]


def test_a_change_of_one_file_of_a_folder_is_one_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("a\n")
    before = data_digests.of_data(data_digests.of_files({"days": tmp_path}))
    (tmp_path / "2.csv").write_text("")
    after = data_digests.of_data(data_digests.of_files({"days": tmp_path}))

    assert before != after


def test_data_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"data rows .* cannot be read: No such file"):
        data_digests.of_files({"rows": tmp_path / "rows.csv"})
