"""Tensors of the Open Inference Protocol, against the codec of Triton's client."""

import uuid
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tritonclient.utils import deserialize_bytes_tensor, serialize_byte_tensor, triton_to_np_dtype

from holdfast.core.schema import Column
from holdfast.rows.refusal import Refusal
from holdfast.serving.protocols import tensors

DATATYPES = "BOOL INT8 INT16 INT32 INT64 UINT8 UINT16 UINT32 UINT64 FP16 FP32 FP64".split()


@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_datatype_is_read_and_written_in_both_forms(datatype: str) -> None:
    values = np.array([[0, 1, 1], [1, 0, 1]]).astype(triton_to_np_dtype(datatype))
    raw = tensors.from_bytes("x", datatype, [2, 3], values.tobytes())
    json_array = tensors.from_json("x", datatype, [2, 3], values.tolist())
    name, array = tensors.words_of(values)

    assert raw.dtype == json_array.dtype == values.dtype
    assert raw.tolist() == json_array.tolist() == values.tolist()
    assert name == datatype
    assert tensors.to_bytes(name, array) == values.tobytes()
    assert tensors.to_json(array) == values.reshape(-1).tolist()


def test_texts_are_read_and_written_as_tritons_client_does() -> None:
    values = np.array([["a", "Grüezi"], ["", "x" * 300]], dtype=object)
    raw = serialize_byte_tensor(values).item()
    name, array = tensors.words_of(np.array(values, dtype=str))

    assert tensors.from_bytes("x", "BYTES", [2, 2], raw).tolist() == values.tolist()
    assert tensors.from_json("x", "BYTES", [2, 2], ["a", "b", "c", "d"]).shape == (2, 2)
    assert name == "BYTES"
    assert [text.decode() for text in deserialize_bytes_tensor(tensors.to_bytes(name, array))] == [
        "a", "Grüezi", "", "x" * 300,
    ]  # fmt: skip


def test_brain_floats_become_floats() -> None:
    raw = np.array([1.5, -2.0], dtype="<f4").view("<u4") >> 16

    assert tensors.from_bytes("x", "BF16", [2], raw.astype("<u2").tobytes()).tolist() == [1.5, -2]
    assert tensors.from_json("x", "BF16", [2], [1.5, -2]).dtype == "float32"


def test_what_no_tensor_holds_goes_as_json_texts() -> None:
    datatype, array = tensors.words_of([{"a": 1}, {"a": 2}])
    _, ragged = tensors.words_of([[1], [2, 3]])

    assert (datatype, array.tolist()) == ("BYTES", ['{"a":1}', '{"a":2}'])
    assert ragged.tolist() == ["[1]", "[2,3]"]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (np.array(["2024-01-02T03:04:05"], "M8[s]"), ["2024-01-02T03:04:05"]),
        (np.array(["2024-01-02T03:04:05"], "M8[ns]"), ["2024-01-02T03:04:05"]),
        (np.array(["2024-01-02", "NaT"], "M8[D]"), ["2024-01-02", "null"]),
        (
            pd.Series(pd.to_datetime(["2024-01-02"]).tz_localize("UTC")),
            ["2024-01-02T00:00:00+00:00"],
        ),
        (np.array([b"a\xff"]), ["Yf8="]),
        ([uuid.UUID(int=1)], ["00000000-0000-0000-0000-000000000001"]),
        (['"quoted"', None, 1], ['"quoted"', "null", "1"]),
    ],
)  # fmt: skip
def test_what_is_a_text_in_json_is_that_text(values: Any, texts: list[str]) -> None:
    datatype, array = tensors.words_of(values)

    assert (datatype, array.tolist()) == ("BYTES", texts)


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "message"),
    [
        ("FP64", [2], [1.0], "cannot be read as FP64 of the shape [2]"),
        ("INT64", [1], [1.5], "values that are not INT64"),
        ("INT8", [1], [300], "cannot be read"),
        ("FP32", [1], ["1"], "not FP32"),
        ("BOOL", [1], [1], "not BOOL"),
        ("BYTES", [1], [1], "not BYTES"),
        ("FP64", [2, 2], [[1, 2], [3]], "not FP64"),
        ("COMPLEX", [1], [1], "is not a datatype"),
    ],
)
def test_json_values_that_are_none_of_the_datatype_are_refused(
    datatype: str, shape: list[int], data: Any, message: str
) -> None:
    with pytest.raises(Refusal, match=None) as caught:
        tensors.from_json("x", datatype, shape, data)

    assert caught.value.status == 400
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("datatype", "raw", "message"),
    [
        ("FP32", b"123", "holds 3 bytes, but FP32 of the shape [1] needs 4"),
        ("BF16", b"123", "holds 3 bytes"),
        ("BYTES", b"", "holds 0 texts"),
        ("BYTES", b"\x05\0\0\0ab", "ends within a text"),
        ("BYTES", b"\x05\0", "does not hold texts"),
        ("BYTES", b"\x01\0\0\0\xff", "does not hold texts"),
        ("FP128", b"", "is not a datatype"),
    ],
)
def test_raw_bytes_that_are_not_what_they_say_are_refused(
    datatype: str, raw: bytes, message: str
) -> None:
    with pytest.raises(Refusal) as caught:
        tensors.from_bytes("x", datatype, [1], raw)

    assert message in caught.value.message


@pytest.mark.parametrize(
    ("column", "datatype"),
    [
        (Column("a", "number"), "FP64"),
        (Column("a", "number", dtype="float32"), "FP32"),
        (Column("a", "integer", dtype="Int16"), "INT16"),
        (Column("a", "boolean"), "BOOL"),
        (Column("a", "string"), "BYTES"),
        (Column("a", "any"), "BYTES"),
    ],
)
def test_a_column_has_the_datatype_of_its_dtype_or_type(column: Column, datatype: str) -> None:
    assert tensors.datatype_of(column) == datatype


@pytest.mark.parametrize(
    ("datatype", "number"), [("BF16", 3.41e38), ("FP32", 1e39), ("FP16", 70_000)]
)
def test_a_number_that_is_too_large_for_its_datatype_is_refused(
    datatype: str, number: float
) -> None:
    with pytest.raises(Refusal, match=f"cannot be read as {datatype}"):
        tensors.from_json("age", datatype, [1], [number])
