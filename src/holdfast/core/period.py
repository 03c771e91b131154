"""A stretch of time in which one version was live."""

from msgspec import Struct


class Period(Struct, frozen=True):
    """A stretch of time in which one version was live.

    Attributes:
        until: End of it, `None` if it has not ended.
        by: Who made it live.
        ended_by: Who ended it, `None` if it has not ended.
        how: `promoted` or `rolled_back`.
    """

    version: str
    since: str
    until: str | None
    by: str
    reason: str | None
    how: str
    ended_by: str | None
    forced: bool
