"""A whole run: one entry for a version that was judged, or a failure and its log."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.retraining.entries import GOOD, HEAD, PLAIN, WORSE

import holdfast
from holdfast import Policy, Registry
from holdfast.core.retraining.slots import Window
from holdfast.errors import ConflictError, InvalidInputError, RefusedError
from holdfast.retraining import retraining_run
from holdfast.retraining.retraining_run import RunOutcome, RunRequest
from holdfast.retraining.training_process import ProcessLimits

SLOT = "2026-11-29T02:00:00Z"
Train = Callable[..., RunOutcome]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return holdfast.open(tmp_path / "store", by="ann")


@pytest.fixture
def train(tmp_path: Path, registry: Registry) -> Train:
    """Run an entry point of this text for a slot."""

    def run(text: str = GOOD, slot: str = SLOT, **changed: Any) -> RunOutcome:
        (tmp_path / "jobs.py").write_text(text)
        facts: dict[str, Any] = {"entry": "jobs:train", "environment": {"PATH": "/usr/bin:/bin"}}
        request = RunRequest("churn", slot, tmp_path, **(facts | changed))
        return retraining_run.run(registry, request)

    return run


def ops(registry: Registry) -> list[str]:
    return [past.op for past in registry.history("churn")]


def failure(outcome: RunOutcome) -> str:
    assert (outcome.record.outcome, outcome.record.version) == ("failed", None)
    return outcome.record.why


def read_blob(registry: Registry, digest: str) -> bytes:
    return registry._session.open_store.blobs.read(digest)


def test_the_first_run_registers_and_stages_by_one_entry(registry: Registry, train: Train) -> None:
    outcome = train(seed=3, window=Window("2026-08-31T00:00:00Z", "2026-11-29T00:00:00Z"))

    assert (outcome.record.outcome, outcome.record.version) == ("registered", "1.0.0")
    assert ops(registry) == ["retrained"]
    state = registry.retrainings.state("churn")
    assert (state.staging, state.production) == ("1.0.0", None)
    manifest = registry.manifest("churn@1.0.0")
    assert manifest.algorithm == "LogisticRegression"
    assert manifest.lineage.data_window == "2026-08-31T00:00:00Z/2026-11-29T00:00:00Z"
    assert manifest.metadata["retraining"] == {"slot": SLOT, "entry": "jobs:train"}
    assert set(manifest.metrics) == {"accuracy", "brier", "log_loss"}
    assert {losses.name for losses in state.record("1.0.0").losses} == set(manifest.metrics)
    run, _log = state.record("1.0.0").run
    record = json.loads(read_blob(registry, run))
    assert (record["seed"], record["settings"]["PYTHONHASHSEED"]) == (3, "3")
    assert record["winner_config"]["model_class"] == "LogisticRegression"
    assert registry.verify().damages == ()


REFERENCE = """
def train(context):
    import json
    rows = [{"age": number & 31, "city": "ab"[number & 1]} for number in range(600)]
    (context.out / "model.txt").write_text("weights")
    return {"model": "model.txt", "reference": %s}
"""


def test_rows_to_compare_later_ones_with_are_kept_as_counts(
    registry: Registry, train: Train
) -> None:
    outcome = train(REFERENCE % "rows")

    assert outcome.record.outcome == "registered", outcome.log
    reference = registry.drift.reference("churn@1.0.0").reference
    assert reference.rows == 600
    assert sorted(reference.features) == ["age", "city"]


def test_rows_without_names_cannot_be_compared_with(train: Train) -> None:
    assert "has no columns with names" in failure(train(REFERENCE % "[[1, 2], [3, 4]]"))


def test_the_same_slot_again_tells_the_first_result(registry: Registry, train: Train) -> None:
    first = train()

    again = train(PLAIN + "def train(context):\n    raise RuntimeError")

    assert again.record == first.record
    assert (first.ran, again.ran) == (True, False)
    assert ops(registry) == ["retrained"]


def test_the_champion_is_scored_anew_and_paired(registry: Registry, train: Train) -> None:
    train(seed=1)
    registry.promote("churn@1.0.0")
    registry.evaluate("churn@1.0.0", {"accuracy": 0.9999})  # on rows of somebody's own

    outcome = train(slot="2025-12-06T02:00:00Z", seed=2)

    assert (outcome.record.outcome, outcome.record.version) == ("registered", "1.1.0")
    entry = registry.entries("churn", after=3)[0].event
    assert entry.champion.version == "1.0.0"  # type: ignore[union-attr]
    assert set(entry.champion.metrics) == {"accuracy", "brier", "log_loss"}  # type: ignore[union-attr]
    assert entry.champion.metrics["accuracy"] < 0.99  # type: ignore[union-attr]
    assert any("interval of the worsening" in remark for remark in entry.remarks)  # type: ignore[union-attr]
    assert registry.retrainings.state("churn").staging == "1.1.0"
    assert registry.resolve("churn@production").version == "1.0.0"


def test_what_the_gate_refuses_is_registered_and_not_staged(
    registry: Registry, train: Train
) -> None:
    train(seed=1)
    registry.promote("churn@1.0.0")

    outcome = train(WORSE, slot="2025-12-06T02:00:00Z", seed=2)

    assert (outcome.record.outcome, outcome.record.version) == ("blocked", "1.1.0")
    state = registry.retrainings.state("churn")
    assert (state.staging, state.record("1.1.0").status) == (None, "registered")
    line = registry.history("churn")[-1]
    assert any(
        "log_loss" in reason and "more than the 5.00% allowed" in reason for reason in line.gate
    )
    assert not train(WORSE, slot="2025-12-06T02:00:00Z").ran


def test_a_champion_that_cannot_be_compared_is_a_doubt(registry: Registry, train: Train) -> None:
    bare = GOOD.replace('        "evaluation": drawn(1000),\n', "")
    assert train(bare).record.outcome == "registered"
    registry.promote("churn@1.0.0")

    outcome = train(bare, slot="2025-12-06T02:00:00Z", seed=2)
    assert outcome.record.outcome == "blocked"
    assert "inconclusive" in registry.history("churn")[-1].gate[0]

    registry.set_policy("churn", Policy(inconclusive="remark"), reason="no labels yet")
    outcome = train(bare, slot="2025-12-13T02:00:00Z", seed=3)
    assert outcome.record.outcome == "registered"


def test_identical_bytes_are_no_version(registry: Registry, train: Train) -> None:
    train(seed=1)

    outcome = train(slot="2025-12-06T02:00:00Z", seed=1)

    assert (outcome.record.outcome, outcome.record.version) == ("unchanged", "1.0.0")
    assert len(registry.versions("churn")) == 1


def test_a_refit_on_the_same_data_raises_the_patch(train: Train, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a\n1\n")
    data = {"rows": tmp_path / "rows.csv"}
    train(seed=1, data=data)

    assert train(slot="2025-12-06T02:00:00Z", seed=2, data=data).record.version == "1.0.1"
    (tmp_path / "rows.csv").write_text("a\n2\n")
    assert train(slot="2025-12-13T02:00:00Z", seed=3, data=data).record.version == "1.1.0"


def test_a_failed_run_leaves_its_entry_and_its_log(registry: Registry, train: Train) -> None:
    outcome = train(PLAIN + "def train(context):\n    raise RuntimeError('no rows today')")

    assert failure(outcome) == "it ended with status 1"
    assert "no rows today" in outcome.log
    state = registry.retrainings.state("churn")
    assert state.versions == {}
    assert b"no rows today" in read_blob(registry, list(state.runs)[1])
    registry.gc(grace_s=0)
    assert b"no rows today" in read_blob(registry, list(state.runs)[1])
    assert registry.verify().damages == ()


@pytest.mark.parametrize("harm", ["missing", "has changed"])
def test_the_log_of_a_failed_run_is_verified_backed_up_and_repaired(
    registry: Registry, train: Train, tmp_path: Path, harm: str
) -> None:
    train(PLAIN + "def train(context):\n    raise RuntimeError('no rows today')")
    log = list(registry.retrainings.state("churn").runs)[1]
    backup = holdfast.open(tmp_path / "backup")
    assert registry.backup(backup).whole
    path = tmp_path / "store" / "blobs" / "sha256" / log
    path.chmod(0o600)
    if harm == "missing":
        path.unlink()
    else:
        path.write_bytes(b"all went well")

    (damage,) = registry.verify().damages
    assert (damage.model, log in damage.subject) == ("churn", True)
    assert harm in damage.problem
    (lost,) = registry.backup(holdfast.open(tmp_path / "second")).damages
    assert log in f"{lost.subject} {lost.problem}"
    registry.repair(source=backup)
    assert registry.verify().whole
    assert b"no rows today" in read_blob(registry, log)
    assert b"no rows today" in read_blob(holdfast.open(tmp_path / "backup"), log)


def test_a_failed_slot_may_be_tried_again_three_times(train: Train) -> None:
    bad = PLAIN + "def train(context):\n    sys.exit(9)"
    assert [train(bad).record.attempts for _ in range(3)] == [1, 2, 3]

    with pytest.raises(ConflictError, match="failed 3 times"):
        train()
    assert train(slot="2025-12-06T02:00:00Z").record.outcome == "registered"


def test_after_a_failure_a_slot_may_succeed(train: Train) -> None:
    train(PLAIN + "def train(context):\n    sys.exit(9)")

    outcome = train()

    assert (outcome.record.outcome, outcome.record.attempts) == ("registered", 2)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("return None", "run did not leave a model"),
        ("return {'model': {'a': 1}, 'metrics': {'auc': float('nan')}}", "be a finite number"),
        ("os.symlink('/etc/hostname', context.out / 'model.txt')", "leads through a link"),
        ("(context.out / 'result.json').write_text('{\"artifacts\": {\"model\": \"../jobs.py\"}}')",
         "must be below the folder `out`"),
        ("return {'model': '../jobs.py'}", "must be below the folder `out`"),
        ("return {'model': {'a': 1}, 'bump': 'major'}", "retrain with --bump major"),
        ("return {'model': {'a': 1}, 'digests': {'model': 'sha256:0'}}", "'digests' is unknown"),
        ("return {'model': {'a': 1}, 'evaluation': ([[1.0]], [1])}", "failed on these rows"),
        ("return {'model': {'a': 1}, 'losses': {'mae': [1.0]}}", "without the rows"),
        ("__import__('shutil').rmtree(context.out)", "was removed or replaced"),
        ("return {'model': {'a': 1}, 'training_data': [1]}", "must be an object, not list"),
        ("os.mkfifo(context.out / 'model.txt')", "is neither a file nor a folder"),
        ("(context.out / 'result.json').write_text('{\"metrics\": {\"a\": NaN}}')",
         "cannot be read"),
        ("(context.out / 'model.pkl').write_bytes(b'cos\\nsystem\\n(S\"true\"\\ntR.')",
         "would run code outside the allow-list"),
    ],
)  # fmt: skip
def test_what_no_version_can_be_made_of_is_a_failure(
    registry: Registry, train: Train, body: str, why: str
) -> None:
    outcome = train(f"{PLAIN}\ndef train(context):\n    {body}")

    assert why in failure(outcome), outcome.log
    assert registry.retrainings.state("churn").versions == {}


@pytest.mark.parametrize(
    ("further", "why"),
    [
        ("'losses': {'error_rate': [0.0] * 3000}", "have other values than the model"),
        pytest.param(
            "'losses': {'error_rate': [0.0]}",
            "have other values than the model",
            marks=pytest.mark.sweep,
        ),
        ("'losses': {'luck': [0.0]}", "are claimed, but it cannot be checked"),
        ("'loss': 'luck'", "loss 'luck' is unknown"),
    ],
)
def test_losses_that_a_run_claims_are_measured(train: Train, further: str, why: str) -> None:
    text = f"""{HEAD}
def train(context):
    rows = drawn(1)
    model = LogisticRegression().fit(*rows)
    return {{'model': model, 'evaluation': rows, {further}}}
"""

    assert why in failure(train(text))


def test_a_metric_that_a_run_claims_is_replaced_by_what_was_measured(
    registry: Registry, train: Train
) -> None:
    train(GOOD.replace('"accuracy": model', '"accuracy": 1.5 + 0 * model'))

    assert registry.manifest("churn@1.0.0").metrics["accuracy"] < 1
    assert registry.history("churn")[0].gate[-1].startswith("accuracy: the run says 1.5, 0.")


def test_a_schema_that_breaks_callers_is_not_registered_unasked(train: Train) -> None:
    train(seed=1)
    wider = GOOD.replace(
        '"input_example": rows[:3]',
        """"input_schema": {
        "type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}""",
    ).replace('        "evaluation": drawn(1000),\n', "")
    assert wider != GOOD

    outcome = train(wider, slot="2025-12-06T02:00:00Z", seed=2)

    assert "a major change of the schema since 1.0.0" in failure(outcome)
    outcome = train(wider, slot="2025-12-13T02:00:00Z", seed=2, bump="major")
    assert outcome.record.version == "2.0.0"


def test_data_that_changes_during_the_run_is_a_failure(train: Train, tmp_path: Path) -> None:
    (tmp_path / "days").mkdir()
    (tmp_path / "days" / "1.csv").write_text("a\n")
    writing = GOOD.replace(
        "def train(context):\n",
        "def train(context):\n    (context.data['days'] / '2.csv').write_text('b')\n",
    )

    outcome = train(writing, data={"days": tmp_path / "days"})

    assert failure(outcome) == (
        "data days 2.csv changed during the run; train on a copy that nobody writes"
    )


def test_an_evaluation_set_that_is_the_training_data_is_refused(
    registry: Registry, train: Train, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b,c,label\n" + "0.5,1.5,2.5,1\n0.25,1.5,2.5,0\n" * 30)
    cheating = GOOD.replace(
        '"evaluation": drawn(1000)',
        '"evaluation": __import__("shutil").copy(context.data["rows"], context.out / "rows.csv")',
    )

    outcome = train(cheating, data={"rows": path})

    assert "evaluation set is the training data rows" in failure(outcome)
    honest = GOOD.replace('        "evaluation": drawn(1000),\n', "")
    done = train(honest, slot="2025-12-06T02:00:00Z", data={"evaluation": path})
    assert done.record.outcome == "registered"
    assert len(registry.retrainings.state("churn").record("1.0.0").losses) == 3
    assert "digests" not in registry.manifest("churn@1.0.0").training_data


@pytest.mark.parametrize(
    ("body", "limits", "why"),
    [
        ("time.sleep(60)", ProcessLimits(time_s=1.0), "it took longer than its limit"),
        ("x = bytearray(10**8); x[::4096] = b'1' * len(x[::4096]); time.sleep(60)",
         ProcessLimits(memory_bytes=10**8), "its processes held"),
        ("raise MemoryError", ProcessLimits(), "it asked for more memory than its limit"),
    ],
)  # fmt: skip
def test_a_limit_is_an_outcome_of_its_own(
    train: Train, body: str, limits: ProcessLimits, why: str
) -> None:
    outcome = train(f"import time\ndef train(context):\n    {body}", limits=limits)

    assert outcome.record.outcome == "limit"
    assert outcome.record.why.startswith(why)


def test_a_command_in_any_language_leaves_files(registry: Registry, train: Train) -> None:
    script = (
        """cd "$HOLDFAST_OUT"; printf weights > model.txt; echo '{"auc": 0.5}' > metrics.json"""
    )

    outcome = train(entry="", command=("sh", "-c", script))

    assert outcome.record.entry.startswith("command sh ")
    assert registry.manifest("churn@1.0.0").metrics == {"auc": 0.5}


def test_the_log_of_a_pipeline_alone_is_accepted(registry: Registry, train: Train) -> None:
    text = """
def train(context):
    (context.out / "model.txt").write_text("weights")
    return {"run_id": "0a1b2c3d", "data_window": "last_90_days", "git_commit": "abc1234",
            "winner_config": {"model_class": "Forest", "params": {"n": 9}},
            "val_metrics": {"recall": 0.7, "roc_auc": 0.9}, "train_samples": 40}
"""
    train(text)

    manifest = registry.manifest("churn@1.0.0")
    assert (manifest.algorithm, manifest.hyperparameters) == ("Forest", {"n": 9})
    assert (manifest.lineage.run_id, manifest.lineage.data_window) == ("0a1b2c3d", "last_90_days")
    assert manifest.metrics == {"recall": 0.7, "roc_auc": 0.9}


def test_a_rollout_follows_if_it_is_wanted_and_only_once(registry: Registry, train: Train) -> None:
    assert "no rollout begins" in train(seed=1, then="rollout").follows
    registry.promote("churn@1.0.0")

    outcome = train(slot="2025-12-06T02:00:00Z", seed=2, then="rollout")
    assert "rollout 1 of 1.1.0 starts" in outcome.follows
    train(slot="2025-12-06T02:00:00Z", seed=2, then="rollout")
    busy = train(slot="2025-12-13T02:00:00Z", seed=3, then="rollout")

    assert "no rollout begins" in busy.follows
    assert busy.record.outcome == "registered"
    assert ops(registry).count("rollout_started") == 1
    assert registry.resolve("churn@production").version == "1.0.0"


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("return {'model': model, 'evaluation': (rows, labels * float('nan'))}",
         "is null in 3000 rows, first in row 1"),
        pytest.param("return {'model': model, 'evaluation': (rows, labels[:9])}",
                     "ended with status 1", marks=pytest.mark.sweep),
        pytest.param("(context.out / 'evaluation.csv').mkdir()\n    return {'model': model}",
                     "cannot be read", marks=pytest.mark.sweep),
        pytest.param("import shutil\n"
                     "    shutil.copy(context.data['rows'], context.out / 'evaluation.jsonl')\n"
                     "    return {'model': model, 'label': 'y'}", "is the training data rows",
                     marks=pytest.mark.sweep),
        (("text = context.data['rows'].read_text().replace(' ', '')\n"
         "    (context.out / 'evaluation.jsonl').write_text(text)\n"
         "    return {'model': model, 'label': 'y'}"), "is the training data rows"),
        (("(context.out / 'evaluation.csv').write_text('a,b,c,label\\n1,2,3\\n')\n"
         "    return {'model': model}"), "cannot be read"),
        pytest.param("return {'model': model, 'evaluation': (rows[:, :2], labels)}",
                     "expecting 3 features", marks=pytest.mark.sweep),
        ("return {'model': model, 'evaluation': ([['a', 'b', 'c']], [1])}", "failed on these rows"),
    ],
)  # fmt: skip
def test_evaluation_rows_that_prove_nothing_are_a_failure(
    registry: Registry, train: Train, tmp_path: Path, how: str, why: str
) -> None:
    (tmp_path / "rows.jsonl").write_text(
        "".join(f'{{"a": {n}.5, "b": 1.5, "c": 2.5, "y": {n % 2}}}\n' for n in range(40))
    )
    fitted = "    rows, labels = drawn(1)\n    model = LogisticRegression().fit(rows, labels)"
    text = f"{HEAD}\ndef train(context):\n{fitted}\n    {how}"

    outcome = train(text, data={"rows": tmp_path / "rows.jsonl"})

    assert why in failure(outcome), outcome.log
    assert registry.retrainings.state("churn").versions == {}


def test_a_slot_that_has_not_come_is_refused_before_the_training(
    registry: Registry, train: Train
) -> None:
    years = f"{datetime.now(UTC).year + 3}-01-01T00:00:00Z"

    with pytest.raises(InvalidInputError, match="has not come: it is"):
        train(PLAIN + "def train(context):\n    raise AssertionError", slot=years)
    assert registry.retrainings.state("churn").seq == 0


def test_data_that_is_not_there_is_no_attempt(registry: Registry, train: Train) -> None:
    with pytest.raises(InvalidInputError, match="data rows"):
        train(data={"rows": Path("no-such-file")})

    assert registry.retrainings.state("churn").seq == 0


def test_a_signature_that_is_demanded_is_asked_for_before_the_training(
    registry: Registry, train: Train, tmp_path: Path
) -> None:
    from holdfast import signing

    made = signing.create("bob", tmp_path / "keys")
    registry.set_policy("churn", Policy(signers={"bob": made.signer}, require_signature=True))

    with pytest.raises(RefusedError, match="is not signed"):
        train(PLAIN + "def train(context):\n    raise AssertionError")


@pytest.mark.parametrize(
    ("entry", "command"), [("", ()), ("jobs:train", ("sh",)), ("jobs.py", ()), ("../a:b", ())]
)
def test_one_entry_point_is_needed(train: Train, entry: str, command: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInputError, match=r"needs one entry|is malformed"):
        train(entry=entry, command=command)
