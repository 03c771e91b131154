import json
from typing import Any

import pytest

from holdfast.core import schema
from holdfast.formats.mlflow_schema import of_columns, of_params


def told(*columns: dict[str, Any]) -> Any:
    return of_columns(json.dumps(columns), "input_schema")


def test_columns_keep_names_types_and_order() -> None:
    described = told(
        {"name": "age", "type": "long", "required": True},
        {"name": "note", "type": "string", "required": False},
        {"name": "score", "type": "double", "optional": True},
        {"name": "photo", "type": "binary"},
        {"name": "at", "type": "datetime"},
    )

    assert described["order"] == ["age", "note", "score", "photo", "at"]
    assert described["required"] == ["age", "photo", "at"]
    assert described["properties"]["age"] == {"type": "integer", "dtype": "int64"}
    assert described["properties"]["note"] == {"type": ["string", "null"]}
    assert described["properties"]["score"]["type"] == ["number", "null"]
    assert described["properties"]["at"]["dtype"] == "datetime64[ns]"
    assert schema.parse(described, "input_schema") is not None


def test_a_tensor_of_all_rows_keeps_its_shape() -> None:
    spec = {"dtype": "float32", "shape": [-1, 4]}

    assert told({"type": "tensor", "tensor-spec": spec}) == {
        "type": "array", "items": {"type": "array", "items": {"type": "number"}},
        "dtype": "float32", "shape": [None, 4],
    }  # fmt: skip


def test_tensors_by_name_are_what_each_row_has() -> None:
    described = told(
        {"name": "image", "type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, 2]}},
        {"name": "size", "type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}},
    )

    assert described["properties"]["image"]["shape"] == [2]
    assert described["properties"]["size"] == {"type": "integer", "dtype": "int64"}


def test_a_tensor_by_name_that_counts_no_rows_has_no_schema() -> None:
    spec = {"dtype": "float64", "shape": [3, 2]}

    assert told({"name": "image", "type": "tensor", "tensor-spec": spec}) is None


def test_columns_without_names_are_an_array_if_they_are_of_one_type() -> None:
    assert told({"type": "double"}, {"type": "double"})["shape"] == [None, 2]
    assert told({"type": "string"}, {"type": "string"})["items"]["items"] == {"type": "string"}
    assert told({"type": "double"}, {"type": "long"}) is None
    assert told({"type": "long"}) == {"type": "integer", "dtype": "int64"}


def test_arrays_objects_and_maps_within_columns_keep_their_types() -> None:
    fields = {"street": {"type": "string"}, "floor": {"type": "long", "required": False}}
    described = told(
        {"name": "tags", "type": "array", "items": {"type": "string"}},
        {"name": "address", "type": "object", "properties": fields},
        {"name": "counts", "type": "map", "values": {"type": "long"}},
    )["properties"]

    assert described["tags"] == {"type": "array", "items": {"type": "string"}}
    assert described["address"]["required"] == ["street"]
    assert described["counts"] == {"type": "object"}


def test_columns_nested_too_deeply_are_left_unsaid() -> None:
    column: dict[str, Any] = {"type": "string"}
    for _ in range(30):
        column = {"type": "array", "items": column}

    assert told({"name": "deep", **column}) is not None


@pytest.mark.parametrize("text", [None, 5, "", "[", "[5]", '{"a": 1}', "[{}, {}]", '[{"name": 5}]'])
def test_what_is_no_signature_has_no_schema(text: object) -> None:
    assert of_columns(text, "input_schema") in (None, {})


def test_parameters_are_told_with_types_and_defaults() -> None:
    listed = [
        {"name": "top", "type": "long", "default": 3, "shape": None},
        {"name": "stop", "type": "string", "default": ["."], "shape": [-1]},
        {"name": "old", "dtype": "double", "default": 0.5},
        {"name": "odd", "type": "unheard", "default": None},
        {
            "name": "how",
            "type": "object",
            "properties": {"k": {"type": "long", "required": True}},
            "default": {"k": 1},
        },
    ]
    number = {"type": "integer", "dtype": "int64"}

    assert of_params(json.dumps(listed)) == {
        "top": {"type": ["integer", "null"], "dtype": "int64", "default": 3},
        "stop": {"type": "array", "items": {"type": "string"}, "default": ["."]},
        "old": {"type": ["number", "null"], "dtype": "float64", "default": 0.5},
        "odd": {"default": None},
        "how": {
            "type": "object",
            "properties": {"k": number},
            "required": ["k"],
            "default": {"k": 1},
        },
    }
    assert of_params(None) == {}
    assert of_params("[") == {}
    assert of_params('[{"default": 3}]') == {}
