"""JSON bodies of requests, read so that no two readers can take them for different values."""

import json
import re
from typing import Any, Final

import msgspec

__all__ = ["decode", "is_json"]

_decoder = msgspec.json.Decoder()
_COLON_OF_KEY: Final = re.compile(rb'"\s*:')
_JSON: Final = b"application/json"


def is_json(media: bytes | None) -> bool:
    """Tell whether a content type says JSON, or is not there.

    What a web page may send to a stranger's server without asking it (a form, plain text) is not.
    """
    if media is None or media == _JSON:
        return True
    name = media.partition(b";")[0].strip().lower()
    return name == _JSON or (name.startswith(b"application/") and name.endswith(b"+json"))


def decode(body: bytes) -> Any:
    """Read a body.

    Raises:
        ValueError: If it is not JSON, is nested too deeply, or an object has a key twice.
    """
    try:
        found = _decoder.decode(body)
        _refuse_twins(found, body)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return found


def _refuse_twins(found: Any, body: bytes) -> None:
    """Refuse a key that stands twice in one object, of which a reader sees only one.

    Each key has its colon, so as many colons as keys mean that none was lost; only where more
    colons than keys are there is the body read slowly.
    """
    colons = body.count(b":")
    if type(found) is dict and len(found) == colons:
        return
    keys = _count_keys(found)
    if keys == colons:
        return
    if b"\\" not in body and len(_COLON_OF_KEY.findall(body)) == keys:
        return
    json.loads(body, object_pairs_hook=_distinct, parse_int=len, parse_float=len)


def _count_keys(found: Any) -> int:
    count, waiting = 0, [found]
    while waiting:
        value = waiting.pop()
        if type(value) is dict:
            count += len(value)
            waiting.extend(one for one in value.values() if type(one) in (dict, list))
        elif type(value) is list:
            waiting.extend(one for one in value if type(one) in (dict, list))
    return count


def _distinct(pairs: list[tuple[str, Any]]) -> None:
    seen = set()
    for key, _ in pairs:
        if key in seen:
            raise ValueError(f"the key {key!r} stands twice in one object")
        seen.add(key)
