"""A verified pair as serving calls it: rows in, one output for each, in one call.

Three things differ between models and are settled once, when a version is loaded: what the first
part wants to be fed (an array, a frame, arrays by name), whether labels or probabilities are
asked for, and whether rows of several requests may share a call.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import numpy as np

from holdfast.core import schema
from holdfast.core.schema import Column, Signature
from holdfast.errors import UnsupportedError
from holdfast.formats.pair import Pair
from holdfast.rows import feeding
from holdfast.rows.call_params import CallParams
from holdfast.rows.loaded_version import Loaded
from holdfast.rows.row_layout import layout

__all__ = ["Output", "loaded"]

Output = Any
"""A numpy array or a list whose first axis counts rows, or such arrays by name."""

ROWWISE: Final = "rowwise"
"""Key of the manifest's metadata: whether rows may share a call, where the framework is unknown."""

_ROWWISE: Final = frozenset(("scikit-learn", "xgboost", "lightgbm", "onnx", "pytorch"))
_PROBABILITIES: Final = frozenset(("probability", "probabilities", "proba", "score", "scores"))
_BINARY: Final = 2


def loaded(model: str, pair: Pair, digest: str) -> Loaded:
    """Make a pair ready to answer.

    Args:
        model: The registered model.
        pair: Its bytes are verified.
        digest: SHA-256 of the version's manifest.

    Raises:
        UnsupportedError: If the model cannot predict, or its columns have no order to be fed in.
        InvalidInputError: If a recorded schema cannot be understood.
    """
    manifest = pair.manifest
    input_schema = schema.parse(manifest.input_schema, "input_schema")
    output_schema = schema.parse(manifest.output_schema, "output_schema")
    first = pair.model if pair.preprocessor is None else pair.preprocessor
    feed = feeding.feeder(pair.ref, first, layout(input_schema))
    call = _call(pair, output_schema)

    def predict(rows: Any, params: CallParams | None = None) -> Output:
        answer = call if params is None else _call(pair, output_schema, params)
        return answer(pair.preprocess(feed(rows)))

    return Loaded(
        model=model,
        version=manifest.version,
        digest=digest,
        manifest=manifest,
        predict=predict,
        input_schema=input_schema,
        output_schema=output_schema,
        rowwise=_is_rowwise(pair, input_schema),
        params=getattr(pair.model, "call_params", None) if pair.postprocessor is None else None,
    )


def _is_rowwise(pair: Pair, input_schema: Signature | None) -> bool:
    stated = pair.manifest.metadata.get(ROWWISE)
    if isinstance(stated, bool):
        return stated
    session = getattr(pair.model, "session", None)  # a graph may fix how many rows it takes
    fixed = session is not None and any(
        item.shape and isinstance(item.shape[0], int) for item in session.get_inputs()
    )
    if not _is_rowwise_part(pair.postprocessor):
        return False
    known = pair.manifest.framework in _ROWWISE
    return (
        known
        and not fixed
        and not _codes_by_rows(input_schema)
        and layout(input_schema).kind != "whole"
    )


def _is_rowwise_part(postprocessor: object) -> bool:
    """Tell whether an answer is made of each row alone: nobody knows of a team's own code."""
    return postprocessor is None or type(postprocessor).__module__.startswith("sklearn.")


def _codes_by_rows(input_schema: Signature | None) -> bool:
    """Tell whether a category's code depends on the rows beside it: no schema declares them all."""
    return any(
        column.dtype in feeding.CATEGORIES and not column.enum
        for column in layout(input_schema).columns
    )


def _call(
    pair: Pair, output_schema: Signature | None, params: CallParams | None = None
) -> Callable[[Any], Output]:
    labels = getattr(pair.model, "predict", None)
    chances = getattr(pair.model, "predict_proba", None)
    if not callable(labels):
        raise UnsupportedError(
            pair.ref,
            f"holds a {type(pair.model).__name__}, which cannot predict",
            "serve another version",
        )
    if params is not None:
        labels = partial(labels, params=params)
    if pair.postprocessor is not None:  # the schema is of what it returns, and it alone answers
        labels, chances = pair.answer, None
    if output_schema is None:
        return lambda rows: _plain(labels(rows))
    if output_schema.whole.type == "object":
        columns = tuple(column for column in output_schema.columns if not column.parent)
        return _record_call(labels, chances if callable(chances) else None, columns)
    if not callable(chances) or not _asks_for_chances(output_schema.whole):
        return lambda rows: _shaped(_plain(labels(rows)), output_schema.whole)
    if _is_row_of_numbers(output_schema.whole):
        return lambda rows: _plain(chances(rows))
    return lambda rows: _positive(pair.ref, _plain(chances(rows)))


def _asks_for_chances(whole: Column) -> bool:
    """Tell whether an output is a probability: several numbers a row, or one within 0 and 1."""
    share = whole.minimum == 0 and whole.maximum == 1
    return whole.type == "number" and (share or _is_row_of_numbers(whole))


def _is_row_of_numbers(whole: Column) -> bool:
    """Tell whether a schema, of all rows or of one, has several numbers for each."""
    shape = whole.shape or ()
    return len(shape) == _BINARY or (len(shape) == 1 and shape[0] is not None)


def _record_call(
    labels: Callable[[Any], Any],
    chances: Callable[[Any], Any] | None,
    columns: tuple[Column, ...],
) -> Callable[[Any], Output]:
    """Answer each named column from the labels, the probabilities, or the model's own record."""

    def call(rows: Any) -> Output:
        output = _plain(labels(rows))
        if isinstance(output, dict):
            return output
        asked = any(column.name in _PROBABILITIES for column in columns)
        shares = _plain(chances(rows)) if chances is not None and asked else None
        return {
            column.name: _of_column(column, output, shares, at) for at, column in enumerate(columns)
        }

    return call


def _of_column(column: Column, output: Any, shares: Any, at: int) -> Any:
    if column.name in _PROBABILITIES and shares is not None:
        if column.shape is not None:
            return shares
        return shares[:, 1] if shares.shape[1] == _BINARY else shares.max(axis=1)
    by_column = getattr(output, "ndim", 1) == _BINARY and column.shape is None
    return output[:, at] if by_column else output


def _positive(ref: str, shares: Any) -> Any:
    """Return the probability of the second of two classes."""
    if shares.ndim != _BINARY or shares.shape[1] != _BINARY:
        problem = f"has an output schema for one probability, but gives {shares.shape[1:]}"
        raise UnsupportedError(ref, problem, "describe an array of them")
    return shares[:, 1]


def _plain(result: Any) -> Output:
    """Bring what libraries return to arrays, lists and dicts of these."""
    if isinstance(result, np.ndarray):
        return result
    if isinstance(result, Mapping):
        return {str(name): _plain(values) for name, values in result.items()}
    if hasattr(result, "toarray"):  # sparse
        return result.toarray()
    if hasattr(result, "to_dict") and hasattr(result, "columns"):
        return {str(name): result[name].to_numpy() for name in result.columns}
    if hasattr(result, "to_numpy"):
        return result.to_numpy()
    if isinstance(result, tuple):
        several = bool(result) and np.ndim(result[0]) > 0  # of a graph: its first output
        return _plain(result[0]) if several else list(result)
    if isinstance(result, Iterator):
        return list(result)
    if hasattr(result, "detach"):  # a tensor; numpy knows no gradients and no short floats
        return _tensor(result.detach().cpu())
    return result if isinstance(result, list) else np.asarray(result)


def _tensor(tensor: Any) -> Output:
    try:
        return tensor.numpy()
    except TypeError:  # bfloat16
        return tensor.float().numpy()


def _shaped(result: Output, whole: Column) -> Output:
    """Drop a second axis of length 1 that the schema does not have."""
    flat = len(whole.shape or ()) < _BINARY
    if flat and getattr(result, "ndim", 0) == _BINARY and result.shape[1] == 1:
        return result[:, 0]
    return result
