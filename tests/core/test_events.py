"""Events: every operation survives the wire and names the versions it is about."""

import typing
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core import events
from holdfast.core.drift import drift_events as drift
from holdfast.core.drift.drift_findings import FeatureFinding
from holdfast.core.entry import Stamp, read, write
from holdfast.core.evaluation import Evaluation, Figure, MeasuredChampion, Slice
from holdfast.core.event import Event
from holdfast.core.events import OPERATIONS, WORDS, AnyEvent
from holdfast.core.manifest import Scan
from holdfast.core.metrics import Direction
from holdfast.core.paired import Losses
from holdfast.core.policy import MetricRule, Policy, Retention, SchemaRule
from holdfast.core.retraining.retraining_terms import RetrainingTerms
from holdfast.core.retraining.slot_record import ChampionScores, Outcome
from holdfast.core.rollout import rollout_events as rollouts
from holdfast.core.rollout.analysis import Absolute, Analysis, Latency, ScoreDrift, Threshold
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_state import Baseline, Terms
from holdfast.core.rollout.step_verdict import Rate, Reason, StatisticalTest, StepVerdict

Stamps = Callable[..., Stamp]

texts = st.text(st.characters(codec="utf-8"), max_size=8)
releases = st.builds("{}.{}.{}".format, *[st.integers(0, 99)] * 3)
maybe = st.none() | texts
counts = st.integers(0, 2**63 - 1)
numbers = st.floats(allow_nan=False, allow_infinity=False)
shares = st.none() | numbers
several = st.lists(texts, max_size=3).map(tuple)
figures = st.dictionaries(texts, numbers, max_size=3)
evaluations = st.builds(
    Evaluation,
    name=texts,
    data=texts,
    label=texts,
    rows=counts,
    task=st.sampled_from(("classification", "regression")),
    tool=texts,
    positive=maybe,
    figures=st.lists(
        st.builds(Figure, name=texts, value=shares, champion=shares, resamples=counts), max_size=2
    ).map(tuple),
    unmeasured=st.dictionaries(texts, texts, max_size=2),
    champion=st.none() | st.builds(MeasuredChampion, version=texts),
    slices=st.lists(st.builds(Slice, value=texts, rows=counts), max_size=2).map(tuple),
    remarks=several,
)
directions: st.SearchStrategy[Direction | None] = st.sampled_from(("higher", "lower", None))
schemas: st.SearchStrategy[SchemaRule] = st.sampled_from(("declared", "compatible", "any"))
histories = st.lists(
    st.builds(events.Past, counts, texts, texts, texts, texts, maybe), max_size=2
).map(tuple)
ladders = st.lists(numbers, min_size=1, max_size=3).map(tuple)
plans = st.builds(
    Plan,
    st.sampled_from(("canary", "blue-green", "shadow")),
    ladders,
    numbers,
    counts,
    max_step_time_s=shares,
)
analyses = st.builds(
    Analysis,
    st.builds(Absolute, numbers, ladders) | st.builds(Threshold, numbers, counts),
    numbers,
    st.none() | st.builds(Latency, ladders),
    drift=st.none() | st.builds(ScoreDrift, numbers),
)
baselines = st.builds(
    Baseline, counts, st.lists(st.tuples(numbers, counts), max_size=3).map(tuple), ladders
)
rates = st.none() | st.builds(Rate, counts, counts, numbers, numbers)
verdicts = st.builds(
    StepVerdict,
    st.sampled_from(("halt", "advance", "hold")),
    st.booleans(),
    numbers,
    st.lists(st.builds(Reason, texts, texts), max_size=2).map(tuple),
    st.lists(st.builds(StatisticalTest, texts, counts, numbers, numbers), max_size=2).map(tuple),
    rates,
    rates,
)
policies = st.builds(
    Policy,
    max_regression=shares,
    metrics=st.dictionaries(
        texts, st.builds(MetricRule, directions, shares, shares, shares), max_size=2
    ),
    required_metrics=several,
    required_fields=several,
    schema=schemas,
    clean_scan=st.booleans(),
    approvals=counts,
    allowed_globals=several,
    protected_aliases=several,
    retention=st.builds(Retention, counts, numbers),
    rollout=st.builds(Terms, plans, analyses, maybe),
    retraining=st.builds(RetrainingTerms, maybe, shares, maybe, texts, shares, numbers, counts),
)
losses = st.lists(
    st.builds(Losses, name=texts, on=texts, rows=counts, mean=numbers, sha256=texts), max_size=2
).map(tuple)
scans = st.dictionaries(
    texts, st.builds(Scan, texts, st.booleans(), several, several, maybe), max_size=2
)
features = st.builds(
    FeatureFinding,
    name=texts,
    kind=st.sampled_from(("drift", "units", "types")),
    event=texts,
    expected=numbers,
    share=numbers,
    log_evidence=numbers,
)
registrations = st.builds(
    events.Registered,
    version=releases,
    number=counts,
    manifest=texts,
    size_bytes=counts,
    metrics=figures,
    why=texts,
    origin=st.none() | st.builds(events.Origin, texts, texts, histories, scans),
)
every = {
    events.Registered: registrations,
    events.Retrained: st.builds(
        events.Retrained,
        slot=texts,
        entry=texts,
        outcome=st.sampled_from(typing.get_args(Outcome)),
        term=counts,
        attempt=counts,
        version=maybe,
        why=texts,
        run=maybe,
        log=maybe,
        registered=st.none() | registrations,
        was=maybe,
        refused=several,
        remarks=several,
        losses=losses,
        champion=st.none() | st.builds(ChampionScores, texts, figures, losses),
    ),
    events.TrainingFailed: st.builds(events.TrainingFailed, error=texts, why=texts, took_s=numbers),
    events.Staged: st.builds(events.Staged, version=texts, was=maybe),
    events.Promoted: st.builds(
        events.Promoted,
        version=texts,
        was=maybe,
        forced=st.booleans(),
        refused=several,
        remarks=several,
        rollout=st.none() | counts,
    ),
    events.RolledBack: st.builds(
        events.RolledBack, version=texts, was=texts, undoes=counts, rollout=st.none() | counts
    ),
    events.Archived: st.builds(events.Archived, version=texts),
    events.AliasSet: st.builds(
        events.AliasSet, alias=texts, version=texts, was=maybe, forced=st.booleans()
    ),
    events.AliasRemoved: st.builds(
        events.AliasRemoved, alias=texts, was=texts, forced=st.booleans()
    ),
    events.Tagged: st.builds(
        events.Tagged, version=texts, tags=st.dictionaries(texts, maybe, max_size=3)
    ),
    events.Noted: st.builds(events.Noted, version=texts, text=texts),
    events.Evaluated: st.builds(
        events.Evaluated,
        version=texts,
        metrics=figures,
        dataset=maybe,
        losses=losses,
        measured=st.none() | evaluations,
    ),
    events.Approved: st.builds(events.Approved, version=texts),
    events.Trusted: st.builds(events.Trusted, version=texts, scan=scans),
    events.Signed: st.builds(events.Signed, version=texts, key=texts, signature=texts),
    events.Attached: st.builds(
        events.Attached,
        version=texts,
        manifest=texts,
        kind=texts,
        blobs=st.lists(texts, max_size=2).map(tuple),
    ),
    events.Held: st.builds(events.Held, version=texts),
    events.Released: st.builds(events.Released, version=texts),
    events.Described: st.builds(
        events.Described, version=maybe, texts=st.dictionaries(texts, maybe, max_size=3)
    ),
    events.PolicySet: st.builds(events.PolicySet, policy=policies),
    events.Purged: st.builds(events.Purged, reasons=st.dictionaries(texts, texts, max_size=3)),
    events.Deleted: st.builds(events.Deleted, purged=several),
    rollouts.RolloutStarted: st.builds(
        rollouts.RolloutStarted,
        version=texts,
        was=texts,
        plan=plans,
        analysis=analyses,
        sticky=maybe,
        baseline=st.none() | baselines,
        again=st.none() | counts,
    ),
    rollouts.RolloutStepped: st.builds(
        rollouts.RolloutStepped,
        rollout=counts,
        version=texts,
        step=counts,
        weight=numbers,
        verdict=st.none() | verdicts,
    ),
    rollouts.RolloutCalibrated: st.builds(
        rollouts.RolloutCalibrated, rollout=counts, version=texts, baseline=baselines
    ),
    rollouts.RolloutJudged: st.builds(
        rollouts.RolloutJudged, rollout=counts, version=texts, verdict=verdicts
    ),
    rollouts.RolloutPaused: st.builds(rollouts.RolloutPaused, rollout=counts, version=texts),
    rollouts.RolloutResumed: st.builds(rollouts.RolloutResumed, rollout=counts, version=texts),
    rollouts.RolloutEnded: st.builds(
        rollouts.RolloutEnded,
        rollout=counts,
        version=texts,
        outcome=st.sampled_from(("passed", "halted", "aborted")),
        verdict=st.none() | verdicts,
    ),
    drift.DriftFound: st.builds(
        drift.DriftFound,
        version=texts,
        finding=texts,
        kind=st.sampled_from(("drift", "accuracy", "nulls")),
        since=texts,
        until=texts,
        log_evidence=numbers,
        period=counts,
        reference=maybe,
        drifted=st.lists(features, max_size=2).map(tuple),
        leading=st.lists(features, max_size=2).map(tuple),
        sentence=texts,
    ),
    drift.DriftAcknowledged: st.builds(drift.DriftAcknowledged, version=texts, finding=texts),
}


@settings(deadline=None, max_examples=300)
@given(st.one_of(list(every.values())))
def test_every_event_survives_the_wire(make_stamp: Stamps, event: AnyEvent) -> None:
    raw, _ = write("iris", 1, None, "2026-03-01T12:00:00.000000Z", make_stamp(), event)

    assert read(raw, "iris", 1, None).event == event


def test_every_event_has_a_word_and_every_word_an_event() -> None:
    kinds = set(typing.get_args(AnyEvent))

    assert set(OPERATIONS.values()) == kinds == set(every)
    assert {OPERATIONS[word] for word in WORDS.values()} == kinds


def test_the_words_that_journals_hold_never_change() -> None:
    assert {word: event.__name__ for word, event in OPERATIONS.items()} == {
        "registered": "Registered",
        "staged": "Staged",
        "promoted": "Promoted",
        "rolled_back": "RolledBack",
        "archived": "Archived",
        "alias_set": "AliasSet",
        "alias_removed": "AliasRemoved",
        "tagged": "Tagged",
        "noted": "Noted",
        "evaluated": "Evaluated",
        "approved": "Approved",
        "trusted": "Trusted",
        "signed": "Signed",
        "attached": "Attached",
        "held": "Held",
        "released": "Released",
        "described": "Described",
        "policy_set": "PolicySet",
        "purged": "Purged",
        "deleted": "Deleted",
        "retrained": "Retrained",
        "training_failed": "TrainingFailed",
        "rollout_started": "RolloutStarted",
        "rollout_stepped": "RolloutStepped",
        "rollout_calibrated": "RolloutCalibrated",
        "rollout_judged": "RolloutJudged",
        "rollout_paused": "RolloutPaused",
        "rollout_resumed": "RolloutResumed",
        "rollout_ended": "RolloutEnded",
        "drift_found": "DriftFound",
        "drift_acknowledged": "DriftAcknowledged",
    }


@pytest.mark.parametrize(
    ("event", "versions"),
    [
        (events.Archived(version="1.0.0"), ("1.0.0",)),
        (events.Staged(version="1.1.0", was=None), ("1.1.0",)),
        (events.Staged(version="1.1.0", was="1.0.0"), ("1.1.0", "1.0.0")),
        (events.Promoted(version="1.1.0", was="1.0.0"), ("1.1.0", "1.0.0")),
        (events.Promoted(version="1.1.0", was="1.1.0"), ("1.1.0",)),
        (events.RolledBack(version="1.0.0", was="1.1.0", undoes=3), ("1.0.0", "1.1.0")),
        (events.AliasSet(alias="eu", version="1.1.0", was="1.0.0"), ("1.1.0", "1.0.0")),
        (events.AliasRemoved(alias="eu", was="1.0.0"), ("1.0.0",)),
        (events.Tagged(version="1.0.0", tags={}), ("1.0.0",)),
        (events.Noted(version="1.0.0", text="x"), ("1.0.0",)),
        (events.Evaluated(version="1.0.0", metrics={}), ("1.0.0",)),
        (
            events.Evaluated(
                version="1.1.0",
                metrics={},
                measured=Evaluation(
                    "june", "a", "y", 1, "regression", "x", champion=MeasuredChampion("1.0.0")
                ),
            ),
            ("1.1.0", "1.0.0"),
        ),
        (events.Approved(version="1.0.0"), ("1.0.0",)),
        (events.Held(version="1.0.0"), ("1.0.0",)),
        (events.Released(version="1.0.0"), ("1.0.0",)),
        (events.Described(version="1.0.0", texts={}), ("1.0.0",)),
        (events.Described(texts={}), ()),
        (events.PolicySet(policy=Policy()), ()),
        (events.TrainingFailed(error="ValueError"), ()),
        (events.Purged(reasons={"1.0.0": "old", "1.1.0": "old"}), ("1.0.0", "1.1.0")),
        (events.Deleted(purged=("1.0.0",)), ("1.0.0",)),
        (
            events.Registered(
                version="1.0.0", number=1, manifest="a", size_bytes=1, metrics={}, why="first"
            ),
            ("1.0.0",),
        ),
        (
            rollouts.RolloutStarted(version="1.1.0", was="1.0.0", plan=Plan(), analysis=Analysis()),
            ("1.1.0",),
        ),
        (rollouts.RolloutPaused(rollout=3, version="1.1.0"), ()),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Event) else "",
)
def test_an_event_names_the_versions_whose_record_it_changes(
    event: AnyEvent, versions: tuple[str, ...]
) -> None:
    assert event.versions() == versions


def test_an_event_cannot_be_changed() -> None:
    event = events.Archived(version="1.0.0")

    with pytest.raises(AttributeError):
        event.version = "2.0.0"  # type: ignore[misc]
