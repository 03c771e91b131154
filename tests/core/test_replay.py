"""Replaying what others wrote: every honest journal passes, and no lie does."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from holdfast.core import events, replay
from holdfast.core.entry import Entry, follows
from holdfast.core.manifest import Artifact, File, Manifest, Scan, is_digest
from holdfast.core.policy import Policy
from holdfast.core.retraining.slot_record import ChampionScores
from holdfast.core.rollout import rollout_events as rollouts
from holdfast.core.rollout.analysis import Analysis
from holdfast.core.rollout.plan import Plan
from holdfast.core.state import State, empty, fold
from holdfast.errors import DamagedError

Journal = list[tuple[Entry, str]]
Written = Callable[..., Journal]
Make = Callable[..., Manifest]

FULL = (
    """policy '{"protected_aliases": ["eu"]}' key=first""",
    "register 1.0.0 auc=0.9",
    "register 1.1.0 auc=0.9",
    "register 2.0.0-rc.1",
    "stage 1.1.0",
    "promote 1.0.0",
    "promote 1.1.0 key=second",
    "rollback",
    "archive 2.0.0-rc.1",
    "approve 1.1.0 by=eve",
    "alias eu 1.1.0",
    "alias champion 1.0.0",
    "unalias eu",
    "unalias champion",
    "tag 1.0.0 team=risk",
    "note 1.0.0 seen",
    "describe model description=flowers",
    "describe 1.0.0 description=first",
    "evaluate 1.0.0 auc=0.5",
    "hold 1.0.0 why=audit",
    "release 1.0.0",
    "purge keep 0 target",
    "promote 1.0.0",
    "find 1.0.0 drift 2026-03-01 age income",
    "find 1.0.0 nulls 2026-03-01 sex",
    "acknowledge drift-2026-03-01",
    "register 1.2.0 auc=0.9",
    """rollout start 1.2.0 '{"plan": {"steps": [0.5, 1]}}'""",
    "rollout step",
    "rollout calibrate 2000",
    "rollout judge hold dwell",
    "rollout pause",
    "rollout resume",
    "rollout step certified",
    "rollout abort",
    "rollout retry",
    "rollout halt errors",
    "retrain 2026-11-29T02:00:00Z missed",
    "retrain 2026-11-29T02:00:00Z failed",
    "train ValueError 'no rows'",
    "retrain 2026-11-29T02:00:00Z registered auc=0.9",
    "retrain 2026-11-30T02:00:00Z blocked auc=0.1",
    "retrain 2026-12-01T02:00:00Z unchanged v1",
    "delete force",
    "register 3.0.0",
)
AB = """rollout start 1.1.0 '{"plan": {"strategy": "ab", "steps": [0.5]}, "sticky": "field:user",
"analysis": {"outcome": {"outcome": "accuracy", "within_s": 60}}}'"""
STEPS = (
    *FULL,
    *("register minor", "register 1.0.0+cpu", "promote v1 force", "promote v2 force"),
    *("rollout step", "rollout step", "rollout judge hold x y", "rollout judge advance z"),
    *("rollout finish", "rollout pass", "rollout retry", "rollout pause", "rollout abort"),
    """rollout start v2 '{"plan": {"strategy": "shadow", "steps": [1]}}'""",
    *("retrain 2026-11-29T02:00:00Z limit", "retrain 2026-11-30T02:00:00Z held"),
    AB,
    *("rollout conclude no_difference", "rollout conclude not_decided"),
    *("rollback v1", "stage v2", "stage v3", "archive v1", "purge keep 0", "delete", "hold v2"),
)


def manifest_of(make: Make, entry: Entry) -> Manifest | None:
    event = events.registration(entry.event)
    if event is None:
        return None
    return make(event.version, number=event.number, metrics=event.metrics)


def replayed(make: Make, journal: Journal) -> State:
    def judge(state: State, entry: Entry) -> None:
        replay.check_entry(state, entry, manifest_of(make, entry))

    return fold(empty("iris"), journal, judge)


def test_a_journal_with_everything_in_it_is_replayed(make_manifest: Make, written: Written) -> None:
    journal = written(*FULL)

    rare = {events.Trusted, events.Signed, events.Attached}
    assert {type(entry.event) for entry, _ in journal} == set(events.WORDS) - rare
    assert replayed(make_manifest, journal) == fold(empty("iris"), journal)


@pytest.mark.parametrize(
    "steps",
    [
        ("""rollout start 1.1.0 '{"plan": {"strategy": "shadow", "steps": [1]}}'""",
         "rollout step", "rollout pass"),
        ("""rollout start 1.1.0 '{"plan": {"steps": [1]}}'""",
         "rollout step", "rollout finish", "rollout abort"),
        ("rollout start 1.1.0", "register 1.2.0 auc=0.9", "promote 1.2.0 force"),
        (AB, "rollout step", "rollout judge hold open", "rollout conclude no_difference"),
        (AB, "rollout step", "rollout conclude not_decided", "rollout retry", "rollout step",
         "rollout finish"),
    ],
)  # fmt: skip
def test_however_a_rollout_ends_it_is_replayed(
    make_manifest: Make, written: Written, steps: tuple[str, ...]
) -> None:
    journal = written("register 1.0.0 auc=0.9", "register 1.1.0 auc=0.9", "promote 1.0.0", *steps)

    assert replayed(make_manifest, journal) == fold(empty("iris"), journal)


@settings(deadline=None, max_examples=60)
@given(steps=st.lists(st.sampled_from(STEPS), max_size=40))
def test_whatever_the_commands_write_is_replayed(
    make_manifest: Make, attempt: Callable[[Iterable[str]], Journal], steps: list[str]
) -> None:
    journal = attempt(steps)

    assert replayed(make_manifest, journal) == fold(empty("iris"), journal)


@settings(deadline=None, max_examples=60)
@given(steps=st.lists(st.sampled_from(STEPS), min_size=10, max_size=30), data=st.data())
def test_a_journal_without_one_of_its_entries_is_no_other_lie_than_a_shorter_one(
    make_manifest: Make,
    attempt: Callable[[Iterable[str]], Journal],
    steps: list[str],
    data: st.DataObject,
) -> None:
    """Whatever is let through folds without a fault, and names nothing that is not there."""
    journal = attempt(["register 1.0.0", *steps])
    left_out = data.draw(st.integers(0, len(journal) - 1))
    try:
        state = replayed(make_manifest, [*journal[:left_out], *journal[left_out + 1 :]])
    except DamagedError:
        return

    named_versions = [state.production, state.staging, *state.aliases.values(), *state.stack]
    assert {version for version in named_versions if version} <= state.versions.keys()


SLOT = "2026-11-29T02:00:00Z"
SEEN = Scan("pickle", executes_code=True, unknown=("os.system",), trusted="reviewed")
BASE = ("register 1.0.0 auc=0.9", "register 1.1.0 auc=0.9", "promote 1.0.0 key=k")
LIES: dict[str, events.AnyEvent] = {
    "a promotion of nothing": events.Promoted(version="9.0.0", was="1.0.0"),
    "a promotion from nothing": events.Promoted(version="1.1.0", was="9.0.0"),
    "a promotion from another": events.Promoted(version="1.1.0", was=None),
    "a promotion of what is live": events.Promoted(version="1.0.0", was="1.0.0"),
    "a promotion forced for no reason": events.Promoted(version="1.1.0", was="1.0.0", forced=True),
    "a promotion refused": events.Promoted(version="1.1.0", was="1.0.0", refused=("auc fell",)),
    "a rollback to nothing": events.RolledBack(version="9.0.0", was="1.0.0", undoes=3),
    "a rollback to what never served": events.RolledBack(version="1.1.0", was="1.0.0", undoes=3),
    "a staging of what is live": events.Staged(version="1.0.0", was=None),
    "a staging instead of nothing": events.Staged(version="1.1.0", was="1.0.0"),
    "an archived live version": events.Archived(version="1.0.0"),
    "an alias that is none": events.AliasSet(alias="../x", version="1.0.0", was=None),
    "an alias forced for no reason": events.AliasSet(
        alias="eu", version="1.0.0", was=None, forced=True
    ),
    "an alias removed that is not there": events.AliasRemoved(alias="eu", was="1.0.0"),
    "a tag on nothing": events.Tagged(version="9.0.0", tags={"a": "b"}),
    "a tag without a name": events.Tagged(version="1.0.0", tags={"": "b"}),
    "an empty note": events.Noted(version="1.0.0", text=" "),
    "an evaluation of nothing": events.Evaluated(version="1.0.0", metrics={}),
    "a release of what is not held": events.Released(version="1.0.0"),
    "a purge of what is live": events.Purged(reasons={"1.0.0": "old"}),
    "a purge of nothing": events.Purged(reasons={}),
    "a policy without sense": events.PolicySet(policy=Policy(approvals=-1)),
    "a deletion of other versions": events.Deleted(purged=("1.0.0",)),
    "an attachment without a digest": events.Attached(version="1.0.0", manifest="x", kind="a/b"),
    "an attachment without a type": events.Attached(version="1.0.0", manifest="a" * 64, kind=""),
    "a signature without a digest": events.Signed(version="1.0.0", key="AAAA", signature="x"),
    "a signature without a key": events.Signed(version="1.0.0", key="?", signature="a" * 64),
    "a rollout of nothing": rollouts.RolloutStarted(
        version="9.0.0", was="1.0.0", plan=Plan(), analysis=Analysis()
    ),
    "a rollout beside nothing": rollouts.RolloutStarted(
        version="1.1.0", was="9.0.0", plan=Plan(), analysis=Analysis()
    ),
    "a rollout without sense": rollouts.RolloutStarted(
        version="1.1.0", was="1.0.0", plan=Plan(steps=(2.0,)), analysis=Analysis()
    ),
    "a rollout again of none": rollouts.RolloutStarted(
        version="1.1.0", was="1.0.0", plan=Plan(), analysis=Analysis(), again=3
    ),
    "a step of no rollout": rollouts.RolloutStepped(
        rollout=3, version="1.1.0", step=0, weight=0.05
    ),
    "a promotion that ends no rollout": events.Promoted(version="1.1.0", was="1.0.0", rollout=3),
    "a failure of nothing": events.TrainingFailed(error=""),
    "a failure of many lines": events.TrainingFailed(error="E", why="a\nb"),
    "a failure before it began": events.TrainingFailed(error="E", took_s=-1.0),
    "a failure of no time": events.TrainingFailed(error="E", took_s=math.nan),
    "a slot that is no time": events.Retrained(slot="tomorrow", entry="m:train", outcome="missed"),
    "a slot of no entry": events.Retrained(slot=SLOT, entry="", outcome="missed"),
    "a second attempt first": events.Retrained(
        slot=SLOT, entry="m:train", outcome="failed", term=1, attempt=2
    ),
    "an attempt under no lease": events.Retrained(
        slot=SLOT, entry="m:train", outcome="failed", attempt=1
    ),
    "a missed slot with a log": events.Retrained(
        slot=SLOT, entry="m:train", outcome="missed", log="a" * 64
    ),
    "a run without a digest": events.Retrained(
        slot=SLOT, entry="m:train", outcome="failed", term=1, attempt=1, run="x"
    ),
    "a success that registers nothing": events.Retrained(
        slot=SLOT, entry="m:train", outcome="registered", term=1, attempt=1
    ),
    "the same model as nothing": events.Retrained(
        slot=SLOT, entry="m:train", outcome="unchanged", term=1, attempt=1, version="9.0.0"
    ),
    "a failure that names a version": events.Retrained(
        slot=SLOT, entry="m:train", outcome="failed", term=1, attempt=1, version="1.0.0"
    ),
    "a champion that is not live": events.Retrained(
        slot=SLOT,
        entry="m:train",
        outcome="failed",
        term=1,
        attempt=1,
        champion=ChampionScores("1.1.0", {}),
    ),
    "a registration without a manifest": events.Retrained(
        slot=SLOT,
        entry="m:train",
        outcome="blocked",
        term=1,
        attempt=1,
        version="2.0.0",
        registered=events.Registered(
            version="2.0.0", number=3, manifest="a" * 64, size_bytes=1, metrics={}, why="minor"
        ),
    ),
    "a trust without a finding": events.Trusted(version="1.0.0", scan={}),
    "a trust without a reason": events.Trusted(
        version="1.0.0", scan={"model": replace(SEEN, trusted=None)}
    ),
}


def after(state: State, event: events.AnyEvent, **changed: Any) -> Entry:
    """Return an entry that may stand behind *state*."""
    made = Entry(
        "iris", state.seq + 1, state.head, "0" * 32, "2026-05-01T00:00:00.000000Z", "eve", None,
        None, event,
    )  # fmt: skip
    return replace(made, **changed)


@pytest.mark.parametrize("event", LIES.values(), ids=LIES.keys())
def test_what_no_command_would_have_written_is_refused(
    play: Callable[..., State], event: events.AnyEvent
) -> None:
    state = play(*BASE)

    with pytest.raises(DamagedError, match="entry 4 of iris"):
        replay.check_entry(state, after(state, event), None)


def test_what_is_trusted_from_elsewhere_is_a_deed_like_others(play: Callable[..., State]) -> None:
    state = play(*BASE)
    event = events.Trusted(version="1.1.0", scan={"model": SEEN})
    entry = after(state, event)

    replay.check_entry(state, entry, None)
    trusting = fold(state, [(entry, "0" * 64)])

    assert trusting.record("1.1.0").scan == {"model": SEEN}
    with pytest.raises(DamagedError, match="is already trusted"):
        replay.check_entry(trusting, after(trusting, event, at="2026-06-01T00:00:00.000000Z"), None)


@pytest.mark.parametrize("key", ["k", "another"])
def test_a_key_is_used_once(play: Callable[..., State], key: str) -> None:
    state = play(*BASE)
    entry = after(state, events.Promoted(version="1.1.0", was="1.0.0"), key=key)

    if key == "another":
        replay.check_entry(state, entry, None)
    else:
        with pytest.raises(DamagedError, match="with the same key"):
            replay.check_entry(state, entry, None)

    with pytest.raises(DamagedError, match="use another key"):
        replay.check_entry(state, after(state, events.Held(version="1.1.0"), key="k"), None)


@pytest.mark.parametrize(
    "at",
    [
        *("yesterday", "", "2026-05-01", "2026-05-01T00:00:00", "2026-05-01T00:00:00Z"),
        *("2026-05-01T02:00:00.000000+02:00", "2026-03-01T12:02:00.000000Z"),
        *("2020-01-01T00:00:00.000000Z", "2026-05-01T00:00:00.000000"),
    ],
)
def test_a_time_that_is_none_or_does_not_rise_is_refused(
    play: Callable[..., State], at: str
) -> None:
    state = play(*BASE)

    assert state.at == "2026-03-01T12:02:00.000000Z"
    with pytest.raises(DamagedError, match="does not follow"):
        replay.check_entry(state, after(state, events.Held(version="1.1.0"), at=at), None)


def test_the_first_time_follows_none() -> None:
    assert follows("2026-05-01T00:00:00.000000Z", None)


def registered(manifest: Manifest, **changed: Any) -> events.Registered:
    event = events.Registered(
        version=manifest.version,
        number=manifest.number,
        manifest="a" * 64,
        size_bytes=manifest.size_bytes,
        metrics=manifest.metrics,
        why="minor",
    )
    return replace(event, **changed)


@pytest.mark.parametrize(
    ("facts", "changed"),
    [
        ({}, {"version": "3.0.0"}),
        ({}, {"number": 7}),
        ({"number": 7}, {}),
        ({"number": 7}, {"number": 7}),
        ({}, {"size_bytes": 1}),
        ({}, {"metrics": {"auc": 0.99}}),
        ({}, {"schemas": ("input_schema",)}),
        ({"version": "1.0.0"}, {}),
        ({"version": "1.0.0+cpu"}, {}),
        ({"version": "one"}, {}),
        ({"number": 9}, {"number": 9, "origin": events.Origin("r", "h")}),
    ],
    ids=str,
)
def test_a_registration_is_what_its_manifest_says(
    play: Callable[..., State],
    make_manifest: Make,
    facts: dict[str, Any],
    changed: dict[str, Any],
) -> None:
    state = play(*BASE)
    manifest = make_manifest(**({"version": "2.0.0", "number": 3} | facts))

    with pytest.raises(DamagedError, match="cannot have been written by"):
        replay.check_entry(state, after(state, registered(manifest, **changed)), manifest)


def test_a_registration_without_its_manifest_is_refused(
    play: Callable[..., State], make_manifest: Make
) -> None:
    state = play(*BASE)
    event = registered(make_manifest("2.0.0", number=3))

    with pytest.raises(DamagedError, match="names a manifest of another version"):
        replay.check_entry(state, after(state, event), None)


def test_a_version_taken_over_from_elsewhere_keeps_the_number_in_its_manifest(
    play: Callable[..., State], make_manifest: Make
) -> None:
    state = play(*BASE)
    manifest = make_manifest("2.0.0", number=9)
    origin = events.Origin("r", "h", scan={"model": SEEN})
    entry = after(state, registered(manifest, number=3, origin=origin))

    replay.check_entry(state, entry, manifest)

    assert fold(state, [(entry, "0" * 64)]).record("2.0.0").scan == {"model": SEEN}


def file(path: str, sha256: str = "a" * 64, size_bytes: int = 1) -> File:
    return File(path, sha256, size_bytes)


def artifact(path: str, *files: File) -> dict[str, Artifact]:
    return {"model": Artifact(path, "file", files)}


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"artifacts": artifact("model.tar.gz", file("model.tar.gz"))},
        {"artifacts": artifact("model", file("model/a.bin"), file("model/deep/b.bin", "b" * 64))},
        {"metrics": {"auc": 1, "loss": 0.5}, "input_schema": {"type": "number"}},
    ],
    ids=str,
)
def test_a_manifest_that_a_registration_could_have_written_passes(
    make_manifest: Make, facts: dict[str, Any]
) -> None:
    manifest = make_manifest("1.0.0", **facts)

    replay.check_manifest(manifest, "iris")


@pytest.mark.parametrize(
    "facts",
    [
        {"version": "one"},
        {"version": "../../out"},
        {"version": ""},
        {"metrics": {"": 1.0}},
        {"input_schema": {"type": "nonsense"}},
        {"output_schema": {"type": "nonsense"}},
        {"artifacts": {"../x": artifact("x", file("x"))["model"]}},
        {"artifacts": {"manifest": artifact("x", file("x"))["model"]}},
        {"artifacts": artifact("model")},
        {"artifacts": artifact("other", file("model"))},
        {"artifacts": artifact("/x/mine", file("mine"))},
        {"artifacts": artifact("../out", file("../out"))},
        {"artifacts": artifact("manifest.json", file("manifest.json"))},
        {"artifacts": artifact("Manifest.JSON", file("Manifest.JSON"))},
        {"artifacts": artifact("model", file("model/a"), file("b"))},
        {"artifacts": artifact("model", file("model", "A" * 64))},
        {"artifacts": artifact("model", file("model", "../../holdfast.json"))},
        {"artifacts": artifact("model", file("model", size_bytes=-1))},
        {
            "artifacts": {
                "model": artifact("model", file("model"))["model"],
                "other": artifact("Model", file("Model"))["model"],
            }
        },
    ],
    ids=str,
)
def test_a_manifest_that_no_registration_wrote_is_refused(
    make_manifest: Make, facts: dict[str, Any]
) -> None:
    manifest = make_manifest(**({"version": "1.0.0"} | facts))

    with pytest.raises(DamagedError, match="cannot come from a registration"):
        replay.check_manifest(manifest, "iris")


def test_a_manifest_of_another_model_is_refused(make_manifest: Make) -> None:
    with pytest.raises(DamagedError, match="does not belong to rose"):
        replay.check_manifest(make_manifest("1.0.0"), "rose")
    with pytest.raises(DamagedError, match="cannot come from a registration"):
        replay.check_manifest(make_manifest("1.0.0", name="../x"), "../x")


@pytest.mark.parametrize("text", ["", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 64 + "\n"])
def test_a_digest_is_64_lower_case_hex_digits(text: str) -> None:
    assert is_digest("0123456789abcdef" * 4)
    assert not is_digest(text)


def test_a_signature_is_a_deed_like_others(play: Callable[..., State]) -> None:
    state = play(*BASE)
    event = events.Signed(version="1.1.0", key="AAAA", signature="a" * 64)
    entry = after(state, event)

    replay.check_entry(state, entry, None)

    assert fold(state, [(entry, "0" * 64)]).record("1.1.0").signatures[0].key == "AAAA"


def test_a_policy_set_before_the_one_before_was_kept_is_replayed(
    make_manifest: Make, written: Written
) -> None:
    ((entry, digest),) = written("""policy '{"approvals": 1}'""")
    older = replace(entry, event=events.PolicySet(policy=Policy(approvals=1), was=None))

    assert replayed(make_manifest, [(older, digest)]).policy.approvals == 1


def test_a_retraining_registers_what_its_manifest_says(
    play: Callable[..., State], make_manifest: Make
) -> None:
    state = play(*BASE)
    manifest = make_manifest("2.0.0", number=3)
    event = events.Retrained(
        slot=SLOT,
        entry="m:train",
        outcome="blocked",
        term=1,
        attempt=1,
        version="2.0.0",
        registered=registered(manifest),
    )

    replay.check_entry(state, after(state, event), manifest)
    with pytest.raises(DamagedError, match="its manifest has the number 9"):
        replay.check_entry(state, after(state, event), make_manifest("2.0.0", number=9))
