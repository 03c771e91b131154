"""What a pair of columns tells: dtypes, ranges, categories, and the words for them."""

from typing import Any

import numpy as np
import pytest

from holdfast.core.schema.rules import compare, demanded
from holdfast.core.schema_change import SchemaChange

Schema = dict[str, Any]

NUMBER: Schema = {"type": "number"}


def table(required: list[str] | None = None, /, **columns: Schema) -> Schema:
    """Return a table of *columns*, all required unless a list says otherwise."""
    names = list(columns) if required is None else required
    return {"type": "object", "properties": columns, "required": names}


def age(**words: object) -> Schema:
    return table(age={"type": "number", **words})


def column(**words: object) -> Schema:
    return table(age=dict(words))


def inputs(old: Schema | None, new: Schema | None) -> tuple[SchemaChange, ...]:
    return compare((old, None), (new, None))


@pytest.mark.parametrize(
    "spelling", ["Float64", "torch.float64", "double", "<f8", " float64 ", "float"]
)
def test_other_spellings_of_a_dtype_demand_a_patch_at_most(spelling: str) -> None:
    changes = inputs(age(dtype="float64"), age(dtype=spelling))

    assert demanded(changes) in {None, "patch"}


NUMERIC = [
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *("float16", "float32", "float64"),
]


@pytest.mark.parametrize("old", NUMERIC)
@pytest.mark.parametrize("new", NUMERIC)
def test_dtypes_widen_as_numpy_casts_safely(old: str, new: str) -> None:
    expected = {
        (True, True): None,
        (True, False): "dtype-widened",
        (False, True): "dtype-narrowed",
        (False, False): "dtype-changed",
    }[bool(np.can_cast(old, new, "safe")), bool(np.can_cast(new, old, "safe"))]

    rules = [change.rule for change in inputs(column(dtype=old), column(dtype=new))]

    assert rules == ([expected] if expected else [])


def test_half_precision_and_brain_floats_do_not_hold_each_other() -> None:
    changes = inputs(age(dtype="float16"), age(dtype="torch.bfloat16"))

    assert [change.rule for change in changes] == ["dtype-changed"]


def test_text_is_the_same_under_every_name_pandas_gave_it() -> None:
    changes = inputs(
        column(type="string", dtype="object"), column(type="string", dtype="string[pyarrow]")
    )

    assert [change.rule for change in changes] == ["dtype-restated"]


def test_a_date_that_was_text_of_any_kind_is_a_narrower_dtype() -> None:
    changes = inputs(
        column(type="string", dtype="str"), column(type="string", dtype="datetime64[ns]")
    )

    assert [change.rule for change in changes] == ["dtype-narrowed"]


def test_null_among_the_elements_of_an_array_is_part_of_their_type() -> None:
    old = {"type": "array", "items": NUMBER}
    new = {"type": "array", "items": {"type": ["number", "null"]}}

    assert [change.rule for change in inputs(new, old)] == ["type-narrowed"]
    assert [change.rule for change in inputs(old, new)] == ["type-widened"]


def test_a_range_that_moves_is_tightened_and_widened() -> None:
    changes = inputs(age(minimum=0, maximum=10), age(minimum=5, maximum=15))

    assert [change.rule for change in changes] == ["range-tightened", "range-widened"]


def test_a_range_where_all_numbers_were_admitted_is_tightened() -> None:
    (change,) = inputs(age(), age(maximum=5))

    assert change.sentence == ("input column 'age': range tightened from all numbers to (-inf, 5]")


def test_long_lists_and_texts_are_cut_in_a_sentence() -> None:
    (listed,) = inputs(column(type="integer"), column(type="integer", enum=list(range(9))))
    (described,) = inputs(age(), age(description="x" * 100))

    assert "0, 1, 2, 3, 4 and 4 more" in listed.sentence
    assert len(described.sentence) < 140
