"""The session below a registry's verbs, which the server uses as its own other face."""

from holdfast.core.heads import Head
from holdfast.registry.reader import Reader
from holdfast.registry.session import Session

__all__ = ["head_of", "session_of"]


def session_of(registry: Reader) -> Session:
    """Return the session below a registry's verbs."""
    return registry._session  # noqa: SLF001 - the server is the registry's own other face


def head_of(session: Session, model: str) -> Head:
    """Return the last entry of a model's journal, deleted or not.

    Raises:
        NotFoundError: If it never had one.
    """
    session.require_known(model)
    state = session.ledger(model).state()
    return Head(model, state.seq, state.head or "")
