"""How MLflow's names become Holdfast's, and back.

MLflow takes any name without `/` and `:`. Holdfast takes `/` and refuses a few characters more.
What is refused becomes `%` and two hex digits for each byte, as does a `%` that would be read as
one of those; Holdfast's `/` is MLflow's `∕` (U+2215). A name that is still too long is cut and ends
in `~` and a digest: the whole of it is kept as the text `name` of the model.
"""

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from holdfast.core import names
from holdfast.errors import InvalidInputError

NAME: Final = "name"
"""The text of a model that holds the name MLflow knows it by."""
_SLASH: Final = "\u2215"
_ESCAPED: Final = re.compile(r"(?:%[0-9a-f]{2})+")
_LIKE_ESCAPED: Final = re.compile(r"%(?=[0-9a-f]{2})")
_REFUSED: Final = re.compile(r"[@\\\\:/]")
_KEPT: Final = names.MAX_NAME - 17
_PREFIX: Final = "mlflow."
_PLAIN: Final = re.compile(r"[a-z0-9_-]")
_DOTTED: Final = re.compile(r"\.([0-9a-f]+)\.")
_LONG: Final = "long-"
_MAX_ALIAS: Final = 64


def to_holdfast(name: str) -> str:
    """Return the registered model that MLflow's *name* means."""
    safe = _LIKE_ESCAPED.sub("%25", name)
    with_slash = safe.replace(_SLASH, "/")
    for candidate in (with_slash, safe):
        if _is_legal(candidate):
            return candidate
    escaped = _escaped(safe)
    if _is_legal(escaped):
        return escaped
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{escaped[:_KEPT].rstrip('. ')}~{digest}"


def to_mlflow(model: str, texts: Mapping[str, str]) -> str | None:
    """Return the name that MLflow knows *model* by, `None` if no name of MLflow's leads to it."""
    for name in (texts.get(NAME), _unescaped(model)):
        if name is not None and to_holdfast(name) == model:
            return name
    return None


def _is_legal(model: str) -> bool:
    try:
        names.check_model(model)
    except InvalidInputError:
        return False
    return True


def _escaped(name: str) -> str:
    """Escape what Holdfast refuses, and every letter beyond ASCII where forms of them differ."""
    composed = unicodedata.normalize("NFC", name) == name
    last = len(name) - 1
    pieces = []
    for at, char in enumerate(name):
        refused = (
            _REFUSED.match(char)
            or char == _SLASH
            or not char.isprintable()
            or not (composed or char.isascii())
            or (char.isspace() and at in (0, last))
            or (char == "." and (at == 0 or name[at - 1] == "."))
        )
        pieces.append(_percent(char) if refused else char)
    return "".join(pieces)


def _percent(char: str) -> str:
    return "".join(f"%{byte:02x}" for byte in char.encode("utf-8", "surrogatepass"))


def _unescaped(model: str) -> str:
    text = model.replace("/", _SLASH)
    return _ESCAPED.sub(lambda match: unquote(match[0], errors="surrogatepass"), text)


def alias_to_holdfast(alias: str) -> str:
    """Return the alias that MLflow's *alias* is kept under.

    What Holdfast takes stays; anything else begins with `mlflow.` and has each character that
    Holdfast's aliases have not between two dots, in hex.
    """
    if not alias.startswith(_PREFIX) and _is_alias(alias):
        return alias
    escaped = "".join(c if _PLAIN.match(c) else f".{ord(c):x}." for c in alias)
    if len(_PREFIX + escaped) <= _MAX_ALIAS:
        return _PREFIX + escaped
    return f"{_PREFIX}{_LONG}{hashlib.sha256(alias.encode()).hexdigest()[:32]}"


def alias_key(kept: str) -> str | None:
    """Return the key of a model's text that holds a long alias, `None` for others."""
    return f"alias.{kept}" if kept.startswith(_PREFIX + _LONG) else None


def alias_to_mlflow(kept: str, texts: Mapping[str, str]) -> str:
    """Return the alias that MLflow knows, given the one it is kept under."""
    key = alias_key(kept)
    if key is not None and key in texts:
        return texts[key]
    if not kept.startswith(_PREFIX):
        return kept
    return _DOTTED.sub(lambda match: chr(int(match[1], 16)), kept.removeprefix(_PREFIX))


def _is_alias(alias: str) -> bool:
    try:
        names.check_alias(alias)
    except InvalidInputError:
        return False
    return True
