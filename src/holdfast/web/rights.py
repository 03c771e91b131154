"""What whoever asks may do, as it stood when they asked: one state for a whole request."""

from dataclasses import dataclass

from holdfast.access import permissions
from holdfast.access.access_state import ALL, AccessState
from holdfast.access.permissions import GRANTABLE, Identity
from holdfast.errors import NotFoundError

__all__ = ["Rights"]


@dataclass(frozen=True, slots=True)
class Rights:
    """Who asks, and the state that says what they may do."""

    state: AccessState
    identity: Identity

    def allows(self, verb: str, model: str | None) -> bool:
        """Tell whether they may do something."""
        return permissions.may(self.state, self.identity, verb, model).allowed

    def require(self, verb: str, model: str | None) -> None:
        """Check that they may do something.

        Raises:
            NotFoundError: If they may not even see the model: what is not theirs does not exist.
            ForbiddenError: If they see it and may not do this.
        """
        if model is not None and not self.allows("read", model):
            raise NotFoundError(f"model {model}")
        permissions.require(self.state, self.identity, verb, model)

    @property
    def reads_all(self) -> bool:
        """Whether no model is hidden from them."""
        narrowing = self.identity.narrowing
        if narrowing is not None and narrowing.models is not None and ALL not in narrowing.models:
            return False
        granted = permissions.rights(self.state, self.identity)
        everywhere = any(
            grant.pattern == ALL and "read" in GRANTABLE[grant.role] for grant in granted
        )
        return everywhere and self.allows("read", None)
