"""The one table of verbs: what each is called, what it takes, what it needs, and what does it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from holdfast.core import events
from holdfast.core.drift import drift_events as drift
from holdfast.core.events import WORDS
from holdfast.core.refs import selector_in
from holdfast.core.rollout import rollout_events as rollouts
from holdfast.errors import InvalidInputError
from holdfast.registry import Registry
from holdfast.registry.session import CommitOptions, Session
from holdfast.store.open_store import GRACE_S
from holdfast.web import text_rights
from holdfast.web.below import session_of
from holdfast.web.driving import DRIVING
from holdfast.web.verb_bodies import BODIES

__all__ = ["VERBS", "Verb", "ref_of"]

_DRIVERS: Final = {f"rollout-{name}": body for name, *_, body in DRIVING}
Perform = Callable[[Registry, str, Any, CommitOptions], object]


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb.

    Attributes:
        name: As in paths, and on the command line.
        access: What whoever asks must be allowed.
        perform: Told the registry, the model, the body and what is kept with the entry.
        operations: What its entry may be called, by which a repeated key is recognised.
        about: One sentence.
        plans: Whether it only says what another would do.
    """

    name: str
    access: str
    perform: Perform
    operations: tuple[str, ...]
    about: str
    plans: bool = False

    @property
    def body(self) -> Any:
        """What its body is read as."""
        return BODIES.get(self.name) or _DRIVERS[self.name]

    def needs(self, session: Session, model: str, body: Any) -> tuple[str, ...]:
        """Return all that whoever asks must be allowed."""
        needed = [self.access]
        if getattr(body, "force", False):
            needed.append("force")
        if self.name in ("alias", "remove-alias") and session.exists:
            protected = session.ledger(model).state().policy.protected_aliases
            needed += ["protected-alias"] if body.alias in protected else []
        if self.name == "describe":
            exists = session.exists and session.ledger(model).state().exists
            needed += text_rights.needed(body.version, body.texts) if exists else ["register"]
        return tuple(needed)


def ref_of(model: str, version: str) -> str:
    """Return the ref of a version of *model*; a body may not name one of another.

    Raises:
        InvalidInputError: If it names another model's, or no version.
    """
    selector_in(model, version)
    return f"{model}@{version.rpartition('@')[2]}"


def _promote(registry: Registry, model: str, body: Any, options: CommitOptions) -> object:
    from holdfast.registry import lifecycle

    ref = ref_of(model, body.version)
    return lifecycle.promote(
        session_of(registry), ref, options, expect=body.expect, by_force=body.force
    )


def _rollback(registry: Registry, model: str, body: Any, options: CommitOptions) -> object:
    from holdfast.registry import lifecycle

    return lifecycle.rollback(session_of(registry), model, body.to, options, body.expect)


def _stage(registry: Registry, model: str, body: Any, options: CommitOptions) -> object:
    from holdfast.registry import lifecycle

    return lifecycle.stage(session_of(registry), ref_of(model, body.version), options)


def _archive(registry: Registry, model: str, body: Any, options: CommitOptions) -> object:
    from holdfast.registry import lifecycle

    return lifecycle.archive(session_of(registry), ref_of(model, body.version), options)


def _alias(registry: Registry, model: str, body: Any, options: CommitOptions) -> object:
    from holdfast.registry import lifecycle

    ref = ref_of(model, body.version)
    return lifecycle.set_alias(session_of(registry), body.alias, ref, options, by_force=body.force)


def _remove_alias(registry: Registry, model: str, body: Any, options: CommitOptions) -> object:
    from holdfast.registry import lifecycle

    return lifecycle.remove_alias(
        session_of(registry), model, body.alias, options, by_force=body.force
    )


def _tag(registry: Registry, model: str, body: Any, options: CommitOptions) -> object:
    from holdfast.registry import annotations as adding

    return adding.tag(session_of(registry), ref_of(model, body.version), body.tags, options)


def _note(registry: Registry, model: str, body: Any, options: CommitOptions) -> object:
    from holdfast.registry import annotations as adding

    return adding.note(session_of(registry), ref_of(model, body.version), body.text, options)


def _describe(registry: Registry, model: str, body: Any, options: CommitOptions) -> object:
    from holdfast.registry import annotations as adding

    return adding.describe(
        session_of(registry), model, body.version, body.texts, body.after, options
    )


def _evaluate(registry: Registry, model: str, body: Any, options: CommitOptions) -> object:
    from holdfast.registry import annotations as adding
    from holdfast.registry import losses

    ref = ref_of(model, body.version)
    session = session_of(registry)
    if body.measured is not None:
        from holdfast.registry import received_evaluations as received

        if body.metrics or body.dataset or body.losses or body.evaluation_set:
            raise InvalidInputError("evaluation", "is given beside told figures", "send them apart")
        kept = body.kept, body.champion_kept
        return received.accept(session, ref, body.measured, kept, options)
    measured = losses.read(body.losses, body.evaluation_set)
    return adding.evaluate(session, ref, body.metrics, body.dataset, measured, options)


def _approve(registry: Registry, model: str, body: Any, options: CommitOptions) -> object:
    from holdfast.registry import annotations as adding

    return adding.approve(session_of(registry), ref_of(model, body.version), options)


def _sign_attach(registry: Registry, model: str, body: Any, options: CommitOptions) -> object:
    from holdfast.registry import received

    ref = ref_of(model, body.version)
    return received.attach(session_of(registry), ref, body.key, body.signature, options)


def _hold(registry: Registry, model: str, body: Any, options: CommitOptions) -> object:
    from holdfast.registry import annotations as adding

    return adding.hold(session_of(registry), ref_of(model, body.version), options)


def _release(registry: Registry, model: str, body: Any, options: CommitOptions) -> object:
    from holdfast.registry import annotations as adding

    return adding.release(session_of(registry), ref_of(model, body.version), options)


def _policy(registry: Registry, model: str, body: Any, options: CommitOptions) -> object:
    from holdfast.registry import annotations as adding

    return adding.set_policy(session_of(registry), model, body.policy, options)


def _purge(registry: Registry, model: str, body: Any, options: CommitOptions) -> object:
    from holdfast.registry import maintenance

    session = session_of(registry)
    grace_s = GRACE_S if body.grace_s is None else body.grace_s
    return maintenance.purge(session, model, _rule(session, model, body), grace_s, options)


def _purge_plan(registry: Registry, model: str, body: Any, _options: CommitOptions) -> object:
    from holdfast.registry import maintenance

    session = session_of(registry)
    return maintenance.plan(session, model, _rule(session, model, body))


def _rule(session: Session, model: str, body: Any) -> Any:
    from holdfast.registry import maintenance

    return maintenance.rule(session, model, body.keep, body.versions, body.rollback_target)


def _delete(registry: Registry, model: str, body: Any, options: CommitOptions) -> object:
    from holdfast.registry import maintenance

    return maintenance.delete(session_of(registry), model, options, by_force=body.force)


def _start(registry: Registry, model: str, body: Any, options: CommitOptions) -> object:
    return registry.rollouts.start(
        ref_of(model, body.version),
        terms=body.terms,
        reason=options.reason,
        idempotency_key=options.idempotency_key,
    )


def _rollout_promote(registry: Registry, model: str, body: Any, options: CommitOptions) -> object:
    key = options.idempotency_key
    return registry.rollouts.promote(
        model, reason=options.reason, force=body.force, idempotency_key=key
    )


def _of_rollout(name: str) -> Perform:
    def perform(registry: Registry, model: str, _body: Any, options: CommitOptions) -> object:
        deed = getattr(registry.rollouts, name)
        return deed(model, reason=options.reason, idempotency_key=options.idempotency_key)

    return perform


def _drift_record(registry: Registry, model: str, body: Any, options: CommitOptions) -> object:
    key = options.idempotency_key
    return registry.drift.record(model, body.found, reason=options.reason, idempotency_key=key)


def _drift_acknowledge(registry: Registry, model: str, body: Any, options: CommitOptions) -> object:
    key = options.idempotency_key
    return registry.drift.acknowledge(
        model, body.finding, reason=options.reason, idempotency_key=key
    )


def _repair(registry: Registry, model: str, _body: Any, _options: CommitOptions) -> object:
    return registry.repair(model)


def _repair_plan(registry: Registry, model: str, _body: Any, _options: CommitOptions) -> object:
    return registry.repair_plan(model)


def _training_failed(registry: Registry, model: str, body: Any, options: CommitOptions) -> object:
    failure = events.TrainingFailed(error=body.error, why=body.why, took_s=body.took_s)
    return registry.trainings.fail(
        model, failure, reason=options.reason, idempotency_key=options.idempotency_key
    )


def _named(*operations: Any) -> tuple[str, ...]:
    return tuple(WORDS[operation] for operation in operations)


_ROLLOUT: Final = (
    ("retry", "rollout-retry", rollouts.RolloutStarted, "Begin a rollout anew."),
    ("advance", "rollout-advance", rollouts.RolloutStepped, "Go to a rollout's next step."),
    ("pause", "rollout-pause", rollouts.RolloutPaused, "Pause a rollout."),
    ("resume", "rollout-resume", rollouts.RolloutResumed, "Go on with a rollout."),
)
_ALL: Final = (
    Verb("promote", "promote", _promote, _named(events.Promoted), "Make a version live."),
    Verb("rollback", "rollback", _rollback, _named(events.RolledBack), "Go back."),
    Verb("stage", "stage", _stage, _named(events.Staged), "Move `staging`."),
    Verb("archive", "archive", _archive, _named(events.Archived), "Archive a version."),
    Verb("alias", "alias", _alias, _named(events.AliasSet), "Point an alias to a version."),
    Verb(
        "remove-alias",
        "remove-alias",
        _remove_alias,
        _named(events.AliasRemoved),
        "Remove an alias.",
    ),
    Verb("tag", "tag", _tag, _named(events.Tagged), "Set tags."),
    Verb("note", "note", _note, _named(events.Noted), "Add a note."),
    Verb("describe", "note", _describe, _named(events.Described), "Set texts."),
    Verb("evaluate", "evaluate", _evaluate, _named(events.Evaluated), "Record metrics."),
    Verb(
        "training-failed",
        "register",
        _training_failed,
        _named(events.TrainingFailed),
        "Tell that a training failed.",
    ),
    Verb("approve", "approve", _approve, _named(events.Approved), "Approve a version."),
    Verb("sign-attach", "sign-attach", _sign_attach, _named(events.Signed), "Attach a signature."),
    Verb("hold", "hold", _hold, _named(events.Held), "Keep a version from being purged."),
    Verb("release", "release", _release, _named(events.Released), "End a hold."),
    Verb("policy", "policy", _policy, _named(events.PolicySet), "Change a policy."),
    Verb(
        "drift-record",
        "drift-record",
        _drift_record,
        _named(drift.DriftFound),
        "Record a finding of drift.",
    ),
    Verb(
        "drift-acknowledge",
        "drift-acknowledge",
        _drift_acknowledge,
        _named(drift.DriftAcknowledged),
        "Take note of a finding.",
    ),
    Verb("purge", "purge", _purge, _named(events.Purged), "Remove bytes of versions."),
    Verb("purge-plan", "purge-plan", _purge_plan, (), "Say what `purge` would do.", plans=True),
    Verb("delete", "delete", _delete, _named(events.Deleted), "Delete a model."),
    Verb("repair", "repair", _repair, (), "Rebuild derived files."),
    Verb("repair-plan", "repair-plan", _repair_plan, (), "Say what `repair` would do.", plans=True),
    Verb(
        "rollout-start",
        "rollout-start",
        _start,
        _named(rollouts.RolloutStarted),
        "Begin a rollout.",
    ),
    *(
        Verb(f"rollout-{name}", access, _of_rollout(name), _named(event), about)
        for name, access, event, about in _ROLLOUT
    ),
    Verb(
        "rollout-promote",
        "rollout-promote",
        _rollout_promote,
        _named(events.Promoted),
        "Finish a rollout.",
    ),
    Verb(
        "rollout-abort",
        "rollout-abort",
        _of_rollout("abort"),
        _named(rollouts.RolloutEnded, events.RolledBack),
        "End a rollout.",
    ),
    *(
        Verb(f"rollout-{name}", access, perform, _named(*kinds), about)
        for name, access, perform, kinds, about, _ in DRIVING
    ),
)
VERBS: Final[Mapping[str, Verb]] = {verb.name: verb for verb in _ALL}
"""Every verb of a model, by its name in paths."""
