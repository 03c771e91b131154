"""Names and texts of versions as clouds' model registries take them."""

import hashlib
import re
import unicodedata
from typing import Final

from holdfast.core.wording import inert, shortened

__all__ = ["name_within", "text_of"]

_OTHERS: Final = re.compile(r"[^a-zA-Z0-9]+")
_DIGEST: Final = 8
_PLAIN: Final = "LMZSNP"
"""Categories of Unicode that descriptions may have: all but controls, formats and the like."""


def name_within(model: str, most: int) -> str:
    """Return a name of letters, digits and single hyphens: `team/iris` is `team-iris`.

    Where nothing is left of a name, or it is too long, it ends in a part of its digest.
    """
    plain = unicodedata.normalize("NFKD", model).encode("ascii", "ignore").decode()
    short = _OTHERS.sub("-", plain).strip("-")
    if short and len(short) <= most and short[0].isalpha():
        return short
    digest = hashlib.sha256(model.encode()).hexdigest()[:_DIGEST]
    kept = short[: most - _DIGEST - 3].strip("-")
    return f"m-{kept}-{digest}" if kept else f"m-{digest}"


def text_of(text: str, most: int) -> str:
    """Return a text on one line, with `_` in place of what no description may have."""
    line = " ".join(inert(unicodedata.normalize("NFC", text)).split())
    kept = (sign if unicodedata.category(sign)[0] in _PLAIN else "_" for sign in line)
    return shortened("".join(kept), most)
