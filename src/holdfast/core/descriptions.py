"""Texts about a model or a version that change nothing Holdfast decides."""

from collections.abc import Mapping

from holdfast.core import events, names
from holdfast.core.idempotency import Unchanged
from holdfast.core.state import State
from holdfast.errors import InvalidInputError


def describe(
    state: State, version: str | None, texts: Mapping[str, str | None]
) -> events.Described | Unchanged:
    """Set texts of a version, or of the model, which exists from then on.

    Raises:
        InvalidInputError: If a key is empty or not printable.
    """
    check_texts(texts)
    before = state.texts if version is None else state.versions[version].texts
    changed = {key: text for key, text in sorted(texts.items()) if before.get(key) != text}
    if not changed and state.exists:
        return Unchanged(f"{state.model} already has these texts", version)
    return events.Described(version=version, texts=changed)


def check_texts(texts: Mapping[str, str | None]) -> None:
    """Check the keys of texts.

    Raises:
        InvalidInputError: If one is empty or not printable.
    """
    for key in texts:
        if not names.is_key(key):
            raise InvalidInputError(f"text {key!r}", "is not a name", "use printable characters")
