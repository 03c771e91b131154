"""What a deed that is asked for again comes to: nothing. Every verb has a reason and a key."""

from msgspec import Struct

from holdfast.core import events, names
from holdfast.core.state import State
from holdfast.errors import ConflictError, InvalidInputError


class Unchanged(Struct, frozen=True):
    """Nothing to do, and why."""

    why: str
    version: str | None = None


def check_signing(reason: object, key: object) -> None:
    """Check the reason and idempotency key of a call, before anything is done.

    Raises:
        InvalidInputError: If one is not text, or the key is empty.
    """
    for field, value in (("reason", reason), ("key", key)):
        if value is not None and not isinstance(value, str):
            raise InvalidInputError(field, f"must be text, not {value!r}")
    if key is not None and not names.is_text(key):
        raise InvalidInputError("key", "is empty", "leave it out or give one of your own")


def repeated(
    state: State, key: str | None, operation: type[events.AnyEvent], version: str | None = None
) -> Unchanged | None:
    """Answer a request whose idempotency key was used: the same operation is a repetition.

    It is checked before anything else, because what the operation changed may forbid it now.

    Args:
        state: The model.
        key: The caller's; `None` asks each time for a new deed.
        operation: The event wished for.
        version: The one wished for, where the caller names it once and for all.

    Raises:
        ConflictError: If the key was used for another deed.
    """
    use = state.keys.get(key) if key is not None else None
    if use is None:
        return None
    if use.op != events.WORDS[operation] or version not in (None, use.version):
        of = f" of {use.version}" if use.version else ""
        raise ConflictError(
            f"key {key!r}", f"was used for {use.op!r} in entry {use.seq}{of}", "use another key"
        )
    return Unchanged(f"entry {use.seq} did this with the same key", use.version)
