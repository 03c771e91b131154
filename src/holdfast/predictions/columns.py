"""A row as the columns of a table, the same in every kind of log."""

import base64
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw
from msgspec.structs import fields

from holdfast.errors import DamagedError
from holdfast.predictions.row import Prediction

NAMES: Final = tuple(field.name for field in fields(Prediction))
JSON: Final = ("input", "output")
INTEGERS: Final = ("at_us", "status", "latency_us", "rollout", "batch", "model_us")
REALS: Final = ("weight", "sampling")
_JSON_FROM: Final = NAMES.index("input")
_TEXT_PLACES: Final = tuple(
    NAMES.index(name)
    for name in ("model", "version", "digest", "worker", "request_id", "trace_id", "key")
)

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
    """Return a value as JSON; bytes are JSON already, or else what is no text, kept in base64."""
    if value is None:
        return None
    if isinstance(value, bytes | bytearray | memoryview | Raw):
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


def values_of(row: Prediction) -> Values:
    """Return the columns of a row, in the order of `NAMES`."""
    found = [getattr(row, name) for name in NAMES[:_JSON_FROM]]
    for place in _TEXT_PLACES:
        found[place] = _text(found[place])
    found += (json_of(row.input), json_of(row.output), _text(row.error), row.sampling)
    return tuple(found)


def row_of(values: Sequence[Any], subject: object) -> Prediction:
    """Return the row of these columns.

    Raises:
        DamagedError: If they are none; *subject* names the file they come from.
    """
    found = dict(zip(NAMES, values, strict=True))
    try:
        for name in JSON:
            if found[name] is not None:
                found[name] = msgspec.json.decode(found[name])
        return msgspec.convert(found, Prediction)
    except (ValueError, TypeError) as error:
        raise DamagedError(
            str(subject), f"row {found['prediction_id']!r}: {error}", "see who else writes to it"
        ) from error
