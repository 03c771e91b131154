"""The verbs that only look: history, what was live when, status, comparison, lists, cards."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from tests.registry import disk
from tests.registry.conftest import Clock, Grow, Text

import holdfast
from holdfast import Policy, Registry
from holdfast.core.events import OPERATIONS
from holdfast.core.rollout.rollout_state import Baseline
from holdfast.core.rollout.step_verdict import Reason, StepVerdict
from holdfast.core.rollout_commands import StepPosition
from holdfast.errors import DamagedError, InvalidInputError, NotFoundError


@pytest.fixture
def spring(registry: Registry, clock: Clock, grow: Grow) -> Registry:
    """Return a registry with a spring of releases, one move at noon of each day named."""
    clock.on("2026-03-01T12:00")
    grow(3, metrics={"auc": 0.9})
    for day, verb, argument in (
        ("03", "promote", "iris@1.0.0"),
        ("10", "promote", "iris@1.1.0"),
        ("12", "rollback", "iris"),
        ("20", "promote", "iris@1.2.0"),
    ):
        clock.on(f"2026-03-{day}T12:00")
        getattr(registry, verb)(argument, reason=f"on the {day}")
    return registry


@pytest.mark.parametrize(
    ("at", "version"),
    [
        ("2026-03-02", None),
        ("2026-03-03T11:59", None),
        ("2026-03-03", "1.0.0"),
        ("2026-03-09", "1.0.0"),
        ("2026-03-10T12:00:01", "1.1.0"),
        ("2026-03-11", "1.1.0"),
        ("2026-03-12", "1.0.0"),
        ("2026-03-19", "1.0.0"),
        ("2026-03-20", "1.2.0"),
    ],
)
def test_what_was_live_at_any_time_is_told(spring: Registry, at: str, version: str | None) -> None:
    live = spring.status("iris", at=at).live

    assert (live.version if live else None) == version


def test_what_served_is_told_without_gaps(spring: Registry) -> None:
    served = [
        (period.version, period.since[:10], period.until and period.until[:10])
        for period in spring.served("iris")
    ]

    assert served == [
        ("1.0.0", "2026-03-03", "2026-03-10"),
        ("1.1.0", "2026-03-10", "2026-03-12"),
        ("1.0.0", "2026-03-12", "2026-03-20"),
        ("1.2.0", "2026-03-20", None),
    ]
    periods = spring.served("iris")
    assert [period.until for period in periods[:-1]] == [period.since for period in periods[1:]]
    assert [period.how for period in periods] == ["promoted", "promoted", "rolled_back", "promoted"]
    assert [period.reason for period in periods] == [
        "on the 03",
        "on the 10",
        "on the 12",
        "on the 20",
    ]


def test_history_up_to_a_time_is_the_beginning_of_all_history(spring: Registry) -> None:
    whole = spring.history("iris")

    assert [past.seq for past in whole] == list(range(1, 8))
    assert spring.history("iris", at="2026-03-12") == whole[:6]
    assert spring.history("iris", at="2026-03-05") == whole[:4]


def test_a_page_of_history_is_its_end(spring: Registry, opened: Callable[[], Registry]) -> None:
    whole = spring.history("iris")
    for turn in range(40):  # more than a process keeps by itself
        spring.tag("iris@1.0.0", {"turn": str(turn)})
        whole.append(spring.history("iris", last=1)[0])

    for reader in (spring, opened()):
        for last in (0, 1, 32, 33, 47, 100):
            assert reader.history("iris", last=last) == whole[max(0, len(whole) - last) :]
    assert spring.history("iris", at="2026-03-12", last=2) == whole[4:6]


def test_a_page_of_fewer_than_no_lines_is_refused(spring: Registry) -> None:
    with pytest.raises(InvalidInputError, match="must be 0 or more, not -1"):
        spring.history("iris", last=-1)


def test_every_operation_is_told_in_words(
    registry: Registry, opened: Callable[..., Registry], grow: Grow
) -> None:
    grow(6)
    registry.set_policy("iris", Policy(max_regression=0.1), reason="noisy data")
    registry.stage("iris@1.1.0", reason="try it")
    registry.promote("iris@1.0.0")
    registry.promote("iris@1.1.0", force=True, reason="hurry")
    registry.rollback("iris")
    registry.archive("iris@1.2.0")
    registry.alias("iris@1.3.0", "eu")
    registry.remove_alias("iris", "eu")
    registry.tag("iris@1.3.0", {"team": "risk", "old": None})
    registry.note("iris@1.3.0", "seen")
    registry.evaluate("iris@1.3.0", {"auc": 0.5})
    opened(by="bob").approve("iris@1.3.0")
    registry.hold("iris@1.3.0", reason="audit")
    registry.release("iris@1.3.0")
    registry.purge("iris", versions=["1.4.0"], grace_s=0)
    number = _rolled_out(registry)
    registry.delete("iris", reason="over", force=True)
    registry.register("iris", next(iter(Path(registry.location).glob("blobs/sha256/*"))))

    descriptions = {past.op: past.what for past in registry.history("iris")}
    elsewhere = {
        "trusted",
        "signed",
        "drift_found",
        "drift_acknowledged",
        "retrained",
        "training_failed",
        "described",
        "attached",
    }
    assert set(descriptions) == set(OPERATIONS) - elsewhere  # they take more than this registry
    assert descriptions["registered"] == "register 1.6.0 (v7)"
    assert descriptions["rolled_back"] == "rollback 1.1.0 → 1.0.0"
    assert descriptions["purged"] == "purge 1.4.0"
    assert descriptions["deleted"] == "delete the model with 5 versions (1.0.0 … 1.5.0)"
    assert descriptions["approved"] == "approve 1.3.0 (claimed)"
    assert descriptions["rollout_ended"] == f"rollout {number} halted (errors)"
    assert {past.by for past in registry.history("iris")} == {"ann", "bob"}


def _rolled_out(registry: Registry) -> int:
    """Take 1.5.0 through all that can happen to a rollout; return its number."""
    verdict = StepVerdict(
        "hold", conclusive=False, weight=0.05, reasons=(Reason("errors", "31 to 1"),),
        readings=(), canary=None, active=None,
    )  # fmt: skip
    verbs = registry.rollouts
    verbs.start("iris@1.5.0", reason="weekly")
    rollout = registry.rollout("iris")
    assert rollout is not None
    position = StepPosition(rollout.number, 0)
    verbs.calibrate("iris", rollout.number, Baseline(2_000))
    verbs.advance("iris", reason="no servers of ours")
    verbs.record_verdict("iris", position, verdict)
    verbs.pause("iris")
    verbs.resume("iris")
    verbs.halt("iris", position, replace(verdict, outcome="halt"))
    return rollout.number


def test_times_rise_with_the_entries_though_the_clock_goes_back(
    registry: Registry, clock: Clock, grow: Grow
) -> None:
    clock.on("2026-05-01T12:00")
    grow(1)
    clock.on("2026-04-08T12:00")
    registry.promote("iris@1.0.0")

    first, second = (past.at for past in registry.history("iris"))
    assert first < second < "2026-05-01T13"


def test_status_is_the_one_screen(spring: Registry, clock: Clock) -> None:
    spring.stage("iris@1.1.0")
    clock.on("2026-03-21T12:00")

    status = spring.status("iris")

    assert status.live is not None
    assert (status.live.version, status.by, status.how) == ("1.2.0", "ann", "promoted")
    assert (status.reason, str(status.since)[:10]) == ("on the 20", "2026-03-20")
    assert status.before is not None
    assert (status.before.version, status.before.damages) == ("1.0.0", ())
    assert status.before.served_s == pytest.approx(15 * 86_400, abs=10)
    assert (status.staging, status.latest, status.versions) == ("1.1.0", "1.2.0", 3)
    assert status.comparison is not None
    assert (status.comparison.a, status.comparison.b) == ("1.0.0", "1.2.0")
    assert [past.seq for past in status.moves] == [8, 7, 6, 5, 4]


def test_status_says_what_to_type_to_go_back(registry: Registry, text: Text) -> None:
    name = "churn & Co; it's big"
    for content in ("one", "two"):
        registry.promote(registry.register(name, text(content)))

    command = registry.status(name).command

    assert command is not None
    assert shlex.split(command)[:5] == ["holdfast", "rollback", name, "--expect", "1.1.0"]


def test_status_of_a_past_time_offers_no_way_back(spring: Registry) -> None:
    status = spring.status("iris", at="2026-03-11")

    assert status.command is None
    assert status.before is not None
    assert (status.before.version, status.at) == ("1.0.0", "2026-03-11T23:59:59.999999Z")
    assert [past.seq for past in status.moves] == [5, 4, 3, 2, 1]


def test_status_before_the_first_promotion_tells_that_nothing_is_live(
    registry: Registry, grow: Grow
) -> None:
    grow(2)

    status = registry.status("iris")

    assert (status.live, status.before, status.comparison, status.command) == (None,) * 4
    assert status.versions == 2


@pytest.mark.parametrize("hurt", disk.HURTS.values(), ids=disk.HURTS.keys())
@pytest.mark.parametrize("what", ["model", "manifest"])
def test_status_shows_a_damaged_rollback_target_as_damaged(
    spring: Registry,
    opened: Callable[..., Registry],
    store: Path,
    hurt: disk.Hurt,
    what: str,
) -> None:
    target = spring.manifest("iris@1.0.0").files[0].sha256
    digest = target if what == "model" else spring.resolve("iris@1.0.0").digest
    hurt(disk.blob(store, digest))

    status = opened().status("iris")

    assert status.before is not None
    assert [damage.version for damage in status.before.damages] == ["1.0.0"]
    assert digest.removeprefix("sha256:") in str(status.before.damages[0])
    assert status.live is not None
    assert status.live.version == "1.2.0"


@pytest.mark.parametrize("hurt", disk.HURTS.values(), ids=disk.HURTS.keys())
def test_status_tells_what_is_live_though_its_manifest_is_damaged(
    spring: Registry, opened: Callable[..., Registry], store: Path, hurt: disk.Hurt
) -> None:
    hurt(disk.blob(store, spring.resolve("iris@production").digest))

    status = opened().status("iris")

    assert status.live is not None
    assert (status.live.version, status.reason) == ("1.2.0", "on the 20")
    assert status.before is not None


def test_a_comparison_tells_direction_size_and_what_is_missing(
    registry: Registry, text: Text
) -> None:
    registry.register(
        "iris", text("one"),
        metrics={"auc": 0.8, "latency_ms": 20.0, "oddness": 3, "f1": 0.5, "loss": 0.0},
        hyperparameters={"C": 1.0, "deep": {"a": 1}},
    )  # fmt: skip
    registry.register(
        "iris", text("two"),
        metrics={"auc": 0.88, "latency_ms": 25.0, "oddness": 6, "recall": 0.7, "loss": 0.1},
        hyperparameters={"C": 0.5, "deep": {"a": 1}, "solver": "saga"},
        description="more data",
    )  # fmt: skip

    compared = registry.compare("iris@1.0.0", "iris@1.1.0")

    rows = {row.name: row for row in compared.metrics}
    assert {name: row.verdict for name, row in rows.items()} == {
        "auc": "better",
        "latency_ms": "worse",
        "oddness": "changed",
        "f1": "missing",
        "recall": "added",
        "loss": "worse",
    }
    assert (rows["auc"].delta, rows["auc"].direction) == (0.08, "higher")
    assert rows["auc"].relative == pytest.approx(0.1)
    assert rows["latency_ms"].relative == pytest.approx(0.25)
    assert rows["oddness"].direction is None
    assert (rows["f1"].a, rows["f1"].b, rows["f1"].delta) == (0.5, None, None)
    assert (rows["recall"].a, rows["recall"].relative) == (None, None)
    assert rows["loss"].relative is None
    assert [(row.name, row.change, row.a, row.b) for row in compared.parameters] == [
        ("C", "changed", 1.0, 0.5),
        ("solver", "added", None, "saga"),
    ]
    assert [(row.role, row.change) for row in compared.files] == [("model", "changed")]
    assert [row.name for row in compared.facts] == ["description"]


def test_a_policy_says_which_way_is_better(registry: Registry, grow: Grow, text: Text) -> None:
    grow(1, metrics={"oddness": 3})
    registry.register("iris", text("two"), metrics={"oddness": 2})
    registry.set_policy(
        "iris",
        Policy(metrics={"oddness": holdfast.MetricRule(direction="lower")}),
        reason="less is better",
    )

    (row,) = registry.compare("iris@v1", "iris@v2").metrics

    assert (row.verdict, row.direction) == ("better", "lower")


def test_a_comparison_uses_later_evaluations_and_needs_no_bytes(
    registry: Registry, grow: Grow
) -> None:
    grow(3, metrics={"auc": 0.9})
    registry.evaluate("iris@1.1.0", {"auc": 0.45})
    registry.purge("iris", versions=["1.0.0"], grace_s=0)

    (row,) = registry.compare("iris@1.0.0", "iris@1.1.0").metrics

    assert (row.a, row.b) == (0.9, 0.45)
    assert row.relative == pytest.approx(-0.5)


def test_versions_of_two_models_are_not_compared(registry: Registry, grow: Grow) -> None:
    grow(1)
    grow(1, name="rose")

    with pytest.raises(InvalidInputError, match="different models"):
        registry.compare("iris@v1", "rose@v1")


def test_models_are_listed_by_name_with_what_matters(registry: Registry, grow: Grow) -> None:
    for name, count in (("rose", 1), ("iris", 3), ("tulip", 2)):
        grow(count, name=name)
    registry.promote("iris@1.0.0")
    registry.stage("iris@1.1.0")
    registry.purge("tulip", versions=["1.1.0"], grace_s=0)

    listed = [
        (info.model, info.versions, info.production, info.staging, info.latest)
        for info in registry.models()
    ]
    assert listed == [
        ("iris", 3, "1.0.0", "1.1.0", "1.2.0"),
        ("rose", 1, None, None, "1.0.0"),
        ("tulip", 1, None, None, "1.0.0"),
    ]


@pytest.mark.parametrize("hurt", disk.HURTS.values(), ids=disk.HURTS.keys())
@pytest.mark.parametrize("entry", [1, 2, 3])
def test_a_damaged_journal_hides_no_other_model(
    opened: Callable[..., Registry],
    store: Path,
    grow: Grow,
    hurt: disk.Hurt,
    entry: int,
) -> None:
    grow(3)
    grow(1, name="rose")
    hurt(store / f"models/iris/journal/{entry:010}.json")

    listed = {info.model: info.damage for info in opened().models()}

    assert listed["rose"] is None
    assert listed["iris"] is not None or entry == 3
    assert opened().load("rose@latest").ref == "rose@1.0.0"
    if entry == 3:
        with pytest.raises(DamagedError):
            opened().status("iris")
    else:
        assert str(entry) in (opened().status("iris").damage or "")


def test_a_journal_of_a_newer_format_hides_no_other_model(
    opened: Callable[..., Registry], store: Path, grow: Grow
) -> None:
    grow(1)
    grow(1, name="rose")
    path = store / "models/iris/journal/0000000001.json"
    disk.overwrite(
        path, disk.sealed(path.read_bytes().replace(b'"min_reader":1', b'"min_reader":2'))
    )
    (store / "models/iris/active_version.json").unlink()

    listed = {info.model: info.damage for info in opened().models()}

    assert listed["rose"] is None
    assert "newer" in str(listed["iris"])
    with pytest.raises(NotFoundError, match="nearest: rose"):
        opened().status("rosa")


def test_what_a_registry_shows_in_a_notebook_is_escaped(registry: Registry, text: Text) -> None:
    name = "<script>alert(1)</script>"
    registry.register(name, text("one"), metrics={"<b>": 1})
    registry.register(name, text("two"), metrics={"<b>": 2})
    registry.promote(f"{name}@v1", reason="<i>why</i>")
    registry.promote(f"{name}@v2")

    shown = "".join(
        thing._repr_html_()
        for thing in (
            registry,
            registry.status(name),
            registry.load(f"{name}@v1"),
            registry.compare(f"{name}@v1", f"{name}@v2"),
        )
    )

    assert "&lt;script&gt;" in shown
    assert not any(mark in shown for mark in ("<script", "<b>", "<i>"))


def test_a_card_tells_the_facts_as_they_are_today(registry: Registry, grow: Grow) -> None:
    grow(1, metrics={"auc": 0.9}, description="Tells irises apart", author="Ann")
    registry.evaluate("iris@1.0.0", {"auc": 0.8})
    registry.promote("iris@1.0.0")

    card = registry.card("iris@production")
    assert isinstance(card, dict)
    assert {card["name"], card["version"], card["author"]} == {"iris", "1.0.0", "Ann"}
    assert card["performance"]["auc"] == 0.8
    markdown = registry.card("iris@production", "markdown")
    assert isinstance(markdown, str)
    assert "Tells irises apart" in markdown
    bom = registry.card("iris@production", "cyclonedx")
    assert isinstance(bom, dict)
    assert bom["bomFormat"] == "CycloneDX"


def test_a_reader_writes_nothing_where_all_is_up_to_date(
    spring: Registry, opened: Callable[..., Registry], store: Path, tmp_path: Path
) -> None:
    before = disk.listing(store)

    reader = opened()
    for look in (reader.models, reader.verify, lambda: reader.status("iris")):
        look()
    reader.history("iris")
    reader.load("iris@production")
    reader.compare("iris@previous", "iris@production")
    reader.checkout("iris@production", tmp_path / "out")

    assert disk.listing(store) == before
    assert spring.location == store


def test_a_process_sees_what_another_one_wrote(
    registry: Registry, opened: Callable[..., Registry], grow: Grow
) -> None:
    reader = opened(by="bob")
    nothing = reader.models()
    grow(2)
    first = [info.version for info in reader.versions("iris")]
    registry.promote("iris@1.1.0")
    live = reader.status("iris").live

    assert nothing == []
    assert first == ["1.0.0", "1.1.0"]
    assert live is not None
    assert live.version == "1.1.0"


def test_the_history_of_a_deleted_model_can_still_be_read(
    registry: Registry, clock: Clock, grow: Grow
) -> None:
    clock.on("2026-03-01T12:00")
    grow(1)
    registry.promote("iris@1.0.0")
    clock.on("2026-03-05T12:00")
    registry.delete("iris", reason="over", force=True)

    assert [past.op for past in registry.history("iris")] == ["registered", "promoted", "deleted"]
    assert registry.resolve("iris@production", at="2026-03-02").version == "1.0.0"


def test_a_line_of_history_is_json_like_every_other_answer(spring: Registry) -> None:
    for answer in (spring.history("iris"), spring.status("iris"), spring.models(), spring.verify()):
        assert json.loads(msgspec.json.encode(answer))


@pytest.mark.parametrize("read", ["models", "overview", "matrix"])
def test_what_is_not_a_time_makes_no_model_look_damaged(tmp_path: Path, read: str) -> None:
    registry = holdfast.open(tmp_path / "store", by="ana")
    file = tmp_path / "model.txt"
    file.write_text("1")
    registry.register("iris", file)
    with pytest.raises(InvalidInputError, match="not a date or time"):
        getattr(registry, read)(at="yesterday")
