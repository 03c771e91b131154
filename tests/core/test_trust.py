"""Which entries must be signed by whom, in the fold itself."""

import typing
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec.structs import replace
from tests.keys import ANA, BOB, EVE, Person

from holdfast.core import approvals, events, trust
from holdfast.core.drift import drift_events as drift
from holdfast.core.entry import Entry, Stamp, digest, read, write
from holdfast.core.entry_signature import EntrySignature
from holdfast.core.events import AnyEvent
from holdfast.core.policy import Policy
from holdfast.core.rollout import rollout_events as rollouts
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_state import Baseline
from holdfast.core.rollout.step_verdict import StepVerdict
from holdfast.core.state import State, empty, fold
from holdfast.errors import DamagedError, MissingLibraryError
from holdfast.signing import genuine

Stamps = Callable[..., Stamp]

STRICT = Policy(signers={"ana": ANA.signer, "bob": BOB.signer}, require_signature=True)
REGISTERED = events.Registered(
    version="1.0.0", number=1, manifest="a", size_bytes=1, metrics={}, why="first"
)
PROMOTED = events.Promoted(version="1.0.0", was=None)
HOLD = StepVerdict(
    "hold", conclusive=False, weight=0.05, reasons=(), readings=(), canary=None, active=None
)
Written = Callable[..., tuple[Entry, str]]


@pytest.fixture
def entry(make_stamp: Stamps) -> Written:
    """Write an entry behind a state, by somebody with somebody's pen."""

    def make(
        state: State, event: AnyEvent, by: str = "ana", pen: Person | None = None
    ) -> tuple[Entry, str]:
        at = f"2026-03-01T12:00:00.{state.seq:06}Z"
        raw, _ = write("iris", state.seq + 1, state.head, at, make_stamp(by=by, pen=pen), event)
        return read(raw, "iris", state.seq + 1, state.head), digest(raw)

    return make


@pytest.fixture
def strict(entry: Written) -> State:
    """A model with a version, whose policy demands signatures since its second entry."""
    state = empty("iris")
    for event in (REGISTERED, events.PolicySet(policy=STRICT)):
        state = fold(state, [entry(state, event)])
    return state


def test_before_signatures_are_demanded_nobody_needs_one(entry: Written) -> None:
    state = fold(empty("iris"), [entry(empty("iris"), REGISTERED, "eve")])

    assert fold(state, [entry(state, PROMOTED, "eve")]).production == "1.0.0"


@pytest.mark.parametrize(("by", "pen"), [("ana", ANA), ("bob", BOB)])
def test_a_listed_signer_moves_production_in_their_own_name(
    entry: Written, strict: State, by: str, pen: Person
) -> None:
    assert fold(strict, [entry(strict, PROMOTED, by, pen)], genuine=genuine).production == "1.0.0"


def _guarded() -> Iterator[AnyEvent]:
    yield PROMOTED
    yield events.RolledBack(version="1.0.0", was="1.0.0", undoes=1)
    yield events.AliasSet(alias="eu", version="1.0.0", was=None)
    yield events.AliasRemoved(alias="eu", was="1.0.0")
    yield events.Evaluated(version="1.0.0", metrics={"auc": 1.0})
    yield events.Approved(version="1.0.0")
    yield events.Trusted(version="1.0.0", scan={})
    yield events.Signed(version="1.0.0", key="AAAA", signature="b" * 64)
    yield events.Held(version="1.0.0")
    yield events.Released(version="1.0.0")
    yield events.PolicySet(policy=Policy())
    yield events.Purged(reasons={"1.0.0": "old"})
    yield events.Deleted(purged=("1.0.0",))
    yield events.Retrained(
        slot="2026-11-29T02:00:00Z", entry="m:train", outcome="failed", term=1, attempt=1
    )
    yield drift.DriftFound(
        version="1.0.0",
        finding="drift-2026-11-29",
        kind="drift",
        since="2026-11-01",
        until="2026-11-29",
        log_evidence=3.0,
    )
    yield drift.DriftAcknowledged(version="1.0.0", finding="drift-2026-11-29")
    common_fields: dict[str, Any] = {"rollout": 7, "version": "1.0.0"}
    yield rollouts.RolloutStarted(version="1.0.0", was="0.9.0", plan=Plan(), analysis=Analysis())
    yield rollouts.RolloutStepped(**common_fields, step=0, weight=0.05)
    yield rollouts.RolloutCalibrated(**common_fields, baseline=Baseline(2_000))
    yield rollouts.RolloutJudged(**common_fields, verdict=HOLD)
    yield rollouts.RolloutPaused(**common_fields)
    yield rollouts.RolloutResumed(**common_fields)
    yield rollouts.RolloutEnded(**common_fields, outcome="aborted")


GUARDED = list(_guarded())


def test_every_event_is_free_or_guarded() -> None:
    every = set(typing.get_args(AnyEvent))

    assert {type(event) for event in GUARDED} | set(trust.FREE) == every
    assert {type(event) for event in GUARDED}.isdisjoint(trust.FREE)


@pytest.mark.parametrize("event", GUARDED, ids=lambda event: type(event).__name__)
@pytest.mark.parametrize(
    ("by", "pen", "message"),
    [
        ("ana", None, "is not signed; the policy demands the signature of ana, bob"),
        ("eve", EVE, "which belongs to none of ana, bob"),
        ("ana", EVE, "which belongs to none of ana, bob"),
        ("ana", BOB, "of bob, in the name of ana"),
    ],
)
def test_what_no_listed_signer_wrote_in_their_own_name_is_refused(
    entry: Written, strict: State, event: AnyEvent, by: str, pen: Person | None, message: str
) -> None:
    with pytest.raises(DamagedError, match=message) as caught:
        fold(strict, [entry(strict, event, by, pen)], genuine=genuine)

    assert caught.value.subject == "entry 3 of iris"


@pytest.mark.parametrize(
    "event",
    [
        replace(REGISTERED, version="1.1.0", number=2),
        events.Staged(version="1.0.0", was=None),
        events.Archived(version="1.0.0"),
        events.Tagged(version="1.0.0", tags={}),
        events.Noted(version="1.0.0", text="seen"),
        events.Described(texts={"description": "flowers"}),
        events.TrainingFailed(error="ValueError"),
    ],
)
def test_what_moves_nothing_needs_no_signature(
    entry: Written, strict: State, event: AnyEvent
) -> None:
    assert fold(strict, [entry(strict, event, "eve")]).seq == 3


@pytest.mark.parametrize(
    "event",
    [
        replace(REGISTERED, manifest="evil"),
        replace(REGISTERED, manifest="evil", number=2),
        replace(REGISTERED, manifest="evil", version="1.1.0"),
        replace(REGISTERED, manifest="evil", version="1.1.0", number=3),
    ],
)
def test_no_registration_takes_the_place_of_another(
    entry: Written, strict: State, event: AnyEvent
) -> None:
    with pytest.raises(DamagedError, match="never used twice and the next number is 2"):
        fold(strict, [entry(strict, event, "eve")])


def test_a_signature_that_is_not_its_keys_is_refused(entry: Written, strict: State) -> None:
    sound, head = entry(strict, PROMOTED, "ana", ANA)
    assert sound.signature is not None
    stolen = EntrySignature(ANA.key, BOB.sign(sound.signature.message), sound.signature.message)
    wrong = replace(sound, signature=stolen)

    with pytest.raises(DamagedError, match="has a signature that its key"):
        fold(strict, [(wrong, head)], genuine=genuine)


def test_without_a_way_to_check_no_signature_counts(entry: Written, strict: State) -> None:
    with pytest.raises(DamagedError, match="has a signature that its key"):
        fold(strict, [entry(strict, PROMOTED, "ana", ANA)])


def test_nobody_lists_themselves(entry: Written, strict: State) -> None:
    usurped = replace(STRICT, signers={"eve": EVE.signer})

    with pytest.raises(DamagedError, match="belongs to none of ana, bob"):
        fold(strict, [entry(strict, events.PolicySet(policy=usurped), "eve", EVE)], genuine=genuine)


def test_after_a_change_of_signers_the_old_key_moves_nothing(entry: Written, strict: State) -> None:
    changed = events.PolicySet(policy=replace(STRICT, signers={"bob": BOB.signer}))
    state = fold(strict, [entry(strict, changed, "ana", ANA)], genuine=genuine)

    assert fold(state, [entry(state, PROMOTED, "bob", BOB)], genuine=genuine).production == "1.0.0"
    with pytest.raises(DamagedError, match="to none of bob"):
        fold(state, [entry(state, PROMOTED, "ana", ANA)], genuine=genuine)


def test_a_deleted_model_keeps_its_signers(entry: Written, strict: State) -> None:
    gone = events.Deleted(purged=("1.0.0",))
    state = fold(strict, [entry(strict, gone, "ana", ANA)], genuine=genuine)
    state = fold(state, [entry(state, replace(REGISTERED, version="2.0.0", number=2), "eve")])

    with pytest.raises(DamagedError, match="is not signed"):
        fold(
            state,
            [entry(state, events.Promoted(version="2.0.0", was=None), "eve")],
            genuine=genuine,
        )


def test_a_version_keeps_the_last_signature_of_each_key(entry: Written) -> None:
    state = fold(empty("iris"), [entry(empty("iris"), REGISTERED)])
    for key, signature in (("AAAA", "1"), ("BBBB", "2"), ("AAAA", "3")):
        event = events.Signed(version="1.0.0", key=key, signature=signature)
        state = fold(state, [entry(state, event)])

    borne = [
        (version_signature.key, version_signature.signature)
        for version_signature in state.versions["1.0.0"].signatures
    ]

    assert borne == [("BBBB", "2"), ("AAAA", "3")]


def test_where_no_library_checks_signatures_an_approval_is_a_claim(entry: Written) -> None:
    def unable(_signature: EntrySignature) -> bool:
        raise MissingLibraryError("cryptography", "sign", "to check signatures")

    approved, _head = entry(empty("iris"), events.Approved(version="1.0.0"), "ana", ANA)
    assert approved.signature is not None

    assert approvals.proof(STRICT, approved, lambda _signature: True) == approved.signature.key
    assert approvals.proof(STRICT, approved, unable) is None
