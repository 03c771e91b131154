"""What is to be repaired: steps in their order, noted first and carried out afterwards."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from msgspec import Struct

from holdfast.core.views import Damage
from holdfast.errors import HoldfastError
from holdfast.store import AbsentError, BlobStore

Action = Literal["fetch", "set aside", "rebuild"]


class Mend(Struct, frozen=True):
    """One thing that is put right.

    Attributes:
        subject: The file, or the folder of a model whose derived files are made anew.
        problem: What is wrong with it.
        source: Where the good bytes are from, `None` where none are needed.
    """

    model: str | None
    subject: str
    action: Action
    problem: str
    source: str | None = None


class Repair(Struct, frozen=True):
    """What is repaired, or is to be, and what cannot be."""

    mends: tuple[Mend, ...]
    left: tuple[Damage, ...]

    @property
    def whole(self) -> bool:
        """True if no damage is left."""
        return not self.left


@dataclass(frozen=True, slots=True)
class RepairStep:
    """One thing to be put right, and what does so."""

    mend: Mend
    perform: Callable[[], None]


@dataclass(slots=True)
class RepairPlan:
    """The steps of a repair, in their order, and the damage for which there is none."""

    steps: list[RepairStep] = field(default_factory=list)
    left: list[Damage] = field(default_factory=list)

    def add(self, mend: Mend, perform: Callable[[], None]) -> None:
        """Append a step."""
        self.steps.append(RepairStep(mend, perform))

    def leave(self, model: str | None, subject: str, problem: str) -> None:
        """Note a damage that nothing can be done about."""
        self.left.append(Damage(model, None, subject, problem))

    @property
    def subjects(self) -> set[str]:
        """The files that the plan speaks of."""
        return {step.mend.subject for step in self.steps} | {lost.subject for lost in self.left}

    def shown(self) -> Repair:
        """Say what would be done."""
        return Repair(tuple(step.mend for step in self.steps), tuple(self.left))

    def carried_out(self) -> Repair:
        """Do it step by step; a step that fails is left, and the next ones are tried all the same.

        Entries come before blobs, and both before what is derived from them.
        """
        done, left = [], list(self.left)
        for step in self.steps:
            try:
                step.perform()
                done.append(step.mend)
            except (HoldfastError, OSError) as error:
                left.append(Damage(step.mend.model, None, step.mend.subject, str(error)))
        return Repair(tuple(done), tuple(left))


def make_room(store: BlobStore, key: str) -> None:
    """Set aside whatever has a key, if anything has."""
    try:
        store.quarantine(key)
    except AbsentError:
        return
