"""The digest of rows: what it must tell apart, and what it must not."""

import datetime as dt
import decimal
import hashlib
import math
import random
import struct
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from holdfast.datasets.row_digest import RowDigest, of_rows
from holdfast.errors import InvalidInputError, UnsupportedError

ROWS = 1000


@pytest.fixture
def table() -> Any:
    chance = random.Random(1)
    return pa.table(
        {
            "amount": [chance.random() for _ in range(ROWS)],
            "count": pa.array(range(ROWS), pa.int64()),
            "country": [chance.choice(("DE", "FR", "", None)) for _ in range(ROWS)],
        }
    )


def of_file(path: Path) -> str:
    digest = RowDigest()
    for batch in parquet.ParquetFile(path).iter_batches(97):
        digest.add(batch)
    return digest.digest()


def written(table: Any, path: Path, **how: Any) -> Path:
    parquet.write_table(table, path, **how)
    return path


def test_other_row_groups_codecs_and_versions_of_a_file_change_nothing(
    table: Any, tmp_path: Path
) -> None:
    ways: list[dict[str, Any]] = [
        {"row_group_size": 7},
        {"compression": "zstd"},
        {"compression": "none", "use_dictionary": False},
    ]
    digests = {of_file(written(table, tmp_path / "rows.parquet", **way)) for way in ways}

    assert digests == {of_rows(table)}


def test_a_renamed_column_is_another(table: Any) -> None:
    assert of_rows(table.rename_columns(["amounts", "count", "country"])) != of_rows(table)


def test_another_width_of_numbers_is_another(table: Any) -> None:
    narrow = table.set_column(1, "count", table["count"].cast(pa.int32()))

    assert of_rows(narrow) != of_rows(table)


def test_texts_are_the_same_however_they_are_kept(table: Any) -> None:
    texts = table["country"]
    kept = [
        texts.dictionary_encode(),
        texts.cast(pa.large_string()),
        texts.cast(pa.string_view()),
        texts.dictionary_encode().cast(pa.dictionary(pa.int8(), pa.large_string())),
    ]

    assert {of_rows(table.set_column(2, "country", one)) for one in kept} == {of_rows(table)}


def test_frames_are_the_same_whatever_their_index_and_the_dtype_of_texts(table: Any) -> None:
    frame = table.to_pandas()
    frames = [
        frame,
        frame.set_index(frame.index[::-1] * 3),
        frame.astype({"country": "category"}),
        frame.astype({"country": "object"}),
        frame.astype({"country": "string"}),
    ]

    assert {of_rows(one) for one in frames} == {of_rows(table)}


def test_shuffled_rows_are_others(table: Any) -> None:
    order = list(range(ROWS))
    random.Random(2).shuffle(order)

    assert of_rows(table.take(order)) != of_rows(table)


def test_other_columns_first_are_others(table: Any) -> None:
    assert of_rows(table.select(["count", "amount", "country"])) != of_rows(table)


def test_there_is_one_nan_and_one_zero_and_a_missing_value_is_neither() -> None:
    odd = struct.unpack("<d", bytes.fromhex("010000000000f87f"))[0]
    assert math.isnan(odd)

    assert of_rows(pa.table({"a": [odd, -0.0]})) == of_rows(pa.table({"a": [math.nan, 0.0]}))
    assert len({of_rows(pa.table({"a": [one, 1.0]})) for one in (math.nan, 0.0, None)}) == 3


def test_what_lies_below_a_missing_value_does_not_count() -> None:
    hidden = pa.array([1, 2, 3]).buffers()[1]
    mask = pa.array([True, False, True]).buffers()[1]
    dirty = pa.Array.from_buffers(pa.int64(), 3, [mask, hidden])

    assert of_rows(pa.table({"a": dirty})) == of_rows(pa.table({"a": [1, None, 3]}))


def test_texts_do_not_run_into_one_another() -> None:
    assert of_rows(pa.table({"a": ["ab", "c"]})) != of_rows(pa.table({"a": ["a", "bc"]}))
    assert of_rows(pa.table({"a": ["a"], "b": ["b"]})) != of_rows(pa.table({"a": ["ab"]}))


def test_a_missing_text_is_not_an_empty_one() -> None:
    assert of_rows(pa.table({"a": ["", "x"]})) != of_rows(pa.table({"a": [None, "x"]}))


def test_no_rows_still_have_columns() -> None:
    empty = pa.table({"a": pa.array([], pa.int64())})

    assert of_rows(empty) != of_rows(pa.table({"b": pa.array([], pa.int64())}))
    assert of_rows(empty) != of_rows(pa.table({"a": pa.array([0], pa.int64())}))


@pytest.mark.parametrize(
    "values",
    [
        [True, None, False],
        [dt.date(2026, 1, 1), None],
        [pd.Timestamp("2026-01-01 03:00"), None],
        [dt.datetime(2026, 1, 1, 3, tzinfo=dt.UTC), None],
        [dt.time(3), None],
        [dt.timedelta(3), None],
        [decimal.Decimal("1.50"), None],
        [b"a\0", None, b""],
        [None, None],
        [[1, None], [], None],
        [["a"], None, ["b", ""]],
        [{"a": 1, "b": "x"}, None, {"a": None, "b": ""}],
        pa.array([1.5, None, math.nan], pa.float16()),
        pa.array([b"ab", None], pa.binary(2)),
        pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int64())),
        pa.array([[1, 2], [3, 4]], pa.list_(pa.int8(), 2)),
    ],
)
def test_every_type_is_hashed_in_any_portions(values: Any) -> None:
    whole = pa.table({"a": values})
    parts, other = RowDigest(), whole.slice(0, 1)
    for start in range(whole.num_rows):
        parts.add(whole.slice(start, 1))

    assert parts.digest() == of_rows(whole)
    assert of_rows(other) != of_rows(whole)
    assert parts.rows == whole.num_rows


def test_the_first_blocks_do_not_depend_on_what_arrives_with_them() -> None:
    rows = 200_000
    table = pa.table({"a": range(rows), "b": [str(one) for one in range(rows)]})
    digest = RowDigest()
    for start, end in ((0, 1), (1, 65_536), (65_536, 190_000), (190_000, rows)):
        digest.add(table.slice(start, end - start).combine_chunks().to_batches()[0])

    assert digest.digest() == of_rows(table)


@settings(max_examples=50)
@given(st.lists(st.none() | st.floats() | st.integers(-5, 5).map(float), max_size=20), st.data())
def test_equal_values_have_equal_digests_and_others_others(values: Any, data: Any) -> None:
    def key(value: float | None) -> object:
        return "nan" if value is not None and math.isnan(value) else value

    column = pa.array(values, pa.float64())
    place = data.draw(st.integers(0, len(values)))
    changed = [*values[:place], 77.5, *values[place + 1 :]]
    same = list(map(key, values)) == list(map(key, changed))

    other = pa.array(changed, pa.float64())
    assert (of_rows(pa.table({"a": column})) == of_rows(pa.table({"a": other}))) is same


def test_the_digest_is_what_the_specification_says() -> None:
    """Computed here by hand, as another implementation would from `docs/design/format.md`."""

    def packed(number: int) -> bytes:
        return struct.pack("<q", number)

    numbers = b"\1\0\1" + struct.pack("<3d", 1.5, 0.0, 0.0)
    texts = b"\1\1\0" + packed(1) + packed(2) + packed(0) + "xäb".encode()[:1] + b"yz"
    parts = b"holdfast rows 1\n"
    for name, kind, content in (("a", "double", numbers), ("b", "string", texts)):
        parts += packed(len(name)) + name.encode() + packed(len(kind)) + kind.encode()
        parts += packed(3) + hashlib.sha256(content).digest()
    expected = hashlib.sha256(parts).hexdigest()

    table = pa.table({"a": [1.5, None, -0.0], "b": ["x", "yz", None]})
    assert of_rows(table) == f"sha256:{expected}"


def test_columns_tell_their_types_and_what_they_lack() -> None:
    digest = RowDigest()
    digest.add(pa.table({"a": [1, None], "b": pa.array(["x", "y"]).dictionary_encode()}))
    digest.digest()

    assert [(one.name, one.type, one.nulls) for one in digest.columns] == [
        ("a", "int64", 1),
        ("b", "string", 0),
    ]


def test_parts_of_other_columns_are_refused() -> None:
    digest = RowDigest()
    digest.add(pa.table({"a": [1]}))

    with pytest.raises(InvalidInputError, match="has other columns or types"):
        digest.add(pa.table({"a": [1.5]}))


def test_what_is_not_rows_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="rows must be a table or a frame, not list"):
        of_rows([1, 2])


def test_a_type_that_is_not_defined_is_refused() -> None:
    union = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])

    with pytest.raises(UnsupportedError, match=r"type sparse_union.* has no digest of rows"):
        of_rows(pa.table({"a": union}))


def test_a_frame_of_pandas_and_the_file_made_of_it_have_the_same_digest(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1.0, None], "b": ["x", None]})
    frame.to_parquet(tmp_path / "rows.parquet")

    assert of_file(tmp_path / "rows.parquet") == of_rows(frame)
