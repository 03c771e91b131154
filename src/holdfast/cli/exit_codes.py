"""Exit statuses: stable, documented in `docs/reference/exit-codes.md`."""

from typing import Final

from holdfast.errors import HoldfastError

DONE: Final = 0
CHECK: Final = 1
"""A check that was asked for said no: `compare --fail-if`."""
INVALID: Final = 2
REFUSED: Final = 4
FAILED: Final = 12
"""Of `retrain` and `reproduce`: the training failed."""
LIMIT: Final = 13
"""Of `retrain`: the training met its limit of time or memory."""
DAMAGED: Final = 6
BUG: Final = 70
INTERRUPTED: Final = 130

BY_CODE: Final[dict[str, int]] = {
    "invalid_input": INVALID,
    "not_found": 3,
    "no_previous_version": 3,
    "ambiguous": 3,
    "refused": 4,
    "untrusted": 4,
    "conflict": 5,
    "changed": 5,
    "version_taken": 5,
    "damaged": DAMAGED,
    "store": 7,
    "not_a_store": 7,
    "read_only": 7,
    "store_full": 7,
    "unfit_store": 7,
    "newer_format": 7,
    "missing_library": 8,
    "unsupported": 8,
    "outcome_unknown": 9,
    "busy": 10,
    "locked": 10,
    "unauthenticated": 11,
    "forbidden": 11,
}


def status_of(error: HoldfastError) -> int:
    """Return the exit status of an error."""
    return BY_CODE[error.code]
