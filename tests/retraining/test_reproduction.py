"""A version made once more: what that needs, what it lacks, and how like the outcome is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.retraining.repositories import committed, git

import holdfast
from holdfast import Registry
from holdfast.errors import InvalidInputError
from holdfast.retraining import reproduction, retraining_run
from holdfast.retraining.reproduction import Reproduced, ReproductionRequest
from holdfast.retraining.retraining_run import RunRequest

PATH = {"PATH": "/usr/bin:/bin"}
HEAD = """
import os, random
from pathlib import Path
def train(context):
    rows = context.data["train"].read_text()
"""
SAME = (
    HEAD
    + """
    return {"model": {"rows": rows, "seed": context.seed}, "metrics": {"auc": 0.5}}
"""
)
FITTED = (
    HEAD
    + """
    from sklearn.linear_model import LogisticRegression
    x, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
    model = LogisticRegression(random_state=context.seed).fit(x, y)
    model.note_ = os.urandom(8).hex()
    return {"model": model, "input_example": x}
"""
)
NEAR = (
    HEAD
    + """
    metrics = {"auc": 0.5 + random.Random(os.urandom(8)).random() * 1e-9}
    return {"model": {"mark": os.urandom(8).hex()}, "metrics": metrics}
"""
)
FAR = (
    HEAD
    + """
    return {"model": {"mark": os.urandom(8).hex()}, "metrics": {"auc": os.urandom(1)[0] + 0.5}}
"""
)
Made = Callable[..., None]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "rows.csv").write_text("a,b\n1,x\n2,y\n")
    return tmp_path / "work"


@pytest.fixture
def registry(tmp_path: Path, work: Path) -> Registry:
    assert not work.exists()
    registry = holdfast.open(tmp_path / "store", by="ann")
    registry.data.add("sales", str(tmp_path / "rows.csv"))
    return registry


@pytest.fixture
def made(registry: Registry, work: Path) -> Made:
    """Commit an entry point below `jobs` and make version 1.0.0 of `churn` by it."""

    def make(text: str, **changed: Any) -> None:
        committed(work, "jobs/churn.py", text)
        facts: dict[str, Any] = {"entry": "churn:train", "data_refs": {"train": "sales@v1"}}
        more = {"environment": PATH, "seed": 7}
        slot = "2026-11-29T02:00:00Z"
        request = RunRequest("churn", slot, work / "jobs", **(facts | more | changed))
        assert retraining_run.run(registry, request).record.version == "1.0.0"

    return make


def reproduced(registry: Registry, folder: Path, **more: Any) -> Reproduced:
    request = ReproductionRequest("churn@1.0.0", folder, PATH, **more)
    outcome = reproduction.reproduce(registry, request)
    if (folder / ".git").exists():
        assert len(git(folder, "worktree", "list").splitlines()) == 1
    return outcome


def verdict(outcome: Reproduced) -> tuple[str, tuple[str, ...]]:
    assert outcome.likeness is not None, outcome
    return outcome.likeness.verdict, outcome.likeness.notes


def needs(outcome: Reproduced) -> dict[str, str]:
    return {need.what: need.state for need in outcome.needs}


def test_the_same_bytes_are_identical_whatever_lies_in_the_work_tree_now(
    registry: Registry, made: Made, work: Path
) -> None:
    made(SAME)
    committed(work, "jobs/churn.py", "raise SystemExit('other code')")

    outcome = reproduced(registry, work)
    assert verdict(outcome) == ("identical", ("model: the same bytes",))
    assert set(needs(outcome).values()) == {"there"}
    assert [past.op for past in registry.history("churn")] == ["retrained"]


def test_other_bytes_with_the_same_answers_are_the_same_predictions(
    registry: Registry, made: Made, work: Path
) -> None:
    made(FITTED)

    said, notes = verdict(reproduced(registry, work))
    assert (said, notes[0]) == ("same predictions", "model: other bytes")
    assert notes[1] == "input example: 4 answers the same within 1e-09"


@pytest.mark.long
def test_near_metrics_are_within_the_tolerance_and_far_ones_are_not(
    registry: Registry, made: Made, work: Path
) -> None:
    made(NEAR)

    said, notes = verdict(reproduced(registry, work))
    assert (said, notes[-1]) == ("within tolerance", "auc: within 1e-06 of what was recorded")
    assert verdict(reproduced(registry, work, tolerance=0))[0] == "different"


def test_other_metrics_are_different(registry: Registry, made: Made, work: Path) -> None:
    made(FAR)
    outcomes = [verdict(reproduced(registry, work)) for _ in range(2)]  # one in 256 is the same

    assert any(said == "different" and "auc: " in notes[-1] for said, notes in outcomes)


def test_a_patch_that_was_kept_is_put_on_the_commit(
    registry: Registry, made: Made, work: Path
) -> None:
    committed(work, "jobs/churn.py", "raise SystemExit('before')")
    (work / "jobs" / "more.py").write_text("")
    text = SAME.replace("0.5", "0.75")
    committed(work, "jobs/churn.py", SAME)
    (work / "jobs" / "churn.py").write_text(text)
    request = RunRequest(
        "churn", "2026-11-29T02:00:00Z", work / "jobs", PATH, entry="churn:train",
        data_refs={"train": "sales@v1"}, patch=True,
    )  # fmt: skip
    retraining_run.run(registry, request)
    assert made is not None
    git(work, "checkout", "-q", "jobs/churn.py")

    refused = reproduced(registry, work)
    assert (refused.likeness, needs(refused)["patch"]) == (None, "missing")
    outcome = reproduced(registry, work, trusts_patch=True)
    assert verdict(outcome)[0] == "identical"
    assert needs(outcome)["patch"] == "there"
    assert registry.manifest("churn@1.0.0").metrics == {"auc": 0.75}


@pytest.mark.long
def test_changes_that_were_not_kept_are_told(registry: Registry, work: Path) -> None:
    committed(work, "jobs/churn.py", SAME)
    (work / "jobs" / "churn.py").write_text(SAME.replace("0.5", "0.75"))
    facts: Any = {"entry": "churn:train", "data_refs": {"train": "sales@v1"}}
    request = RunRequest("churn", "2026-11-29T02:00:00Z", work / "jobs", PATH, **facts)
    retraining_run.run(registry, request)

    assert needs(reproduced(registry, work))["patch"] == "differs"


def test_data_that_changed_is_missing_and_says_which_digest(
    registry: Registry, made: Made, work: Path, tmp_path: Path
) -> None:
    made(SAME)
    recorded = registry.data.find("sales").added.digest
    (tmp_path / "rows.csv").write_text("a,b\n1,x\n3,y\n")

    outcome = reproduced(registry, work)
    assert (outcome.likeness, needs(outcome)["data train"]) == (None, "missing")
    (need,) = outcome.missing
    assert f"{recorded} was recorded" in need.note

    (tmp_path / "old.csv").write_text("a,b\n1,x\n2,y\n")
    elsewhere = reproduced(registry, work, paths={"train": tmp_path / "old.csv"})
    assert verdict(elsewhere)[0] == "identical"


@pytest.mark.long
def test_other_bytes_of_the_same_rows_will_do_and_are_told(
    registry: Registry, made: Made, work: Path, tmp_path: Path
) -> None:
    made(SAME)
    (tmp_path / "rows.csv").write_bytes(b'a,b\r\n"1",x\r\n2,y\r\n')

    outcome = reproduced(registry, work)
    assert needs(outcome)["data train"] == "differs"
    assert verdict(outcome)[0] == "within tolerance"  # this training keeps the bytes


def test_each_of_several_data_that_changed_is_told(
    registry: Registry, work: Path, tmp_path: Path
) -> None:
    committed(work, "m.txt", "m")
    (tmp_path / "more.csv").write_text("a\n1\n")
    registry.data.add("more", str(tmp_path / "more.csv"))
    registry.register("churn", work / "m.txt", data={"one": "sales@v1", "two": "more@v1"})
    (tmp_path / "rows.csv").write_text("a\n2\n")
    (tmp_path / "more.csv").write_text("a\n3\n")

    needed = needs(reproduced(registry, work))
    assert (needed["data one"], needed["data two"]) == ("missing", "missing")


def test_rows_that_were_in_memory_are_found_by_their_digest(
    registry: Registry, work: Path, tmp_path: Path
) -> None:
    committed(work, "m.txt", "m")
    rows = str(registry.data.find("sales").added.rows)
    lineage = {"data": {"train": {"rows": rows}}}
    registry.register("churn", work / "m.txt", lineage=lineage)

    lacking = [need for need in reproduced(registry, work).needs if need.what == "data train"]
    assert [need.note for need in lacking] == [
        f"rows {rows}: say where it is with --data train=PATH"
    ]
    path = tmp_path / "rows.csv"
    assert needs(reproduced(registry, work, paths={"train": path}))["data train"] == "there"
    path.write_text("a,b\n3,z\n")
    lacking = [
        need
        for need in reproduced(registry, work, paths={"train": path}).needs
        if need.what == "data train"
    ]
    assert f"rows {rows} was recorded" in lacking[0].note


def test_a_commit_that_is_not_here_is_missing(
    registry: Registry, made: Made, work: Path, tmp_path: Path
) -> None:
    made(SAME)
    (tmp_path / "empty").mkdir()

    outcome = reproduced(registry, tmp_path / "empty")
    assert needs(outcome)["commit"] == "missing"
    assert outcome.problem.startswith("not run")
    assert reproduction.plan(registry, ReproductionRequest("churn@1.0.0", work, PATH)).missing == ()


def test_what_is_no_commit_is_not_given_to_git(
    registry: Registry, work: Path, tmp_path: Path
) -> None:
    committed(work, "m.txt", "m")
    lineage = {"git_commit": "--output=x", "entry": "churn:train"}
    registry.register("churn", work / "m.txt", lineage=lineage)

    assert needs(reproduced(registry, work))["commit"] == "missing"
    assert not (work / "x").exists()
    assert not (tmp_path / "x").exists()


def test_a_version_of_a_plain_script_counts_if_its_entry_was_recorded(
    registry: Registry, work: Path, tmp_path: Path
) -> None:
    commit = committed(work, "churn.py", SAME)
    (tmp_path / "model.json").write_text("other")
    registry.register(
        "churn",
        tmp_path / "model.json",
        data={"train": "sales@v1"},
        metrics={"auc": 0.5},
        lineage={"git_commit": commit, "entry": "churn:train", "seed": 7, "folder": ""},
    )

    said, notes = verdict(reproduced(registry, work))
    assert (said, notes[0]) == ("within tolerance", "model: other bytes")


def test_only_numbers_of_threads_and_hash_seeds_are_taken_from_a_record() -> None:
    settings = {
        "PYTHONHASHSEED": "7",
        "OMP_NUM_THREADS": "2",
        "MKL_NUM_THREADS": "$(id)",
        "LD_PRELOAD": "/tmp/x.so",
        "PYTHONPATH": "1",
    }

    taken = reproduction._settings({"settings": settings})
    assert taken == {"PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "2"}
    assert reproduction._settings({"settings": "x"}) == {}


def test_a_folder_that_leads_out_of_the_commit_is_refused(registry: Registry, work: Path) -> None:
    commit = committed(work, "churn.py", SAME)
    for folder, problem in (("../..", "does not exist"), ("none", "does not exist")):
        lineage = {"git_commit": commit, "entry": "churn:train", "folder": folder}
        registry.register("churn", work / "churn.py", lineage=lineage, trust="ours", version=None)
        request = ReproductionRequest("churn@latest", work, PATH)
        with pytest.raises(InvalidInputError, match=f"folder .* {problem}"):
            reproduction.reproduce(registry, request)


def test_a_module_that_the_commit_lacks_is_not_taken_from_elsewhere(
    registry: Registry, work: Path
) -> None:
    commit = committed(work, "other.py", SAME)
    lineage = {"git_commit": commit, "entry": "json:dumps", "folder": ""}
    registry.register("churn", work / "other.py", lineage=lineage, trust="ours")

    with pytest.raises(InvalidInputError, match="module of json:dumps does not exist"):
        reproduced(registry, work)


def test_a_version_without_an_entry_says_how_to_record_one(registry: Registry, work: Path) -> None:
    committed(work, "m.txt", "m")
    registry.register("churn", work / "m.txt")

    (need, *_) = reproduced(registry, work).needs
    assert (need.what, need.state) == ("entry", "missing")
    assert "--lineage entry=" in need.note


def test_a_training_that_fails_now_is_told_with_its_log(
    registry: Registry, made: Made, work: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "was-run"
    made(f"{HEAD}    Path({str(mark)!r}).open('x')\n    return {{'model': {{'rows': rows}}}}\n")

    outcome = reproduced(registry, work)
    assert "status 1" in outcome.problem
    assert "FileExistsError" in outcome.log


def test_a_program_is_run_again_if_it_is_the_same_one(
    registry: Registry, made: Made, work: Path
) -> None:
    command = ("/bin/sh", "-c", 'printf m > "$HOLDFAST_OUT/model.txt"')
    made("", entry="", command=command)

    assert needs(reproduced(registry, work))["entry"] == "missing"
    assert verdict(reproduced(registry, work, command=command))[0] == "identical"
