"""Content types of requests that bring JSON; `core/strict_json.py` reads the bodies."""

from typing import Final

__all__ = ["is_json"]

_JSON: Final = b"application/json"


def is_json(media: bytes | None) -> bool:
    """Tell whether a content type says JSON, or is not there.

    What a web page may send to a stranger's server without asking it (a form, plain text) is not.
    """
    if media is None or media == _JSON:
        return True
    name = media.partition(b";")[0].strip().lower()
    return name == _JSON or (name.startswith(b"application/") and name.endswith(b"+json"))
