"""What a scan has found so far, and how much work it may still do."""

from dataclasses import dataclass, field
from typing import NoReturn

from holdfast.formats.scanner.allowlist import AllowList
from holdfast.formats.scanner.symbols import parts_within

LISTED = 200
"""How many names or findings a scan keeps; the rest is counted."""

_COUNTED = 20_000  # beyond this even counting stops: the names are made up
_LONGEST = 300  # characters of a finding
_INSTRUCTIONS = 10_000_000  # about 15 s of pickle; a forest of 10 000 trees needs a tenth
_INFLATED_FLOOR = 1 << 28
_INFLATED_CEILING = 1 << 36
_RATIO = 100  # honest models compress by 2 to 20, bombs by 1000


class UnreadableError(Exception):
    """The bytes are not what they claim to be; the message says where."""


class ExhaustedError(UnreadableError):
    """Reading on would take more work than a file of this size deserves."""


@dataclass(slots=True)
class Budget:
    """Work left for one scan, so that a small file cannot keep it busy or fill the memory.

    Attributes:
        exhausted: Why reading was given up, kept here so that no reader of a wrong guess loses it.
    """

    instructions: int
    inflated: int
    exhausted: set[str] = field(default_factory=set)

    @classmethod
    def of_size(cls, size_bytes: int) -> "Budget":
        """Grant work in proportion to what there is on disk."""
        inflated = min(max(_INFLATED_FLOOR, _RATIO * size_bytes), _INFLATED_CEILING)
        return cls(_INSTRUCTIONS, inflated)

    def spend_instruction(self) -> None:
        """Count one step of a pickle."""
        self.instructions -= 1
        if self.instructions < 0:
            self.give_up("more pickle instructions than any honest model has")

    def spend_inflated(self, size_bytes: int) -> None:
        """Count bytes that came out of a compressed stream."""
        self.inflated -= size_bytes
        if self.inflated < 0:
            self.give_up("it unpacks to far more than its size on disk")

    def give_up(self, reason: str) -> NoReturn:
        """Stop reading for *reason*.

        Raises:
            ExhaustedError: Always.
        """
        message = f"given up: {reason}"
        self.exhausted.add(message)
        raise ExhaustedError(message)


@dataclass(slots=True)
class Findings:
    """The names and doubts of one file or folder, each kept once.

    Attributes:
        allowed: What may be named.
        budget: Shared by everything one scan reads.
        executes_code: True once something was found that runs when it is loaded.
        found_names: Globals, as many as are kept; `names` has them in order.
        found_doubts: Unknown globals and other findings, as many as are kept.
    """

    allowed: AllowList
    budget: Budget
    executes_code: bool = False
    found_names: set[str] = field(default_factory=set)
    found_doubts: set[str] = field(default_factory=set)

    def charge(self, *values: object) -> None:
        """Spend a step on each part of values that are about to be judged."""
        for _ in parts_within(*values):
            self.budget.spend_instruction()

    def name(self, name: str, *, known: bool) -> None:
        """Note a global; one that is not *known* is a doubt as well."""
        self.executes_code = True
        _keep(self.found_names, name)
        if not known:
            _keep(self.found_doubts, name)

    def doubt(self, text: str) -> None:
        """Note something that could not be read or must not be trusted unread."""
        self.executes_code = True
        _keep(self.found_doubts, text)

    def separate(self) -> "Findings":
        """Start an empty twin, for a reading that may turn out to be a wrong guess."""
        return Findings(self.allowed, self.budget)

    def adopt(self, other: "Findings", label: str) -> None:
        """Take over what *other* found in the part named *label* (empty for the whole)."""
        self.executes_code |= other.executes_code
        for name in other.found_names:
            _keep(self.found_names, name)
        for doubt in other.found_doubts:
            alone = not label or doubt in other.found_names
            _keep(self.found_doubts, doubt if alone else f"{label}: {doubt}")

    @property
    def names(self) -> tuple[str, ...]:
        """Every global, sorted and bounded."""
        return _bounded(self.found_names)

    @property
    def doubts(self) -> tuple[str, ...]:
        """Every unknown global and every other finding, sorted and bounded."""
        return _bounded(self.found_doubts)


def _keep(texts: set[str], text: str) -> None:
    if len(texts) < _COUNTED:
        shown = text if text.isprintable() else ascii(text)[1:-1]
        texts.add(shown if len(shown) <= _LONGEST else shown[: _LONGEST - 3] + "...")


def _bounded(texts: set[str]) -> tuple[str, ...]:
    listed = sorted(texts)
    more = len(listed) - LISTED
    return (*listed[:LISTED], f"... and {more} more") if more > 0 else tuple(listed)
