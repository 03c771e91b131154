"""What the registry tells people: one version, one model, and the screen for 11 pm."""

from msgspec import Struct

from holdfast.core import notebook, signers
from holdfast.core.clocks import seconds_between
from holdfast.core.compare import Comparison
from holdfast.core.events import Past
from holdfast.core.fleet import Serving
from holdfast.core.rollout.course import Rollout
from holdfast.core.state import Move, Record, State


class Situation(Struct, frozen=True):
    """What of a model belongs in the memory of servers, and how far its journal was read.

    Attributes:
        seq: Number of the last entry.
        production: The live version.
        previous: What a rollback goes to.
        left: What was live until the last move; it may come back.
        rollout: The one that goes on.
    """

    model: str
    seq: int
    production: str | None = None
    previous: str | None = None
    left: str | None = None
    rollout: Rollout | None = None


class VersionInfo(Struct, frozen=True):
    """One version as it stands.

    Attributes:
        digest: `sha256:` and 64 hex digits of its manifest: its identity.
        metrics: With later evaluations merged over the manifest's.
        served: True if it was ever live.
        signed_by: Whose signatures it bears: listed signers by name, others by their key's id. What
            they are worth is said by `verify`.
    """

    model: str
    version: str
    number: int
    status: str
    digest: str
    registered_at: str
    registered_by: str
    size_bytes: int
    metrics: dict[str, float]
    aliases: tuple[str, ...]
    tags: dict[str, str]
    notes: tuple[str, ...]
    approvals: tuple[str, ...]
    held: str | None
    served: bool
    signed_by: tuple[str, ...] = ()

    @property
    def ref(self) -> str:
        """The exact ref, `iris@1.2.0`."""
        return f"{self.model}@{self.version}"

    def __str__(self) -> str:
        """Return the exact ref, so that a version can be passed wherever a ref is wanted."""
        return self.ref

    def _repr_html_(self) -> str:
        """Show the version in a notebook."""
        told = [
            ("status", self.status),
            ("aliases", ", ".join(self.aliases)),
            ("registered", f"{notebook.moment(self.registered_at)} by {self.registered_by}"),
            *sorted(self.metrics.items()),
            *sorted(self.tags.items()),
            ("approved by", ", ".join(self.approvals)),
            ("signed by", ", ".join(self.signed_by)),
            ("held", self.held),
            ("digest", f"{self.digest.removeprefix('sha256:')[:12]}…"),
        ]
        return notebook.facts(self.ref, told)


class ModelInfo(Struct, frozen=True):
    """One registered model.

    Attributes:
        versions: How many have their bytes.
        updated_at: Time of its last entry.
        damage: Why nothing more can be told, `None` if its journal is sound.
    """

    model: str
    versions: int = 0
    production: str | None = None
    staging: str | None = None
    latest: str | None = None
    updated_at: str | None = None
    damage: str | None = None


class Registered(Struct, frozen=True):
    """The outcome of a registration.

    Attributes:
        created: False if the same content was registered under this version before.
        why: How it came to its version.
        same_bytes: The version whose files are, byte for byte, those of the new one; `None` if none
            with as many bytes is found among the last ones.
    """

    version: VersionInfo
    created: bool
    why: str
    same_bytes: str | None = None

    @property
    def ref(self) -> str:
        """The exact ref of the version."""
        return self.version.ref

    def __str__(self) -> str:
        """Return the exact ref."""
        return self.ref


class Moved(Struct, frozen=True):
    """The outcome of a verb that moves a name.

    Attributes:
        version: What the name stands for now.
        was: What it stood for before.
        changed: False if there was nothing to do.
        note: What happened, in a few words.
        remarks: What the gate saw and let pass.
        refused: Reasons of the gate that were passed over by force.
        head: The journal's last entry after it, `42:9d1f…`, to be kept elsewhere and pinned.
        rollout: Number of the rollout that ended by it, or that it undid.
    """

    model: str
    version: str | None
    was: str | None
    changed: bool
    note: str
    remarks: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    head: str | None = None
    rollout: int | None = None

    @property
    def ref(self) -> str:
        """The exact ref of the version."""
        return f"{self.model}@{self.version}"

    def __str__(self) -> str:
        """Return the exact ref."""
        return self.ref


class Damage(Struct, frozen=True):
    """Something that is not as it was written: *subject* names the file."""

    model: str | None
    version: str | None
    subject: str
    problem: str


class Remark(Struct, frozen=True):
    """Something odd that is no damage: *subject* names the file or the model."""

    model: str | None
    subject: str
    text: str


class Before(Struct, frozen=True):
    """The version a rollback goes to.

    Attributes:
        served_s: Seconds it was live in all.
        damages: What is wrong with its bytes; empty means whole, hashed just now.
    """

    version: str
    served_s: float
    damages: tuple[Damage, ...]


class Status(Struct, frozen=True):
    """The screen for whoever is on call.

    Attributes:
        at: The moment it describes.
        since: When the live version became live.
        before: What a rollback goes to, `None` if there is nothing.
        comparison: From the version before to the live one.
        moves: The last lines of history, newest first.
        command: What to type to go back, `None` if there is nothing to go back to.
        undo: What to type to take the last rollback back, `None` if the live version came by none.
        rollout: The one that goes on, or the last one.
        serving: How far the servers are; `None` where none ever reported, and of past times.
        remarks: What is odd and no damage: times that cannot be right.
        damage: What is wrong with the one entry of the journal that cannot be read, and the remedy;
            all else is what the others still prove, and nothing can be written.
    """

    model: str
    at: str
    live: VersionInfo | None
    since: str | None
    by: str | None
    reason: str | None
    how: str | None
    forced: bool
    before: Before | None
    comparison: Comparison | None
    staging: str | None
    latest: str | None
    versions: int
    moves: tuple[Past, ...]
    command: str | None
    rollout: Rollout | None = None
    serving: Serving | None = None
    undo: str | None = None
    remarks: tuple[str, ...] = ()
    damage: str | None = None

    def _repr_html_(self) -> str:
        """Show what is live and what happened last in a notebook."""
        live = self.live.version if self.live else "nothing"
        facts = [
            ("live", live),
            ("since", notebook.moment(self.since)),
            ("by", self.by),
            ("why", self.reason),
            ("before it", self.before.version if self.before else None),
            ("to go back", self.command),
        ]
        moves = [(notebook.moment(past.at), past.by, past.what, past.reason) for past in self.moves]
        told = notebook.table(("when", "who", "what", "why"), moves)
        return notebook.table((self.model, ""), facts) + told


def model_table(models: list[ModelInfo]) -> str:
    """Show models as a table in a notebook."""
    rows = [(one.model, one.production, one.staging, one.versions, one.damage) for one in models]
    return notebook.table(("model", "production", "staging", "versions", "damage"), rows)


class Verification(Struct, frozen=True):
    """What re-hashing everything found; no damages means that every byte is as it was written.

    Attributes:
        remarks: What is odd and no damage: times that cannot be right, files that others left.
    """

    models: int
    versions: int
    entries: int
    files: int
    size_bytes: int
    damages: tuple[Damage, ...]
    remarks: tuple[Remark, ...] = ()

    @property
    def whole(self) -> bool:
        """True if nothing is damaged."""
        return not self.damages


def version_info(state: State, record: Record) -> VersionInfo:
    """Show one version."""
    return VersionInfo(
        model=state.model,
        version=record.version,
        number=record.number,
        status=record.status,
        digest=f"sha256:{record.manifest}",
        registered_at=record.registered_at,
        registered_by=record.registered_by,
        size_bytes=record.size_bytes,
        metrics=record.metrics,
        aliases=state.aliases_of(record.version),
        tags=record.tags,
        notes=record.notes,
        approvals=record.approvals,
        held=record.held,
        served=record.served,
        signed_by=signed_by(state, record),
    )


def signed_by(state: State, record: Record) -> tuple[str, ...]:
    """Say whose signatures a version bears, unknown keys by the first digits of their id."""
    return tuple(
        signers.name_of(state.policy.signers, one.key)
        or f"key {signers.version_key_id(one.key)[:12]}"
        for one in record.signatures
    )


def model_info(state: State) -> ModelInfo:
    """Show one model."""
    return ModelInfo(
        model=state.model,
        versions=sum(1 for _ in state.present()),
        production=state.production,
        staging=state.staging,
        latest=state.latest(),
        updated_at=state.at,
    )


def served_s(moves: list[Move], version: str, now: str) -> float:
    """Return how many seconds *version* was live in all, up to *now*.

    A stretch whose ends were told by clocks that differ counts as none.
    """
    ends = [*(move.at for move in moves[1:]), now][: len(moves)]
    return sum(
        max(0.0, seconds_between(move.at, end))
        for move, end in zip(moves, ends, strict=True)
        if move.version == version
    )
