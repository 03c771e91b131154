"""Whatever a caller sends is answered or refused, and nothing else happens."""

import json
from contextlib import suppress
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given, settings
from tests.rows.test_checking import MATRIX, MIXED
from tests.serving.facing import NUMBERS, rollout, routing_table, sums

from holdfast.core import schema
from holdfast.rows.checking import Checker
from holdfast.rows.outcome import OutputChecker, listed, score
from holdfast.rows.refusal import Refusal
from holdfast.serving.answering.routing import RoutingRequest, choose
from holdfast.serving.protocols.codec import Codec
from holdfast.serving.protocols.inference_protocol import Infer
from holdfast.serving.protocols.invocations import Invocations
from holdfast.serving.protocols.predict import PredictCodec, encode
from holdfast.serving.server_limits import ServerLimits

NAMES = st.sampled_from(
    "age height city income tags home instances inputs data columns name shape datatype id "
    "parameters outputs dataframe_split dataframe_records binary_data_size".split()
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=3),
    st.sampled_from(["FP64", "INT64", "BYTES", "BOOL", "BF16", "age"]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
)
SCHEMAS: tuple[dict[str, Any] | None, ...] = (
    NUMBERS,
    MIXED,
    MATRIX,
    None,
    {"type": "array", "items": {"type": "string"}, "shape": [None]},
    {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
    {"type": "array", "items": {"type": "number"}, "shape": [None, 2, None]},
)
CHECKERS = [Checker(schema.parse(words, "input_schema")) for words in SCHEMAS]
STICKY = routing_table(sums(), rollout=rollout(sticky="field:age"), candidate=sums("1.1.0"))


def handled(face: Codec, body: bytes, **headers: str) -> None:
    """Read, route and check a request as a server does."""
    header_fields = {
        name.replace("_", "-").encode(): value.encode() for name, value in headers.items()
    }
    with suppress(Refusal):
        question = face.read(body, header_fields)
        choose(STICKY, RoutingRequest(header_fields, question.fields), ServerLimits())
        for check in CHECKERS:
            with suppress(Refusal):
                rows = check(question.given)
                assert check.form.dtype in (None, str(getattr(rows, "dtype", "")))


@settings(max_examples=300, deadline=None)
@given(VALUES)
@pytest.mark.parametrize("face", [PredictCodec(), Invocations(), Infer()])
def test_any_json_is_read_or_refused(face: Codec, body: Any) -> None:
    handled(face, json.dumps(body).encode())


@settings(max_examples=200, deadline=None)
@example({"data": [None], "columns": []}, "instances")
@example({"data": [[1]], "columns": ["a", "b"]}, "instances")
@given(st.dictionaries(NAMES, VALUES, max_size=2), st.sampled_from(["instances", "inputs"]))
def test_any_rows_are_taken_or_refused(more: dict[str, Any], name: str) -> None:
    handled(PredictCodec(), json.dumps({name: [more, more]}).encode())
    handled(PredictCodec(), json.dumps({name: more}).encode())
    handled(Invocations(), json.dumps({"dataframe_split": more}).encode())


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "name": NAMES,
                "shape": st.lists(st.integers(-1, 3), max_size=3),
                "datatype": st.sampled_from(["FP64", "INT8", "BYTES", "BOOL", "BF16", "X"]),
            },
            optional={
                "data": VALUES,
                "parameters": st.fixed_dictionaries({"binary_data_size": st.integers(-1, 9)}),
            },
        ),
        max_size=2,
    ),
    st.binary(max_size=12),
)
def test_any_tensors_are_read_or_refused(inputs: list[Any], raw: bytes) -> None:
    head = json.dumps({"inputs": inputs}).encode()

    handled(Infer(), head)
    handled(Infer(), head + raw, inference_header_content_length=str(len(head)))


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=30), st.text(alphabet='1.5,"\na ', max_size=20)))
def test_any_bytes_are_read_or_refused(body: bytes | str) -> None:
    raw = body if isinstance(body, bytes) else body.encode()

    handled(PredictCodec(), raw)
    handled(Infer(), raw)
    handled(Invocations(), raw, content_type="text/csv")


@settings(max_examples=200, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=3), st.sampled_from(SCHEMAS))
def test_any_output_goes_out_or_is_refused(output: list[Any], words: Any) -> None:
    checker = OutputChecker(schema.parse(words, "output_schema"), counted=True)
    try:
        array = np.asarray(output)
    except (ValueError, OverflowError):
        array = np.zeros(len(output))
    for candidate in (output, array):
        if checker.problem(candidate, len(output)) is None:
            values = listed(candidate)
            assert encode(values)
            assert score(values) is None or isinstance(score(values), float)
