"""A row as the columns of a table, the same in every kind of log."""

import base64
import functools
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw
from msgspec.structs import astuple, fields

from holdfast.errors import DamagedError
from holdfast.predictions.row import Prediction

NAMES: Final = tuple(field.name for field in fields(Prediction))
JSON: Final = ("input", "output")
INTEGERS: Final = ("at_us", "status", "latency_us", "rollout", "batch", "model_us")
REALS: Final = ("weight", "sampling")
_JSON_PLACES: Final = tuple(map(NAMES.index, JSON))
_NAMED_PLACES: Final = tuple(map(NAMES.index, ("model", "version", "digest", "worker")))
_TEXT_PLACES: Final = tuple(map(NAMES.index, ("request_id", "trace_id", "key", "error")))

Values = tuple[Any, ...]


def _plain(value: Any) -> Any:
    """Turn what JSON has no word for into what it has."""
    if hasattr(value, "tolist"):  # an array or a scalar of numpy
        return value.tolist()
    if isinstance(value, complex) or hasattr(value, "__array__"):
        return str(value)
    return repr(value)


_ENCODER: Final = msgspec.json.Encoder(enc_hook=_plain)
_RAW: Final = msgspec.json.Decoder(Raw)


def json_of(value: Any) -> str | None:
    """Return a value as JSON; bytes are JSON already, or else what is not text, kept in base64.

    Of `msgspec.Raw` it is known that it is JSON.
    """
    if value is None:
        return None
    if isinstance(value, Raw):
        return bytes(value).decode()
    if isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
        try:
            _RAW.decode(data)
            return data.decode()
        except (msgspec.DecodeError, UnicodeDecodeError):
            value = {"base64": base64.b64encode(data).decode()}
    try:
        return _ENCODER.encode(value).decode()
    except (TypeError, ValueError, RecursionError):  # a lone surrogate, keys of mixed kinds, …
        return _ENCODER.encode(repr(value).encode("utf-8", "replace").decode()).decode()


def _text(value: str | None) -> str | None:
    """Return text that every database takes: no NUL, no lone surrogate."""
    if value is None or (value.isascii() and "\0" not in value):
        return value
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


_name: Final = functools.lru_cache(maxsize=1024)(_text)
"""For texts that most rows share."""


def values_of(row: Prediction) -> Values:
    """Return the columns of a row, in the order of `NAMES`."""
    values = [*astuple(row)]
    for index in _NAMED_PLACES:
        values[index] = _name(values[index])
    for index in _TEXT_PLACES:
        values[index] = _text(values[index])
    for index in _JSON_PLACES:
        values[index] = json_of(values[index])
    return tuple(values)


def row_of(values: Sequence[Any], subject: object) -> Prediction:
    """Return the row of these columns.

    Raises:
        DamagedError: If they are not a row; *subject* names the file they come from.
    """
    fields = dict(zip(NAMES, values, strict=True))
    try:
        for name in JSON:
            if fields[name] is not None:
                fields[name] = msgspec.json.decode(fields[name])
        return msgspec.convert(fields, Prediction)
    except (ValueError, TypeError) as error:
        raise DamagedError(
            str(subject),
            f"has an invalid row {fields['prediction_id']!r}: {error}",
            "check who else writes to it",
        ) from error
