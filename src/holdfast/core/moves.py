"""Changes of what is live, and what idempotency keys were used for, as a state keeps them."""

from typing import Literal

from msgspec import Struct


class Move(Struct, frozen=True, omit_defaults=True, gc=False):
    """One change of what is live.

    Attributes:
        version: Live from here on; `None` after the model was deleted.
        seq: Entry that says so.
        how: Promoted, rolled back or deleted.
    """

    version: str | None
    was: str | None
    seq: int
    at: str
    by: str
    reason: str | None
    how: Literal["promoted", "rolled_back", "deleted"]
    forced: bool = False


class KeyUse(Struct, frozen=True, gc=False):
    """What an idempotency key was used for: the operation, its entry and its version."""

    op: str
    seq: int
    version: str | None
