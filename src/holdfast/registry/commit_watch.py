"""What whoever answers for a request wants to know of its commits, and demands of the journal."""

from msgspec import Struct, field

from holdfast.core.state import State
from holdfast.errors import ChangedError
from holdfast.registry.ledger import CommitResult

__all__ = ["CommitWatch"]


class CommitWatch(Struct):
    """Watches the commits of one session.

    Attributes:
        last: The entry that must be a journal's last, `42:9d1f…`; `None` for whichever.
        outcomes: What came of each commit, in order.
    """

    last: str | None = None
    outcomes: list[CommitResult] = field(default_factory=list)

    def check(self, state: State) -> None:
        """Check the state that a decision is made about, right before it is made.

        Raises:
            ChangedError: If another entry is the last.
        """
        if self.last is not None and self.last != f"{state.seq}:{state.head or ''}":
            raise ChangedError(state.model, f"has moved on to entry {state.seq}", "read it again")

    def committed(self, outcome: CommitResult) -> None:
        """Keep what came of a commit; what this request wrote itself does not count against it."""
        self.outcomes.append(outcome)
        if self.last is not None:
            self.last = f"{outcome.state.seq}:{outcome.state.head or ''}"
