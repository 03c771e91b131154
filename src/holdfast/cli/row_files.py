"""Rows of a file, `.json`, `.csv` or `.parquet`, and what a version predicts for them.

They are checked and fed as `serve` does it, so that what is answered here is what is served.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import HoldfastError, InvalidInputError, MissingLibraryError, UnsupportedError

if TYPE_CHECKING:
    from holdfast.formats.pair import Pair

WORK: Final = "holdfast.cli.row_files:work"
"""What a child under restraint does with them."""

_UNDER: Final = ("instances", "inputs")
"""Names under which bodies of `/predict` have their rows."""


def document(option: str, path: str) -> dict[str, Any]:
    """Read a file's rows as plain JSON: `texts` of a CSV file, with its header, or `values`.

    Raises:
        InvalidInputError: If it cannot be read as what its extension says.
        MissingLibraryError: If it is Parquet and pyarrow is not installed.
    """
    subject = f"{option} {path!r}"
    try:
        if path.endswith(".csv"):
            return {"texts": _csv(Path(path))}
        if path.endswith(".parquet"):
            return {"values": _parquet(Path(path))}
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
        raise InvalidInputError(subject, problem, "check its path") from error
    except ValueError as error:
        raise InvalidInputError(subject, f"cannot be read: {error}", "check its content") from error
    from holdfast.cli.context import json_file

    return {"values": _unwrapped(subject, json_file(option, path))}


def _csv(path: Path) -> list[list[str]]:
    import csv

    with path.open(newline="", encoding="utf-8-sig") as file:
        try:
            return [row for row in csv.reader(file) if row]
        except csv.Error as error:
            raise ValueError(str(error)) from error


def _parquet(path: Path) -> list[Any]:
    try:
        from pyarrow import parquet
    except ImportError:
        raise MissingLibraryError("pyarrow", "log", f"to read {str(path)!r}") from None
    rows: list[Any] = parquet.read_table(path).to_pylist()
    return rows


def _unwrapped(subject: str, document: Any) -> Any:
    """Return the rows of a JSON document: a list, columns by name, one row, or a body with them."""
    if isinstance(document, dict):
        keys = [name for name in _UNDER if name in document]
        if len(keys) == 1:
            return document[keys[0]]
        if document and not all(isinstance(value, list) for value in document.values()):
            return [document]
    if not isinstance(document, list | dict) or not document:
        raise InvalidInputError(
            subject, "holds no rows", 'write [[1, 2]], [{"a": 1}] or {"instances": …}'
        )
    return document


def predict(option: str, pair: "Pair", rows: dict[str, Any]) -> Any:
    """Return what a loaded version predicts for the rows of a `document`, as plain values.

    Raises:
        InvalidInputError: If its schema does not admit them.
        UnsupportedError: If it cannot predict, or fails on them.
    """
    from holdfast.rows import predictor
    from holdfast.rows.checking import Checker
    from holdfast.rows.refusal import Refusal
    from holdfast.rows.request_rows import NamedRows

    ready = predictor.loaded(pair.manifest.name, pair, "")
    texts = rows.get("texts")
    try:
        checked = Checker(ready.input_schema)(
            rows["values"] if texts is None else NamedRows((), texts, texts=True)
        )
    except Refusal as refusal:
        advice = "compare them with the input_schema that `holdfast card` shows"
        raise InvalidInputError(option, f"has invalid rows: {refusal.message}", advice) from refusal
    try:
        return _plain(ready.predict(checked))
    except HoldfastError:
        raise
    except Exception as error:
        problem = f"fails on these rows: {type(error).__name__}: {error}"
        raise UnsupportedError(pair.ref, problem, "give rows as it was fitted with") from error


def _plain(output: Any) -> Any:
    """Turn arrays, alone, in lists or by name, into lists of plain values."""
    if hasattr(output, "tolist"):
        return output.tolist()
    if isinstance(output, dict):
        return {name: _plain(value) for name, value in output.items()}
    return [_plain(value) for value in output] if isinstance(output, list | tuple) else output


def work(argument: dict[str, Any]) -> dict[str, Any]:
    """Load a version in the child, and have it predict if there are rows."""
    from holdfast.registry import trial_runs

    pair = trial_runs.pair(argument)
    parts = {role: type(part).__name__ for role, part in pair.parts.items()}
    result: dict[str, Any] = {"parts": parts}
    if argument["rows"] is not None:
        result["predictions"] = predict("--predict", pair, argument["rows"])
    return result
