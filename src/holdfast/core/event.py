"""The root of all events."""

from msgspec import Struct


class Event(Struct, frozen=True, kw_only=True):
    """Something that happened; the class name is not stored, the operation's word is."""

    def versions(self) -> tuple[str, ...]:
        """Name the versions whose record this event changes."""
        return ()
