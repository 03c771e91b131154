"""Everything that can happen to a registered model: one frozen record for each operation.

A stored field never changes its meaning. A new field has a default; a new meaning is a new event.
A reader that meets an operation it does not know refuses the journal (`core/entry.py`).
"""

from typing import Final

from msgspec import Struct, field

from holdfast.core.auth import Auth
from holdfast.core.drift import drift_events as drift
from holdfast.core.evaluation import Evaluation
from holdfast.core.event import Event
from holdfast.core.manifest import Scan
from holdfast.core.paired import Losses
from holdfast.core.policy import Policy
from holdfast.core.retraining.slot_record import ChampionScores, Outcome
from holdfast.core.rollout import rollout_events as rollouts


class Past(Struct, frozen=True):
    """A line of history.

    Attributes:
        key: Id of the key that signed the entry; `None` if nobody did.
        signer: Whose key the policy says it is, once the signature was checked; `None` if nobody's.
        gate: Of a promotion, what the gate said: reasons passed over, and remarks.
        auth: How a server authenticated the author; `None` if none did.
    """

    seq: int
    at: str
    by: str
    op: str
    what: str
    reason: str | None
    key: str | None = None
    signer: str | None = None
    gate: tuple[str, ...] = ()
    auth: Auth | None = None


class Origin(Struct, frozen=True):
    """Where an imported version comes from.

    Attributes:
        registry: Id of the other registry.
        head: SHA-256 of the last entry of the model's journal there.
        history: What happened to the version there, oldest first.
        scan: By role, what was found here to run code outside the allow-list and was trusted.
    """

    registry: str
    head: str
    history: tuple[Past, ...] = ()
    scan: dict[str, Scan] = {}


class Registered(Event, frozen=True, kw_only=True):
    """A version was registered.

    Attributes:
        manifest: SHA-256 of the manifest's bytes, which are stored as a blob.
        size_bytes: Of all artifacts.
        metrics: Copied from the manifest, so that lists need not open it.
        why: How the version came to its number, a sentence.
        schemas: Which of `input_schema` and `output_schema` the manifest has.
        origin: Set where it was imported.
        reference: Copied from the manifest: where the bytes are said to be that were not taken in.
        tags: It has from its first moment on.
        texts: As in `Described`, from its first moment on.
    """

    version: str
    number: int
    manifest: str
    size_bytes: int
    metrics: dict[str, float]
    why: str
    schemas: tuple[str, ...] = ()
    origin: Origin | None = None
    reference: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    def versions(self) -> tuple[str, ...]:
        """Name the new version."""
        return (self.version,)


class Staged(Event, frozen=True, kw_only=True):
    """`staging` moved to *version*; it was held by *was*."""

    version: str
    was: str | None

    def versions(self) -> tuple[str, ...]:
        """Name both."""
        return _named(self.version, self.was)


class Promoted(Event, frozen=True, kw_only=True):
    """`production` moved to *version* through the gate, or past it if *forced*.

    Attributes:
        was: The champion until now, which is archived by this entry.
        forced: True if the gate refused and was overridden.
        refused: The gate's reasons, empty if it let the version pass.
        remarks: What the gate noted and let pass.
        rollout: The running rollout, which ends by this; if of another version, *forced* is true.
    """

    version: str
    was: str | None
    forced: bool = False
    refused: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    rollout: int | None = None

    def versions(self) -> tuple[str, ...]:
        """Name both."""
        return _named(self.version, self.was)


class RolledBack(Event, frozen=True, kw_only=True):
    """`production` moved back to *version*; *was* is rejected and archived.

    Attributes:
        undoes: Number of the entry that had made *was* live.
        rollout: The one that ends by this, or that had brought *was*.
    """

    version: str
    was: str
    undoes: int
    rollout: int | None = None

    def versions(self) -> tuple[str, ...]:
        """Name both."""
        return _named(self.version, self.was)


class Archived(Event, frozen=True, kw_only=True):
    """*version* was archived."""

    version: str

    def versions(self) -> tuple[str, ...]:
        """Name it."""
        return (self.version,)


class AliasSet(Event, frozen=True, kw_only=True):
    """*alias* moved to *version*; *forced* past its protection."""

    alias: str
    version: str
    was: str | None
    forced: bool = False

    def versions(self) -> tuple[str, ...]:
        """Name both."""
        return _named(self.version, self.was)


class AliasRemoved(Event, frozen=True, kw_only=True):
    """*alias* was removed."""

    alias: str
    was: str
    forced: bool = False

    def versions(self) -> tuple[str, ...]:
        """Name the version it named."""
        return (self.was,)


class Tagged(Event, frozen=True, kw_only=True):
    """Tags of *version* were set; a value of `None` removed one."""

    version: str
    tags: dict[str, str | None]

    def versions(self) -> tuple[str, ...]:
        """Name it."""
        return (self.version,)


class Noted(Event, frozen=True, kw_only=True):
    """Somebody wrote a note on *version*."""

    version: str
    text: str

    def versions(self) -> tuple[str, ...]:
        """Name it."""
        return (self.version,)


class Evaluated(Event, frozen=True, kw_only=True):
    """Metrics of *version* were measured after its registration, on *dataset*.

    Attributes:
        losses: Row by row, where they were kept; their means are among the metrics.
        measured: How Holdfast measured them; `None` where somebody told them.
    """

    version: str
    metrics: dict[str, float]
    dataset: str | None = None
    losses: tuple[Losses, ...] = ()
    measured: Evaluation | None = None

    def versions(self) -> tuple[str, ...]:
        """Name it, and the champion that was measured beside it."""
        champion = self.measured.champion if self.measured else None
        return (self.version,) if champion is None else (self.version, champion.version)


class Approved(Event, frozen=True, kw_only=True):
    """Whoever wrote the entry approved *version* for production."""

    version: str

    def versions(self) -> tuple[str, ...]:
        """Name it."""
        return (self.version,)


class Trusted(Event, frozen=True, kw_only=True):
    """The imported *version* runs code outside the allow-list; it was accepted.

    Attributes:
        scan: By role, what was found here, whatever its manifest says.
    """

    version: str
    scan: dict[str, Scan]

    def versions(self) -> tuple[str, ...]:
        """Name it."""
        return (self.version,)


class Signed(Event, frozen=True, kw_only=True):
    """*version* was signed in the form of model-signing, over its files and its manifest.

    Attributes:
        key: The elliptic-curve public key it verifies under, in base64 (`core/signers.py`).
        signature: SHA-256 of its bytes, which are stored as a blob.
    """

    version: str
    key: str
    signature: str

    def versions(self) -> tuple[str, ...]:
        """Name it."""
        return (self.version,)


class Attached(Event, frozen=True, kw_only=True):
    """An artifact that refers to *version* was kept beside it; nobody here judged what it says.

    Attributes:
        manifest: SHA-256 of its manifest's bytes, which are stored as a blob.
        kind: What it says it is, such as `application/spdx+json`.
        blobs: SHA-256 of each blob that its manifest names.
    """

    version: str
    manifest: str
    kind: str
    blobs: tuple[str, ...] = ()

    @property
    def digests(self) -> tuple[str, ...]:
        """All that is stored of it."""
        return (self.manifest, *self.blobs)

    def versions(self) -> tuple[str, ...]:
        """Name it."""
        return (self.version,)


class Held(Event, frozen=True, kw_only=True):
    """*version* must not be purged until it is released."""

    version: str

    def versions(self) -> tuple[str, ...]:
        """Name it."""
        return (self.version,)


class Released(Event, frozen=True, kw_only=True):
    """The hold on *version* ended."""

    version: str

    def versions(self) -> tuple[str, ...]:
        """Name it."""
        return (self.version,)


class Described(Event, frozen=True, kw_only=True):
    """Texts about *version* were set, or about the model itself; a value of `None` removed one.

    They change nothing that Holdfast decides: descriptions, tags of a model, what another
    registry's clients know a version by. A model that was deleted, or never was, exists from here.

    Attributes:
        version: `None` means the model.
    """

    texts: dict[str, str | None]
    version: str | None = None

    def versions(self) -> tuple[str, ...]:
        """Name the version, if it is about one."""
        return () if self.version is None else (self.version,)


class PolicySet(Event, frozen=True, kw_only=True):
    """The model's policy is now *policy*.

    Attributes:
        was: The policy before it; `None` in entries written before this was kept.
    """

    policy: Policy
    was: Policy | None = None


class Purged(Event, frozen=True, kw_only=True):
    """The bytes of these versions were purged; manifests and history stay.

    Attributes:
        reasons: Why each goes, by version.
    """

    reasons: dict[str, str]

    def versions(self) -> tuple[str, ...]:
        """Name them all."""
        return tuple(self.reasons)


class Deleted(Event, frozen=True, kw_only=True):
    """The model was deleted with all its versions; registering again continues its journal.

    Attributes:
        purged: Versions whose bytes are given up by this.
    """

    purged: tuple[str, ...]

    def versions(self) -> tuple[str, ...]:
        """Name the versions that were purged."""
        return self.purged


class Retrained(Event, frozen=True, kw_only=True):
    """A slot was retrained, or was not: registration, staging and slot are this one entry.

    Attributes:
        slot: The time that the run stands for (`core/retraining/slots.py`).
        entry: What trained, `package.module:function` or the name of a command.
        outcome: What became of it; `registered` passed the gate and is staged by this entry.
        term: Number of the lease that the run held; 0 where there was none.
        attempt: Number of the attempt, from 1; 0 where there was none.
        version: What it led to: new, or for `unchanged` the one that has the same model.
        why: Why it failed, or was held, in a sentence.
        run: Digest of a blob: inputs, digests of the data, environment, durations.
        log: Digest of a blob: the end of what the run wrote.
        registered: The new version's registration.
        was: The version that was staged before.
        refused: The gate's reasons, empty if it let the version pass.
        remarks: What the gate noted and let pass.
        losses: The new version's, row by row.
        champion: The live version, measured anew on the same rows.
    """

    slot: str
    entry: str
    outcome: Outcome
    term: int = 0
    attempt: int = 0
    version: str | None = None
    why: str = ""
    run: str | None = None
    log: str | None = None
    registered: Registered | None = None
    was: str | None = None
    refused: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    losses: tuple[Losses, ...] = ()
    champion: ChampionScores | None = None

    def versions(self) -> tuple[str, ...]:
        """Name what it led to, what was staged, and the champion that was measured."""
        scored = self.champion.version if self.champion else None
        named = (self.version, self.was, scored)
        return tuple(dict.fromkeys(version for version in named if version is not None))


class TrainingFailed(Event, frozen=True, kw_only=True):
    """A training that was recorded ended without a version; nothing is kept of it but this.

    Attributes:
        error: Kind of what ended it, `ValueError`.
        why: What that said, shortened; empty if it said nothing.
        took_s: Seconds that it went on.
    """

    error: str
    why: str = ""
    took_s: float = 0.0


def _named(version: str, was: str | None) -> tuple[str, ...]:
    return (version,) if was is None or was == version else (version, was)


Annotation = Tagged | Noted | Evaluated | Approved | Trusted | Signed | Attached | Held | Released
"""Facts learnt about a version after its registration."""

VersionEvent = (
    Registered
    | Staged
    | Promoted
    | RolledBack
    | Archived
    | AliasSet
    | AliasRemoved
    | Tagged
    | Noted
    | Evaluated
    | Approved
    | Trusted
    | Signed
    | Attached
    | Held
    | Released
    | PolicySet
    | Purged
    | Deleted
)
"""What happens to versions, names and rules."""

WatchEvent = rollouts.AnyRolloutEvent | drift.AnyDriftEvent
"""What follows from watching versions at work."""

AnyEvent = VersionEvent | Described | Retrained | TrainingFailed | WatchEvent

OPERATIONS: Final[dict[str, type[AnyEvent]]] = {
    "registered": Registered,
    "staged": Staged,
    "promoted": Promoted,
    "rolled_back": RolledBack,
    "archived": Archived,
    "alias_set": AliasSet,
    "alias_removed": AliasRemoved,
    "tagged": Tagged,
    "noted": Noted,
    "evaluated": Evaluated,
    "approved": Approved,
    "trusted": Trusted,
    "signed": Signed,
    "attached": Attached,
    "held": Held,
    "released": Released,
    "described": Described,
    "policy_set": PolicySet,
    "purged": Purged,
    "deleted": Deleted,
    "retrained": Retrained,
    "training_failed": TrainingFailed,
    "rollout_started": rollouts.RolloutStarted,
    "rollout_stepped": rollouts.RolloutStepped,
    "rollout_calibrated": rollouts.RolloutCalibrated,
    "rollout_judged": rollouts.RolloutJudged,
    "rollout_paused": rollouts.RolloutPaused,
    "rollout_resumed": rollouts.RolloutResumed,
    "rollout_ended": rollouts.RolloutEnded,
    "drift_found": drift.DriftFound,
    "drift_acknowledged": drift.DriftAcknowledged,
}
"""The word each event is stored under."""

WORDS: Final[dict[type[AnyEvent], str]] = {event: word for word, event in OPERATIONS.items()}


def registration(event: AnyEvent) -> Registered | None:
    """Return the registration that an event is or contains, `None` if it registers nothing."""
    if isinstance(event, Retrained):
        return event.registered
    return event if isinstance(event, Registered) else None
