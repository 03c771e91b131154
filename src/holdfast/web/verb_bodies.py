"""Bodies of the verbs: the keyword arguments of Python, each with its type.

`by` is what a client says of itself: it is kept beside the author as a claim, and decides nothing.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from holdfast.core.drift.drift_events import DriftFound
from holdfast.core.evaluation import Evaluation
from holdfast.core.policy import Policy
from holdfast.core.rollout.rollout_state import Terms

__all__ = ["BODIES", "Body"]

Text = Annotated[str, Meta(min_length=1, max_length=10_000)]
Ref = Annotated[str, Meta(min_length=1, max_length=1_000)]
Digest = Annotated[str, Meta(pattern="^sha256:[0-9a-f]{64}$")]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Body(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every verb takes."""

    reason: Text | None = None
    by: Text | None = None


class OfModel(Body, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A verb about a whole model."""


class OfVersion(Body, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A verb about one version, named as behind the `@`."""

    version: Ref


class Promote(OfVersion, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Make a version live."""

    force: bool = False
    expect: Ref | None = None


class Rollback(Body, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Go back."""

    to: Ref | None = None
    expect: Ref | None = None


class Alias(OfVersion, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Point an alias to a version."""

    alias: Text
    force: bool = False


class RemoveAlias(Body, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Remove an alias."""

    alias: Text
    force: bool = False


class Tag(OfVersion, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Set tags; null removes one."""

    tags: dict[str, str | None]


class Note(OfVersion, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Add a note."""

    text: Text


class Describe(Body, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Set texts of a version, or of the model, which exists from then on; null removes one.

    `after` is the number of the last entry that the caller has seen; behind another one nothing is
    written.
    """

    version: Ref | None = None
    texts: dict[str, str | None]
    after: Annotated[int, Meta(ge=0)]


class FailedTraining(Body, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Tell that a recorded training failed."""

    error: Text
    why: str = ""
    took_s: Annotated[float, Meta(ge=0)] = 0.0


class Evaluate(OfVersion, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Record metrics; losses are numbers here, for a name would be a file of the server's.

    What the caller measured has its losses as blobs that were sent before, by metric.
    """

    metrics: dict[str, float] = {}
    dataset: Text | None = None
    losses: dict[str, list[float]] = {}
    evaluation_set: Digest | None = None
    measured: Evaluation | None = None
    kept: dict[Text, Sha256] = {}
    champion_kept: dict[Text, Sha256] = {}


class SignAttach(OfVersion, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Attach a signature that was sent as a blob, and the public key it verifies under."""

    signature: Sha256
    key: Text


class Hold(OfVersion, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Keep a version from being purged."""

    reason: Text


class SetPolicy(Body, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Change a model's policy."""

    policy: Policy


class PurgeBody(Body, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Remove the bytes of versions."""

    keep: Annotated[int, Meta(ge=0)] | None = None
    versions: tuple[Ref, ...] = ()
    rollback_target: Literal["spared", "purged"] = "spared"
    grace_s: Annotated[float, Meta(ge=0)] | None = None


class Delete(Body, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Delete a model."""

    reason: Text
    force: bool = False


class RolloutStart(OfVersion, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Begin a rollout."""

    terms: Terms | None = None


class RolloutAdvance(Body, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Go to the next step."""

    reason: Text


class RolloutPromote(Body, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Finish a rollout."""

    force: bool = False


class DriftRecord(Body, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Record what a look at the prediction log found."""

    found: DriftFound


class DriftAcknowledge(Body, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Take note of a finding."""

    finding: Text


BODIES: dict[str, Any] = {
    "promote": Promote, "rollback": Rollback, "stage": OfVersion, "archive": OfVersion,
    "alias": Alias, "remove-alias": RemoveAlias, "tag": Tag, "note": Note, "evaluate": Evaluate,
    "approve": OfVersion, "sign-attach": SignAttach, "hold": Hold, "release": OfVersion,
    "policy": SetPolicy, "purge": PurgeBody, "purge-plan": PurgeBody, "delete": Delete,
    "drift-record": DriftRecord, "drift-acknowledge": DriftAcknowledge, "repair": OfModel,
    "repair-plan": OfModel, "rollout-start": RolloutStart,
    "rollout-retry": OfModel, "rollout-advance": RolloutAdvance, "rollout-pause": OfModel,
    "rollout-resume": OfModel, "rollout-promote": RolloutPromote, "rollout-abort": OfModel,
    "training-failed": FailedTraining, "describe": Describe,
}  # fmt: skip
"""The body of each verb."""
