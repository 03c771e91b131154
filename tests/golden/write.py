"""Write the store that is kept here, with the Holdfast that is installed.

`python tests/golden/write.py FILE` makes a new tar of a store with a bit of everything; where the
file's name begins with `operations`, of one with every operation, with `rollouts`, of one with
every kind of rollout, and with `signed`, of one whose policy demands signatures, with keys that
are thrown away. A tar that was released is never written again: a new format gets a new one beside
it.
"""

import itertools
import lzma
import sys
import tarfile
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import holdfast
from holdfast import MetricRule, Policy, Registry, Retention, signing
from holdfast.core.rollout.analysis import Absolute, Analysis, ScoreDrift, Threshold
from holdfast.core.rollout.plan import Plan
from holdfast.core.rollout.rollout_state import Baseline, Terms
from holdfast.core.rollout.step_verdict import Rate, Reason, StatisticalTest, StepVerdict
from holdfast.core.rollout_commands import StepPosition

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
    ann.hold("iris@1.1.0", reason="audit")
    ann.release("iris@1.1.0", reason="audited")
    ann.purge("iris", versions=["1.1.0"], grace_s=0)
    gone = ann.register("gone", pen.text("gone\n"), **_facts())
    ann.delete(gone.version.model, reason="over", force=True)
    return folder / "store"


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
            "rollouts": furnish_rollouts,
            "signed": sign,
        }
        make = makers.get(target.name.partition("-")[0], furnish)
        pack(make(Path(made)), target)
