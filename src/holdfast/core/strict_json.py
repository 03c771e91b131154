"""JSON that others wrote, read so that no two readers can take it for different values.

An object that has a key twice means the first value to one reader and the last to another: what one
checked, the other does not use. So wherever a file, an answer or a body was written elsewhere it is
read here, and such an object is refused, also where the key is one that nobody asks for.
"""

import re
from collections.abc import Iterable
from typing import Any, Final, TypeVar, overload

import msgspec

_Value = TypeVar("_Value")
_decoder: Final = msgspec.json.Decoder()
_encoder: Final = msgspec.json.Encoder()
_COLON_OF_KEY: Final = re.compile(rb'"\s*:')
_WRITTEN_AGAIN: Final = 1 << 16
"""Bytes that are written again to be compared; of more, counting keys costs less memory."""


class RepeatedKeyError(ValueError):
    """An object has a key twice."""


@overload
def decode(raw: bytes | str) -> Any: ...


@overload
def decode(raw: bytes | str, kind: type[_Value]) -> _Value: ...


def decode(raw: bytes | str, kind: Any = Any) -> Any:
    """Read JSON, as a value of *kind* where one is named.

    Raises:
        RepeatedKeyError: If an object has a key twice.
        ValueError: If it is not JSON or not of that kind, or is nested too deeply.
    """
    try:
        raw = raw if isinstance(raw, bytes) else raw.encode()
        value = _decoder.decode(raw)
        _refuse_repeated(value, raw)
        return value if kind is Any else msgspec.json.decode(raw, type=kind)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def distinct(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Make the dict of an object's pairs; an `object_pairs_hook` for Python's own reader.

    Raises:
        RepeatedKeyError: If a key stands twice among them.
    """
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise RepeatedKeyError(f"the key {key!r} appears twice in one object")
        values[key] = value
    return values


def _refuse_repeated(value: Any, raw: bytes) -> None:
    """Refuse a key that stands twice in one object, of which *value* has only one.

    Each key has its colon, so as many colons as keys mean that none was lost; nor was one if
    *value* is written as the very bytes it was read from. Only else are the bytes read slowly.
    """
    colons = raw.count(b":")
    if type(value) is dict and len(value) == colons:
        return
    if len(raw) <= _WRITTEN_AGAIN and _encoder.encode(value) == raw.strip():
        return
    keys = _count_keys(value)
    if keys == colons:
        return
    if b"\\" not in raw and len(_COLON_OF_KEY.findall(raw)) == keys:
        return
    import json  # noqa: PLC0415 - few bytes are read slowly, and it takes a millisecond to come

    json.loads(raw, object_pairs_hook=distinct, parse_int=len, parse_float=len)


def _count_keys(value: Any) -> int:
    count, waiting = 0, [value] if type(value) in (dict, list) else []
    while waiting:
        branch = waiting.pop()
        if type(branch) is dict:
            count += len(branch)
            branch = branch.values()
        for leaf in branch:
            if type(leaf) is dict or type(leaf) is list:
                waiting.append(leaf)  # a generator takes five times as long
    return count
