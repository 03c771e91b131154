"""Every error Holdfast raises, one class for each thing a caller can do about it.

```
HoldfastError
├── InvalidInputError        fix the argument and call again
├── NotFoundError            name something that exists
│   └── NoPreviousVersionError   nothing was live before; name a version with `to`
├── AmbiguousRefError        give more characters of the digest
├── ConflictError            read the state again, then decide again
│   ├── ChangedError         the same: the journal has an entry that the caller had not seen
│   └── VersionTakenError    choose another version, or register the same bytes
├── RefusedError             fix what the reasons name, or force with a reason
├── UntrustedError           review the file, then register it with a trust reason
├── DamagedError             restore the bytes from a copy; nothing was changed
├── NewerFormatError         install a newer Holdfast
├── StoreError               fix the folder or the disk
│   ├── NotAStoreError
│   ├── ReadOnlyStoreError
│   ├── StoreFullError
│   └── UnfitStoreError
├── BusyError                too many concurrent writers; call again
│   └── LockedError              another process holds a lock; check on it, then call again
├── OutcomeUnknownError      look up the commit in the journal before doing anything else
├── UnauthenticatedError     sign in, or give a token that is valid
├── ForbiddenError           ask for a role that may
├── MissingLibraryError      install the extra that the message names
└── UnsupportedError         the format cannot do this (tensors have no `predict`)
```

Errors know nothing of exit codes or HTTP: `cli` and `serving` map `code`, which never changes.
"""

from collections.abc import Sequence
from typing import ClassVar

__all__ = [
    "AmbiguousRefError",
    "BusyError",
    "ChangedError",
    "ConflictError",
    "DamagedError",
    "ForbiddenError",
    "HoldfastError",
    "InvalidInputError",
    "LockedError",
    "MissingLibraryError",
    "NewerFormatError",
    "NoPreviousVersionError",
    "NotAStoreError",
    "NotFoundError",
    "OutcomeUnknownError",
    "ReadOnlyStoreError",
    "RefusedError",
    "StoreError",
    "StoreFullError",
    "UnauthenticatedError",
    "UnfitStoreError",
    "UnsupportedError",
    "UntrustedError",
    "VersionTakenError",
]


def _sentence(subject: str, problem: str, advice: str) -> str:
    """Join three parts into one message; *subject* and *problem*, a verb first, are a sentence."""
    return f"{subject} {problem}; {advice}" if advice else f"{subject} {problem}"


class HoldfastError(Exception):
    """Root of the tree; never raised itself."""

    code: ClassVar[str] = "error"


class InvalidInputError(HoldfastError):
    """An argument is malformed; *subject* and *problem* say what and how, *advice* what to do."""

    code = "invalid_input"

    def __init__(self, subject: str, problem: str, advice: str = "") -> None:
        self.subject = subject
        self.problem = problem
        self.advice = advice
        super().__init__(_sentence(subject, problem, advice))


class NotFoundError(HoldfastError):
    """A model, version, alias or file does not exist; *nearest* are likely names."""

    code = "not_found"

    def __init__(self, subject: str, nearest: Sequence[str] = (), advice: str = "") -> None:
        self.subject = subject
        self.nearest = tuple(nearest)
        hint = f"nearest: {', '.join(self.nearest)}" if self.nearest else advice
        super().__init__(_sentence(subject, "not found", hint))


class NoPreviousVersionError(NotFoundError):
    """A rollback has nowhere to go: nothing fit to serve was live before."""

    code = "no_previous_version"

    def __init__(self, model: str, rejected: str | None = None) -> None:
        super().__init__(model)
        advice = f"; holdfast rollback {model} --to {rejected} undoes the last rollback"
        self.args = (
            f"No previous version to roll back to. (model {model}{advice if rejected else ''})",
        )
        self.model = model


class AmbiguousRefError(HoldfastError):
    """A digest prefix fits several versions."""

    code = "ambiguous"

    def __init__(self, ref: str, candidates: Sequence[str]) -> None:
        self.ref = ref
        self.candidates = tuple(candidates)
        super().__init__(
            _sentence(ref, f"matches {', '.join(self.candidates)}", "give more characters")
        )


class ConflictError(HoldfastError):
    """The registry is not as the caller expected it; nothing was written."""

    code = "conflict"

    def __init__(self, subject: str, problem: str, advice: str = "") -> None:
        self.subject = subject
        self.problem = problem
        super().__init__(_sentence(subject, problem, advice))


class ChangedError(ConflictError):
    """A journal has moved on from the entry that the caller named as its last."""

    code = "changed"


class VersionTakenError(ConflictError):
    """The version exists with other bytes or facts; both digests are attributes."""

    code = "version_taken"

    def __init__(self, ref: str, differing: str, theirs: str, ours: str) -> None:
        self.ref = ref
        self.theirs = theirs
        self.ours = ours
        super().__init__(
            ref,
            f"exists with other {differing}: registered {theirs}, yours {ours}",
            "a version never changes, so register yours under another",
        )


class RefusedError(HoldfastError):
    """A gate or rule refused; *reasons* holds every reason, not only the first."""

    code = "refused"

    def __init__(self, subject: str, by: str, reasons: Sequence[str], advice: str = "") -> None:
        self.subject = subject
        self.by = by
        self.reasons = tuple(reasons)
        listed = "; ".join(self.reasons)
        tail = f" ({advice})" if advice else ""
        super().__init__(f"{by} refused {subject}: {listed}{tail}")


class UntrustedError(HoldfastError):
    """A file runs code on loading and names constructors outside the allow-list."""

    code = "untrusted"

    def __init__(self, path: str, findings: Sequence[str]) -> None:
        self.path = path
        self.findings = tuple(findings)
        super().__init__(
            _sentence(
                path,
                f"would run code outside the allow-list when loaded: {', '.join(self.findings)}",
                "review the file, then register it with a trust reason",
            )
        )


class DamagedError(HoldfastError):
    """Stored bytes are not what was written; *subject* names the file."""

    code = "damaged"

    def __init__(self, subject: str, problem: str, advice: str = "") -> None:
        self.subject = subject
        self.problem = problem
        super().__init__(_sentence(subject, problem, advice))


class NewerFormatError(HoldfastError):
    """Something was written by a newer Holdfast than this one can read."""

    code = "newer_format"

    def __init__(self, subject: str, requirement: str, understood: str) -> None:
        self.subject = subject
        self.found = requirement
        self.understood = understood
        super().__init__(
            _sentence(
                subject,
                f"needs {requirement}, but this Holdfast reads {understood}",
                "install a newer Holdfast",
            )
        )


class StoreError(HoldfastError):
    """The folder or bucket that holds the registry cannot be used as it is."""

    code = "store"

    def __init__(self, path: object, problem: str, advice: str = "") -> None:
        self.path = str(path)
        self.problem = problem
        super().__init__(_sentence(self.path, problem, advice))


class NotAStoreError(StoreError):
    """A folder exists and is not a Holdfast store."""

    code = "not_a_store"


class ReadOnlyStoreError(StoreError):
    """The store can be read and not written."""

    code = "read_only"


class StoreFullError(StoreError):
    """The disk or quota is full; nothing was registered."""

    code = "store_full"


class UnfitStoreError(StoreError):
    """The file system lacks a guarantee that the journal depends on."""

    code = "unfit_store"


class BusyError(HoldfastError):
    """Other writers got in first every time; nothing was written, and a later call may succeed."""

    code = "busy"

    def __init__(self, subject: str, problem: str, advice: str = "call again") -> None:
        self.subject = subject
        self.problem = problem
        super().__init__(_sentence(subject, problem, advice))


class LockedError(BusyError):
    """A lock was not free in time.

    Attributes:
        path: The lock's file.
        holders: Those who say that they hold it, for people to read; empty if nobody does.
        waited_s: How long the caller waited.
    """

    code = "locked"

    def __init__(self, path: str, holders: Sequence[str], waited_s: float, advice: str) -> None:
        self.path = path
        self.holders = tuple(holders)
        self.waited_s = waited_s
        by = " and ".join(self.holders) or "a process that did not identify itself"
        super().__init__(
            path, f"is held by {by}; waited {waited_s:g} s", f"{advice}, then call again"
        )


class OutcomeUnknownError(HoldfastError):
    """Nobody knows whether the entry was written; nothing was cleaned up."""

    code = "outcome_unknown"

    def __init__(self, slot: str, commit: str) -> None:
        self.slot = slot
        self.commit = commit
        super().__init__(
            _sentence(
                slot,
                f"may or may not hold commit {commit}: its outcome is unknown",
                "read that slot before trying again",
            )
        )


class UnauthenticatedError(HoldfastError):
    """Nobody knows who asks; the message never holds the secret that was given."""

    code = "unauthenticated"

    def __init__(self, subject: str, problem: str, advice: str = "") -> None:
        self.subject = subject
        self.problem = problem
        super().__init__(_sentence(subject, problem, advice))


class ForbiddenError(HoldfastError):
    """Whoever asks may not do this; *roles* may, and the advice says who can give one."""

    code = "forbidden"

    def __init__(
        self, subject: str, problem: str, roles: Sequence[str] = (), advice: str = ""
    ) -> None:
        self.subject = subject
        self.problem = problem
        self.roles = tuple(roles)
        super().__init__(_sentence(subject, problem, advice))


class MissingLibraryError(HoldfastError):
    """A format needs a library that is not installed."""

    code = "missing_library"

    def __init__(self, library: str, extra: str, purpose: str) -> None:
        self.library = library
        self.extra = extra
        super().__init__(
            _sentence(
                library, f"is not installed, but {purpose}", f"pip install 'holdfast[{extra}]'"
            )
        )


class UnsupportedError(HoldfastError):
    """This format or object cannot do what was asked."""

    code = "unsupported"

    def __init__(self, subject: str, problem: str, advice: str = "") -> None:
        self.subject = subject
        self.problem = problem
        super().__init__(_sentence(subject, problem, advice))
