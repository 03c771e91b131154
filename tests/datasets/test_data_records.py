"""What is written of data, and how people name it."""

import pytest

from holdfast.core.manifest import File
from holdfast.datasets.data_records import (
    DataDescription,
    DataRef,
    decode_description,
    encode_description,
    parse_data_ref,
)
from holdfast.errors import DamagedError, InvalidInputError, NewerFormatError


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("sales@v3", DataRef("sales", "v3")),
        ("team/sales@3", DataRef("team/sales", "3")),
        ("sales@latest", DataRef("sales", "latest")),
        ("sales@sha256:abcdef", DataRef("sales", "sha256:abcdef")),
    ],
)
def test_versions_are_named_by_number_latest_or_digest(text: str, ref: DataRef) -> None:
    assert parse_data_ref(text) == ref


@pytest.mark.parametrize(
    "text",
    ["./sales@v3", "/data/sales@v3", "sales", "sales@v0", "a@b@v1", "../x@v1", "sales@sha256:ab"],
)
def test_anything_else_is_a_path(text: str) -> None:
    assert parse_data_ref(text) is None


def test_a_description_reads_as_it_was_written() -> None:
    description = DataDescription(
        kind="folder", source="/x", files=(File("a\nb", "a" * 64, 3),), digest="sha256:1"
    )

    assert decode_description(encode_description(description), "x@v1") == description


@pytest.mark.parametrize(
    "description",
    [
        DataDescription(kind="file", source="/x", kept=True, files=(File("../x", "a" * 64, 1),)),
        DataDescription(kind="file", source="/x", files=(File("x", "../../etc", 1),)),
    ],
)
def test_paths_and_digests_that_lead_elsewhere_are_damage(description: DataDescription) -> None:
    with pytest.raises(DamagedError, match="description of x@v1"):
        decode_description(encode_description(description), "x@v1")


def test_a_newer_description_is_refused() -> None:
    with pytest.raises(NewerFormatError):
        decode_description(b'{"format":2}', "x@v1")


def test_a_description_that_is_not_one_is_damage() -> None:
    with pytest.raises(DamagedError, match="cannot be true"):
        decode_description(b"[]", "x@v1")


def test_too_many_files_are_refused() -> None:
    files = tuple(File(str(one), "a" * 64, 1) for one in range(200_001))

    with pytest.raises(InvalidInputError, match="more than 200,000"):
        encode_description(DataDescription(kind="folder", source="/x", files=files))
