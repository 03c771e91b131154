"""Errors on their way between machines: what one knows as plain values, and back again.

A server answers with an error's `code`, its message and its facts; a client makes the same class of
them. Whatever a server says, the error has every attribute that code reads of its class.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from holdfast import errors
from holdfast.errors import HoldfastError

_SENTENCE: Final = {"subject": "", "problem": ""}
_NAMED: Final = {"subject": "", "nearest": ()}
_PLACE: Final = {"path": "", "problem": ""}
FACTS: Final[dict[type[HoldfastError], dict[str, Any]]] = {
    errors.InvalidInputError: {**_SENTENCE, "advice": ""},
    errors.NotFoundError: _NAMED,
    errors.NoPreviousVersionError: {**_NAMED, "model": ""},
    errors.AmbiguousRefError: {"ref": "", "candidates": ()},
    errors.ConflictError: _SENTENCE,
    errors.ChangedError: _SENTENCE,
    errors.VersionTakenError: {**_SENTENCE, "ref": "", "theirs": "", "ours": ""},
    errors.RefusedError: {"subject": "", "by": "", "reasons": ()},
    errors.UntrustedError: {"path": "", "findings": ()},
    errors.DamagedError: _SENTENCE,
    errors.NewerFormatError: {"subject": "", "found": "", "understood": ""},
    errors.StoreError: _PLACE,
    errors.NotAStoreError: _PLACE,
    errors.ReadOnlyStoreError: _PLACE,
    errors.StoreFullError: _PLACE,
    errors.UnfitStoreError: _PLACE,
    errors.BusyError: _SENTENCE,
    errors.LockedError: {**_SENTENCE, "path": "", "holders": (), "waited_s": 0.0},
    errors.OutcomeUnknownError: {"slot": "", "commit": ""},
    errors.UnauthenticatedError: _SENTENCE,
    errors.ForbiddenError: {**_SENTENCE, "roles": ()},
    errors.MissingLibraryError: {"library": "", "extra": ""},
    errors.UnsupportedError: _SENTENCE,
}
"""The attributes of each class, each with what stands for one that a server does not tell."""


def classes(root: type[HoldfastError] = HoldfastError) -> Iterator[type[HoldfastError]]:
    """Go through all classes of errors below *root*."""
    for child in root.__subclasses__():
        yield child
        yield from classes(child)


def facts(error: HoldfastError) -> dict[str, Any]:
    """Return what an error knows beside its code and message, as plain values."""
    known = next((FACTS[kind] for kind in type(error).__mro__ if kind in FACTS), {})
    return {name: getattr(error, name) for name in known}


def rebuilt(code: str, message: str, facts: Mapping[str, Any]) -> HoldfastError | None:
    """Make the error that another machine raised; `None` if there is no such code here.

    Args:
        code: Of its class.
        message: What it said.
        facts: Its facts; those of another kind than they must be are passed over.
    """
    for kind in (*FACTS, *classes()):
        if kind.code == code:
            error = kind.__new__(kind)
            error.args = (message,)
            for name, default in FACTS.get(kind, {}).items():
                setattr(error, name, _plain(facts.get(name), default))
            return error
    return None


def _plain(value: Any, default: Any) -> Any:
    """Return *value* if it is of the kind of *default*, else that."""
    if isinstance(default, tuple):
        whole = isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
        return tuple(value) if whole else default
    if isinstance(default, float):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if is_number else default
    return value if isinstance(value, str) else default
