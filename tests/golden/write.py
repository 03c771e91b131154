"""Write the store that is kept here, with the Holdfast that is installed.

`python tests/golden/write.py FILE` makes a new tar of a store with a bit of everything; where the
file's name begins with `operations`, of one with every operation, with `retraining`, of one with
every outcome of a slot, with `trainings`, of one with recorded trainings, with `rollouts`, of one
with every kind of rollout, with `ab`, of one with A/B tests, and with `signed`, of one whose policy
demands signatures, with keys that are thrown away. A tar that was released is never written again:
a new format gets a new one beside it.
"""

import itertools
import lzma
import sys
import tarfile
import tempfile
from array import array
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from msgspec.structs import replace

import holdfast
from holdfast import MetricRule, Policy, Registry, Retention, signing
from holdfast.core import training_commands
from holdfast.core.curves import Curve, Curves, packed
from holdfast.core.evaluation import Evaluation, Figure, MeasuredChampion, Slice
from holdfast.core.events import Retrained
from holdfast.core.rollout.analysis import Absolute, Analysis, ScoreDrift, Threshold
from holdfast.core.rollout.outcomes import ArmOutcomes, OutcomeComparison, OutcomeTest
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_state import Baseline, Terms
from holdfast.core.rollout.step_verdict import Rate, Reason, StatisticalTest, StepVerdict
from holdfast.core.rollout_commands import StepPosition
from holdfast.core.state import State
from holdfast.registry import losses
from holdfast.registry.attachments import Attachment, attach
from holdfast.registry.catalogue_verbs import Labels
from holdfast.registry.facts import Facts
from holdfast.registry.received_evaluations import accept
from holdfast.registry.retraining_conclusion import Attempt, ScoredPair
from holdfast.registry.retraining_lease import LeaseHolder
from holdfast.registry.session import CommitOptions
from holdfast.registry.training_verbs import CURVES_FILE

_PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49"
    "444154789c636000000002000148afa4710000000049454e44ae426082"
)
"""A PNG of one pixel."""

BUSY_TURNS = 260
"""Entries of one journal, enough for a fold."""


class _Pen:
    """Opens stores whose times and ids are the same in every run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = itertools.count(1)
        self._now = datetime(2026, 3, 2, 8, tzinfo=UTC)

    def _clock(self) -> datetime:
        self._now += timedelta(hours=1)
        return self._now

    def open(self, name: str, by: str, key: Path | None = None) -> Registry:
        """Open a store below the folder."""
        return holdfast.open(
            self.folder / name, by=by, signing_key=key, clock=self._clock, new_id=self._new_id
        )

    def _new_id(self) -> str:
        return f"{next(self._numbers):032x}"

    def text(self, content: str) -> Path:
        """Write a model, or what stands for one."""
        path = self.folder / f"{content.split(maxsplit=1)[0]}.txt"
        path.write_text(content)
        return path


def furnish(folder: Path) -> Path:
    """Make the store in *folder*; return where it is."""
    pen = _Pen(folder)
    ann = pen.open("store", "ann")
    ann.init()
    _iris(pen, ann, pen.open("store", "bob"))
    _rose(pen, ann)
    _import(pen, ann)
    busy = ann.register("busy", pen.text("busy\n"), **_facts())
    for turn in range(BUSY_TURNS):
        ann.tag(busy, {"turn": str(turn)})
    return folder / "store"


def sign(folder: Path) -> Path:
    """Make a store in *folder* in which signatures are demanded; return where it is."""
    pen = _Pen(folder)
    keys = {name: signing.create(name, folder / "keys") for name in ("ann", "bob")}
    listed = {name: made.signer for name, made in keys.items()}
    zoe = pen.open("store", "zoe")
    zoe.init()
    ann = pen.open("store", "ann", keys["ann"].private)
    bob = pen.open("store", "bob", keys["bob"].private)
    for index in range(2):
        zoe.register("iris", pen.text(f"iris {index}\n"), **_facts())
    ann.set_policy("iris", Policy(signers=listed, require_signature=True), reason="audit")
    ann.sign("iris@1.0.0")
    ann.promote("iris@1.0.0", reason="first")
    zoe.note("iris@1.1.0", "looks good")
    bob.sign("iris@1.1.0")
    bob.promote("iris@1.1.0", reason="better")
    ann.rollback("iris", reason="errors doubled")
    bob.set_policy("iris", Policy(signers={"bob": listed["bob"]}, require_signature=True))
    return folder / "store"


def _facts(**more: Any) -> dict[str, Any]:
    """Return facts that would else depend on the machine."""
    return {
        "environment": {"python": "3.11.7", "packages": {}},
        "lineage": {"git_commit": "c0ffee" + "0" * 34, "git_dirty": False},
    } | more


def _iris(pen: _Pen, ann: Registry, bob: Registry) -> None:
    columns = {"type": "object", "properties": {"width": {"type": "number"}}}
    ann.set_policy(
        "iris",
        Policy(
            max_regression=0.1,
            metrics={"auc": MetricRule(minimum=0.5)},
            protected_aliases=("eu",),
            retention=Retention(keep=3, max_age_days=90.0),
        ),
        reason="from the template",
    )
    for index, auc in enumerate((0.90, 0.91, 0.92, 0.80, 0.93)):
        ann.register(
            "iris",
            pen.text(f"iris {index}\n"),
            pen.text(f"scaler {index}\n") if index == 1 else None,
            **_facts(metrics={"auc": auc}, input_schema=columns, idempotency_key=f"run {index}"),
        )
    ann.promote("iris@1.0.0", reason="first")
    ann.promote("iris@1.1.0", reason="better")
    ann.promote("iris@1.3.0", force=True, reason="the old one leaks")
    bob.rollback("iris", reason="errors doubled")
    bob.approve("iris@1.2.0")
    ann.alias("iris@1.2.0", "eu")
    ann.note("iris@1.3.0", "caused the incident of March")
    ann.evaluate("iris@1.2.0", {"auc": 0.94}, dataset="April")
    ann.tag("iris@1.2.0", {"team": "risk"})
    ann.stage("iris@1.4.0")
    ann.hold("iris@1.0.0", reason="audit")
    ann.purge("iris", versions=["1.3.0"], grace_s=0, reason="never again")


def _rose(pen: _Pen, ann: Registry) -> None:
    name = "Rosé & Ähnliches"
    ann.register(name, pen.text("rosé\n"), version="0.9.0-rc.1", **_facts())
    ann.register(name, pen.text("rosé\n"), bump="patch", **_facts(description="the same bytes"))
    ann.archive(f"{name}@0.9.0-rc.1")


def _import(pen: _Pen, ann: Registry) -> None:
    zoe = pen.open("elsewhere", "zoe")
    zoe.register("lily", pen.text("lily\n"), **_facts(author="Zoe"))
    zoe.promote("lily@1.0.0", reason="elsewhere")
    zoe.export("lily@1.0.0", pen.folder / "lily.tar")
    ann.import_(pen.folder / "lily.tar", reason="for the region")


def furnish_operations(folder: Path) -> Path:
    """Make a small store in *folder* with every operation there is; return where it is."""
    pen = _Pen(folder)
    ann, bob = pen.open("store", "ann"), pen.open("store", "bob")
    ann.set_policy("iris", Policy(protected_aliases=("eu",)))
    for index in range(4):
        ann.register("iris", pen.text(f"iris {index}\n"), **_facts())
    for version in ("1.0.0", "1.1.0"):
        ann.promote(f"iris@{version}")
    bob.rollback("iris", reason="errors doubled")
    ann.stage("iris@1.2.0")
    ann.archive("iris@1.3.0")
    bob.approve("iris@1.0.0")
    ann.alias("iris@1.0.0", "eu")
    ann.alias("iris@1.3.0", "lab")
    ann.remove_alias("iris", "lab", reason="closed")
    ann.tag("iris@1.0.0", {"team": "risk"})
    ann.note("iris@1.0.0", "seen")
    ann.evaluate("iris@1.0.0", {"auc": 0.94}, dataset="April")
    _measure(ann)
    ann.hold("iris@1.1.0", reason="audit")
    ann.release("iris@1.1.0", reason="audited")
    ann.purge("iris", versions=["1.1.0"], grace_s=0)
    gone = ann.register("gone", pen.text("gone\n"), **_facts())
    ann.delete(gone.version.model, reason="over", force=True)
    _describe(ann)
    return folder / "store"


def _describe(ann: Registry) -> None:
    """Describe a model and a version, refer to bytes elsewhere, and attach what others made."""

    def anything(_state: State) -> None: ...

    catalogue = ann.catalogue
    catalogue.describe("iris", None, {"description": "flowers", "tag.team": "risk"}, anything)
    catalogue.describe("iris", "1.0.0", {"description": "the first"}, anything)
    labels = Labels(anything, {"from": "afar"}, {"source": "s3://bucket/rose"})
    catalogue.refer("rose", "s3://bucket/rose", labels, {})
    text = ann._session.open_store.blobs.add_bytes(b"{}")
    bill = Attachment(b'{"artifactType":"application/spdx+json"}', "application/spdx+json", (text,))
    attach(ann._session, "iris@1.0.0", bill, CommitOptions("by a scanner"))


def _measure(ann: Registry) -> None:
    """Record an evaluation of two versions, as a server takes it from whoever measured them."""
    blobs = ann._session.open_store.blobs
    kept = tuple({"mae": blobs.add_bytes(array("d", rows).tobytes())} for rows in ([1, 3], [2, 4]))
    figure = Figure("mae", 2.0, champion=3.0, change=-1.0)
    june = Evaluation(
        name="june",
        data="a" * 64,
        label="price",
        rows=2,
        task="regression",
        tool="scikit-learn 1.9.1",
        figures=(figure, Figure("r2", 0.5)),
        unmeasured={"mape": "the label is 0 in 1 rows"},
        champion=MeasuredChampion("1.3.0"),
        slice_by="region",
        slices=(Slice("north", 2, (figure,)),),
        remarks=("few rows",),
    )
    accept(ann._session, "iris@1.2.0", june, (kept[0], kept[1]), CommitOptions("weekly"))


def furnish_rollouts(folder: Path) -> Path:
    """Make a store in which rollouts ended in each way, and one goes on."""
    pen = _Pen(folder)
    ann = pen.open("store", "ann")
    for index in range(4):
        ann.register("iris", pen.text(f"iris {index}\n"), **_facts())
    ann.promote("iris@1.0.0")
    verbs, advance = ann.rollouts, _verdict("advance", "certified")
    short = Plan(steps=(0.5, 1.0), dwell_s=60.0)
    verbs.start("iris@1.1.0", terms=Terms(short, sticky="header:X-User-Id"), reason="weekly")
    number = _number(ann)
    verbs.calibrate("iris", number, Baseline(2_000, ((0.5, 900), (0.99, 4_000)), (0.25, 0.5)))
    verbs.step("iris", StepPosition(number, -1), None)
    verbs.record_verdict("iris", StepPosition(number, 0), _verdict("hold", "dwell", "few_requests"))
    verbs.pause("iris", reason="lunch")
    verbs.resume("iris")
    verbs.step("iris", StepPosition(number, 0), advance)
    verbs.finish("iris", StepPosition(number, 1), advance)
    verbs.start("iris@1.2.0", terms=Terms(Plan("blue-green", (0.95, 1.0)), _ABSOLUTE))
    verbs.advance("iris", reason="no servers of ours")
    verbs.halt("iris", StepPosition(_number(ann), 0), _verdict("halt", "errors"))
    verbs.retry("iris")
    verbs.abort("iris", reason="complaints")
    verbs.start("iris@1.2.0", terms=Terms(Plan("shadow", (1.0,)), _THRESHOLD))
    verbs.advance("iris", reason="no servers of ours")
    verbs.pass_("iris", StepPosition(_number(ann), 0), advance)
    verbs.start("iris@1.2.0")
    ann.promote("iris@1.3.0", force=True, reason="a fix")
    verbs.start("iris@1.2.0", reason="goes on")
    verbs.advance("iris", reason="no servers of ours")
    return folder / "store"


def furnish_ab(folder: Path) -> Path:
    """Make a store whose A/B tests ended in each way there is, and one that goes on."""
    pen = _Pen(folder)
    ann = pen.open("store", "ann")
    for index in range(3):
        ann.register("iris", pen.text(f"iris {index}\n"), **_facts())
    ann.promote("iris@1.0.0")
    verbs = ann.rollouts
    shares = OutcomeTest("accuracy", within_s=3600.0, minimum_effect=0.02)
    numbers = OutcomeTest("feedback:amount", clip=(-20.0, 500.0), minimum_effect=5.0)
    plan = Plan("ab", (0.5,), max_step_time_s=1_209_600.0)
    usual = Terms(plan, Analysis(latency=None, outcome=numbers), "header:X-User-Id")
    for outcome, test in (
        ("passed", shares), ("undecided", numbers), ("halted", shares), ("completed", numbers),
    ):  # fmt: skip
        terms = replace(usual, analysis=Analysis(latency=None, outcome=test))
        verbs.start("iris@1.1.0", terms=terms, reason=outcome)
        begun = StepPosition(_number(ann), 0)
        verbs.step("iris", StepPosition(_number(ann), -1), None)
        verbs.record_verdict("iris", begun, _found("hold", "open"))
        if outcome == "completed":
            verbs.finish("iris", begun, _found("advance", "winner"))
        elif outcome == "halted":
            verbs.halt("iris", begun, _found("halt", "worse"))
        else:
            code = "no_difference" if outcome == "passed" else "not_decided"
            ended = replace(_found("end", code), conclusive=outcome == "passed")
            verbs.conclude("iris", begun, ended)
    ann.set_policy("iris", Policy(rollout=usual), reason="the usual way")
    verbs.start("iris@1.2.0")
    verbs.step("iris", StepPosition(_number(ann), -1), None)
    return folder / "store"


def _found(outcome: Any, code: str) -> StepVerdict:
    comparison = OutcomeComparison(
        outcome="accuracy",
        candidate=ArmOutcomes(1_200, 900, 0.71, 0.2059),
        active=ArmOutcomes(1_180, 930, 0.7, 0.21),
        unit_low=0.0,
        unit_width=1.0,
        difference=0.01,
        low=-0.07,
        high=0.09,
        crossed=2,
        keyless=31,
        unusable=5,
    )
    return replace(_verdict(outcome, code), comparison=comparison)


def furnish_retraining(folder: Path) -> Path:
    """Make a store in which slots of retraining came to each outcome there is."""
    pen = _Pen(folder)
    ann = pen.open("store", "ann")
    slots = [f"2026-03-{day:02}T02:00:00Z" for day in (1, 8, 15, 22)]
    ann.retrainings.remark("iris", _retrained(slots[0], "missed"))
    for outcome in ("failed", "limit"):
        _fail(ann, slots[0], outcome)
    _conclude(ann, pen.text("iris 0\n"), slots[0], [0.5, 0.25] * 30)
    ann.promote("iris@1.0.0")
    _conclude(ann, pen.text("iris 1\n"), slots[1], [0.5, 0.25] * 30)
    _conclude(ann, pen.text("iris 2\n"), slots[2], [2.0, 1.75] * 30)
    _conclude(ann, pen.text("iris 1\n"), slots[3], [0.5, 0.25] * 30)
    ann.retrainings.remark("iris", _retrained("2026-03-23T02:00:00Z/drift-7", "held"))
    return folder / "store"


def furnish_trainings(folder: Path) -> Path:
    """Make a store with a training that failed, and a version that keeps what one recorded."""
    pen = _Pen(folder)
    ann = pen.open("store", "ann")
    ann.trainings.fail("iris", training_commands.failure("ValueError", "no rows", 185.4))
    kept = folder / "kept"
    (kept / "figures").mkdir(parents=True)
    (kept / "figures" / "a%2Fb.png").write_bytes(_PICTURE)
    steps, values = (1.0, 2.0, 3.0), (0.5, None, 0.25)
    curves = {"train/loss": Curve(steps, values, 3), "loss": Curve((1.0,), (0.5,), 1_000_000)}
    (kept / CURVES_FILE).write_bytes(packed(Curves(curves=curves)))
    artifacts = {"curves": kept / CURVES_FILE, "figures": kept / "figures"}
    facts = {"training": {"took_s": 1.5}}
    ann.register("iris", pen.text("iris 0\n"), artifacts=artifacts, metadata=facts)
    return folder / "store"


def _retrained(slot: str, outcome: Any, term: int = 0) -> Retrained:
    why = "as it was then" if outcome != "registered" else ""
    return Retrained(slot=slot, entry="jobs:train", outcome=outcome, term=term, why=why)


def _fail(ann: Registry, slot: str, outcome: str) -> None:
    attempt = Attempt(slot, "jobs:train", "auto", b"{}\n", b"it fell over\n")
    with ann.retrainings.lease("iris", LeaseHolder(slot, "cron")) as lease:
        ann.retrainings.fail("iris", attempt, _retrained(slot, outcome, lease.term), lease)


def _conclude(ann: Registry, model: Path, slot: str, rows: list[float]) -> None:
    def score(_draft: object, _stored: Path, state: State) -> ScoredPair:
        live = state.production
        new, old = (losses.read({"mae": values}, f"sha256:{'e' * 64}") for values in (rows, before))
        assert new is not None
        assert old is not None
        means = [{"mae": sum(values) / len(values)} for values in (rows, before)]
        return ScoredPair(means[0], new, live, means[1] if live else {}, old if live else None)

    before = [0.5, 0.25] * 30
    attempt = Attempt(slot, "jobs:train", "auto", b'{"seed":0}\n', b"trained\n")
    with ann.retrainings.lease("iris", LeaseHolder(slot, "cron")) as lease:
        sources, facts = {"model": model}, _facts()
        ann.retrainings.conclude("iris", attempt, lease, sources, cast("Facts", facts), score)


_ABSOLUTE = Analysis(Absolute(), latency=None, drift=ScoreDrift(then="halt"))
_THRESHOLD = Analysis(Threshold(), sample_ratio=None)


def _number(registry: Registry) -> int:
    rollout = registry.rollout("iris")
    assert rollout is not None
    return rollout.number


def _verdict(outcome: Any, *codes: str) -> StepVerdict:
    return StepVerdict(
        outcome,
        conclusive=outcome != "hold",
        weight=0.5,
        reasons=tuple(Reason(code, f"{code}: as it was then") for code in codes),
        readings=(StatisticalTest("errors", 3, 31.25, 20.0),),
        canary=Rate(3, 120, 0.003, 0.081),
        active=Rate(5, 2_000, 0.0004, 0.006),
    )


def pack(store: Path, target: Path) -> None:
    """Write a store to a tar: equal stores give equal bytes."""
    with lzma.open(target, "wb") as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(store, "store", filter=_plain)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        target = Path(sys.argv[1])
        makers = {
            "operations": furnish_operations,
            "retraining": furnish_retraining,
            "trainings": furnish_trainings,
            "rollouts": furnish_rollouts,
            "ab": furnish_ab,
            "signed": sign,
        }
        make = makers.get(target.name.partition("-")[0], furnish)
        pack(make(Path(made)), target)
