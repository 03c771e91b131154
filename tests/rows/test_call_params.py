"""Parameters of a call: typed, known, and whole numbers that stay whole."""

from typing import Any

import pytest

from holdfast.rows.call_params import ParamsChecker
from holdfast.rows.refusal import Refusal

KNOWN: dict[str, dict[str, Any]] = {
    "top": {"type": ["integer", "null"], "dtype": "int32"},
    "heat": {"type": ["number", "null"], "dtype": "float64"},
    "stop": {"type": "array", "items": {"type": "string"}},
    "sizes": {"type": "array", "items": {"type": "integer"}},
    "how": {"type": "object", "properties": {"k": {"type": "integer"}}, "required": ["k"]},
    "exact": {"type": ["boolean", "null"]},
    "odd": {"type": "no such type"},
}
CHECK = ParamsChecker("iris@1.0.0", KNOWN)


@pytest.mark.parametrize("asked", [None, {}, [], 0, ""])
def test_nothing_asked_leaves_the_defaults(asked: Any) -> None:
    assert CHECK(asked) is None
    assert ParamsChecker("iris@1.0.0", None)(asked) is None


def test_what_is_as_declared_is_taken() -> None:
    asked = {"heat": 1, "stop": ["."], "how": {"k": 2}, "exact": True, "odd": object}

    assert CHECK(asked) == asked
    assert CHECK({"top": None}) == {"top": None}


def test_whole_numbers_written_as_fractions_become_whole() -> None:
    taken = CHECK({"top": 3.0, "sizes": [1.0, 2], "heat": 2.0})

    assert repr(taken) == "{'top': 3, 'sizes': [1, 2], 'heat': 2.0}"


@pytest.mark.parametrize(
    ("asked", "field", "problem"),
    [
        ([1], "params", "params must be an object of values by name"),
        ({"tpo": 1}, "params.tpo", "is unknown; iris@1.0.0 takes top, heat, stop"),
        ({"top": "3"}, "params.top", "params.top must be a whole number, not '3'"),
        ({"top": True}, "params.top", "not True"),
        ({"top": 2**31}, "params.top", "does not fit int32"),
        ({"heat": "hot"}, "params.heat", "not 'hot'"),
        ({"stop": "."}, "params.stop", "must be a list, not '.'"),
        ({"stop": [1]}, "params.stop", "must be a text, not 1"),
        ({"stop": None}, "params.stop", "is null"),
        ({"how": {}}, "params.how.k", "params.how.k is missing"),
        ({"exact": 1}, "params.exact", "not 1"),
    ],
)
def test_what_is_not_as_declared_is_refused(asked: Any, field: str, problem: str) -> None:
    with pytest.raises(Refusal) as refused:
        CHECK(asked)

    assert refused.value.status == 422
    assert refused.value.field == field
    assert problem in refused.value.message


def test_a_version_without_parameters_takes_none() -> None:
    with pytest.raises(Refusal, match=r"params are not taken: iris@1\.0\.0 declares none"):
        ParamsChecker("iris@1.0.0", None)({"top": 1})


def test_of_what_is_offered_only_known_names_are_taken() -> None:
    assert CHECK(None, {"top": 1, "binary_data_output": True}) == {"top": 1}
    assert CHECK(None, {"priority": 1}) is None
    assert CHECK({"top": 2}, {"top": 1}) == {"top": 2}
    assert ParamsChecker("iris@1.0.0", None)(None, {"top": 1}) is None
    with pytest.raises(Refusal, match=r"params\.top must be"):
        CHECK(None, {"top": "many"})
