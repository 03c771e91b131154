"""Evaluation as a verb: a version and the champion on one file; what misbehaves records nothing."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace
from sklearn import metrics as oracle
from tests.registry.evaluated_models import (
    SCHEMA,
    Bright,
    Line,
    Misbehaving,
    Spy,
    Threshold,
    Unsure,
    Wordy,
)

import holdfast
from holdfast import Policy, Registry
from holdfast.core.evaluation import Evaluation, EvaluationResult, Figure
from holdfast.errors import (
    ConflictError,
    InvalidInputError,
    RefusedError,
    UnsupportedError,
)

ROWS = 400
OPEN = Policy(clean_scan=False)
DEMANDING = Policy(clean_scan=False, required_evaluations=("june",))


def table(rows: int = ROWS) -> pd.DataFrame:
    """Return rows whose right answer is mostly an age of 40 and more."""
    random = np.random.default_rng(7)
    age = random.normal(40, 10, rows).round(3)
    churned = (age + random.normal(0, 6, rows) >= 40).astype(int)
    frame = pd.DataFrame({"age": age, "visits": random.integers(0, 9, rows), "churned": churned})
    return frame.assign(region=random.choice(["north", "south", "east"], rows))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return the rows as a file."""
    path = tmp_path / "june.csv"
    table().to_csv(path, index=False)
    return path


Add = Callable[..., str]


@pytest.fixture
def add(registry: Registry) -> Add:
    """Return what registers a model, without trying it out."""
    registry.set_policy("churn", OPEN, reason="models of tests run code")

    def register(model: object, **facts: Any) -> str:
        facts = {"input_schema": SCHEMA, "trust": "mine"} | facts
        return registry.register("churn", model, **facts).ref

    return register


@pytest.fixture
def champion(registry: Registry, add: Add) -> str:
    """Return a version that is live."""
    ref = add(Threshold(45.0))
    registry.promote(ref, reason="first")
    return ref


def figure(evaluation: Evaluation, name: str) -> Figure:
    return next(one for one in evaluation.figures if one.name == name)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def entries(registry: Registry) -> int:
    return len(registry.entries("churn"))


@pytest.mark.usefixtures("champion")
def test_a_version_and_the_champion_are_scored_on_the_same_rows(
    registry: Registry, add: Add, data: Path
) -> None:
    challenger = add(Threshold(40.0))
    done = registry.evaluate(challenger, data=data, label="churned", slice="region")
    evaluation, frame = done.evaluation, table()
    accuracy, auc = figure(evaluation, "accuracy"), figure(evaluation, "roc_auc")

    assert isinstance(done, EvaluationResult)
    assert done.ref == str(done) == challenger
    assert accuracy.value == pytest.approx(((frame.age >= 40) == frame.churned).mean())
    assert accuracy.champion == pytest.approx(((frame.age >= 45) == frame.churned).mean())
    assert (
        auc.value == auc.champion == pytest.approx(oracle.roc_auc_score(frame.churned, frame.age))
    )
    assert accuracy.change_low is not None
    assert accuracy.change_low > 0
    assert (evaluation.rows, evaluation.name, evaluation.positive) == (ROWS, "june", "1")
    assert evaluation.data == sha256(data)
    assert evaluation.restrained
    assert done.why == "the version gives probabilities"
    assert {one.value: one.rows for one in evaluation.slices} == {
        str(name): count for name, count in frame.region.value_counts().items()
    }
    assert done.note.startswith("evaluate 1.1.0 beside 1.0.0, measured on june (400 rows): ")


def test_what_was_measured_is_kept_in_one_entry(
    registry: Registry, add: Add, champion: str, data: Path, store: Path
) -> None:
    challenger = add(Threshold(40.0))
    before = entries(registry)
    done = registry.evaluate(challenger, data=data, label="churned", reason="weekly")
    event: Any = registry.entries("churn")[-1].event
    past = registry._session.find(challenger)[1].evaluations[0]

    assert entries(registry) == before + 1
    assert event.measured.metrics == event.metrics == done.evaluation.metrics
    assert [series.name for series in event.losses] == ["accuracy", "log_loss", "brier"]
    assert [series.name for series in event.measured.champion.losses] == [
        "accuracy", "log_loss", "brier",
    ]  # fmt: skip
    assert (past.name, past.beside, past.seq) == ("june", "1.0.0", before + 1)
    assert (
        registry.resolve(champion).metrics["accuracy"]
        < registry.resolve(challenger).metrics["accuracy"]
    )
    assert registry.verify().whole
    assert holdfast.open(store).verify().whole


@pytest.mark.usefixtures("champion")
def test_a_gate_takes_what_was_measured_and_not_what_was_told(
    registry: Registry, add: Add, data: Path
) -> None:
    challenger = add(Threshold(40.0))
    registry.set_policy("churn", replace(DEMANDING, max_regression=None), reason="agreed")
    registry.evaluate(challenger, {"accuracy": 0.99}, dataset="june")

    with pytest.raises(RefusedError, match="june: not measured"):
        registry.promote(challenger)
    registry.evaluate(challenger, data=data, label="churned")
    assert registry.promote(challenger).changed


@pytest.mark.usefixtures("champion")
def test_a_worse_version_is_refused_with_numbers(registry: Registry, add: Add, data: Path) -> None:
    challenger = add(Threshold(60.0))
    registry.set_policy("churn", DEMANDING, reason="agreed")
    registry.evaluate(challenger, data=data, label="churned")

    reasons = registry.judge(challenger).reasons
    assert any(reason.startswith("accuracy: ") and "interval" in reason for reason in reasons)
    assert any(reason.startswith("recall: ") for reason in reasons)


def test_a_new_champion_must_have_been_measured_on_the_same_data(
    registry: Registry, add: Add, data: Path, tmp_path: Path
) -> None:
    registry.set_policy("churn", DEMANDING, reason="agreed")
    first, second = add(Threshold(41.0)), add(Threshold(40.0))
    registry.evaluate(first, data=data, label="churned")
    registry.promote(first)
    other = tmp_path / "other.csv"
    table(200).to_csv(other, index=False)
    registry.evaluate(second, data=other, label="churned", name="june", alone=True)

    (reason,) = [one for one in registry.judge(second).reasons if one.startswith("june")]
    assert "(200 rows), but the champion on" in reason


def test_the_champion_is_measured_alone(registry: Registry, champion: str, data: Path) -> None:
    done = registry.evaluate(champion, data=data, label="churned")

    assert done.evaluation.champion is None
    assert figure(done.evaluation, "accuracy").champion is None


def test_formats_of_files_give_the_same_figures(
    registry: Registry, champion: str, tmp_path: Path
) -> None:
    frame = table()
    shuffled = frame[["churned", "region", "visits", "age"]].assign(other="x")
    frame.to_csv(tmp_path / "a.csv", index=False)
    shuffled.to_parquet(tmp_path / "a.parquet")
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    frame.to_csv(tmp_path / "a.csv.gz", index=False)
    figures = [
        registry.evaluate(champion, data=tmp_path / f"a.{form}", label="churned").evaluation.figures
        for form in ("csv", "parquet", "jsonl", "csv.gz")
    ]

    assert figures[0] == figures[1] == figures[2] == figures[3]


def test_a_regression_is_told_from_its_answers(
    registry: Registry, add: Add, tmp_path: Path
) -> None:
    frame = table().assign(price=lambda one: one.age * 2 + one.visits + 1)
    frame.to_parquet(tmp_path / "prices.parquet")
    done = registry.evaluate(add(Line(2.0)), data=tmp_path / "prices.parquet", label="price")
    answers = frame.age * 2 + 0.5
    values = {one.name: one.value for one in done.evaluation.figures}

    assert done.evaluation.task == "regression"
    assert done.why == "the answers are not whole numbers"
    assert values == pytest.approx(
        {
            "mae": oracle.mean_absolute_error(frame.price, answers),
            "rmse": oracle.root_mean_squared_error(frame.price, answers),
            "r2": oracle.r2_score(frame.price, answers),
            "mape": oracle.mean_absolute_percentage_error(frame.price, answers),
        }
    )


@pytest.mark.usefixtures("champion")
@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ("crash", "ended by SIGABRT"),
        ("exit", "SystemExit"),
        ("eat", "MemoryError"),
        ("raise", "no such feature"),
        ("nan", "answered 1 of 400 rows with NaN"),
        ("wide", r"shape \[400, 3\], not one for each of 400 rows"),
        ("short", r"shape \[399\]"),
        ("records", "several, by name: label, score"),
    ],
)
def test_a_version_that_misbehaves_records_nothing(
    registry: Registry, add: Add, data: Path, how: str, problem: str
) -> None:
    challenger = add(Misbehaving(how))
    before = entries(registry)

    with pytest.raises(UnsupportedError, match=problem) as caught:
        registry.evaluate(challenger, data=data, label="churned")
    assert challenger in str(caught.value)
    assert entries(registry) == before


def test_a_version_that_hangs_is_ended(registry: Registry, add: Add, data: Path) -> None:
    with pytest.raises(UnsupportedError, match="took longer than 2 s"):
        registry.evaluate(add(Misbehaving("hang")), data=data, label="churned", time_limit_s=2.0)


def test_a_champion_that_misbehaves_is_named(registry: Registry, add: Add, data: Path) -> None:
    live = add(Misbehaving("raise"))
    registry.promote(live, reason="first")
    challenger = add(Threshold(40.0))

    with pytest.raises(UnsupportedError, match=live):
        registry.evaluate(challenger, data=data, label="churned")
    done = registry.evaluate(challenger, data=data, label="churned", alone=True)
    assert done.evaluation.champion is None


def test_no_version_sees_the_right_answers(registry: Registry, add: Add, data: Path) -> None:
    done = registry.evaluate(add(Spy(str(data))), data=data, label="churned", task="classification")

    assert figure(done.evaluation, "accuracy").value == pytest.approx(1 - table().churned.mean())


def test_a_label_that_a_version_takes_is_refused(
    registry: Registry, champion: str, data: Path
) -> None:
    with pytest.raises(InvalidInputError, match="would read the right answer"):
        registry.evaluate(champion, data=data, label="age")


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ("nan", "NaN or infinite in 1 rows"),
        ("sum", "do not add up to 1"),
        ("range", "outside 0 and 1"),
        ("many", "50 classes are more than the 20"),
        ("raise", "trained without them"),
    ],
)
def test_probabilities_that_are_none_are_not_measured(
    registry: Registry, add: Add, data: Path, how: str, problem: str
) -> None:
    ref = add(Unsure(how))
    evaluation = registry.evaluate(
        ref, data=data, label="churned", task="classification"
    ).evaluation

    assert {*evaluation.metrics} == {"accuracy", "balanced_accuracy", "f1", "precision", "recall"}
    assert {*evaluation.unmeasured} == {"average_precision", "brier", "log_loss", "roc_auc"}
    assert all(problem in why for why in evaluation.unmeasured.values())


def test_data_that_a_version_was_trained_on_is_refused(
    registry: Registry, add: Add, data: Path
) -> None:
    facts = {"training_data": {"digests": {"train": f"sha256:{sha256(data)}"}}}
    ref = add(Threshold(40.0), **facts)

    with pytest.raises(RefusedError, match="trained on this very file"):
        registry.evaluate(ref, data=data, label="churned")
    registry.promote(ref, reason="first")
    other = registry.evaluate(add(Threshold(41.0)), data=data, label="churned")
    assert other.evaluation.remarks == (
        "the champion 1.0.0 was trained on this very file, which favours it",
    )


def test_the_rows_that_a_version_was_trained_on_are_known_in_another_kind_of_file(
    registry: Registry, add: Add, data: Path, tmp_path: Path
) -> None:
    table().to_parquet(tmp_path / "again.parquet", compression="gzip")
    table().to_parquet(tmp_path / "train.parquet")
    ref = add(Threshold(40.0), data={"train": tmp_path / "train.parquet"})

    with pytest.raises(RefusedError, match="trained on these very rows"):
        registry.evaluate(ref, data=tmp_path / "again.parquet", label="churned")
    done = registry.evaluate(ref, data=data, label="churned")  # of a CSV the types are others
    assert str(done.evaluation.data_rows).startswith("sha256:")


def test_the_file_of_a_reference_is_known_as_training_data(
    registry: Registry, add: Add, data: Path
) -> None:
    ref = add(Threshold(40.0), reference=data)

    with pytest.raises(RefusedError, match="trained on this very file"):
        registry.evaluate(ref, data=data, label="churned")


def test_a_reference_of_the_users_own_is_no_hindrance(
    registry: Registry, add: Add, data: Path, tmp_path: Path
) -> None:
    own = tmp_path / "reference.txt"
    own.write_text("what we refer to")
    ref = add(Threshold(40.0), artifacts={"reference": own})

    assert registry.evaluate(ref, data=data, label="churned").evaluation.figures


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"label": "left"}, "has no column 'left', which --label names; it has age, visits"),
        ({"slice": "country"}, "has no column 'country', which --slice names"),
        ({"name": "\n"}, "is not a valid name"),
        ({"task": "ranking"}, "is unknown"),
        ({"positive": "2"}, "is not one of two classes: there are '0', '1'"),
        ({"most_slices": 51}, "must be 1 to 50"),
        ({"time_limit_s": 0.0}, "must be above 0"),
        ({"label": None}, "label is missing"),
        ({"label": "region"}, "holds 'north', which is not a number"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    registry: Registry, champion: str, data: Path, options: dict[str, Any], problem: str
) -> None:
    before = entries(registry)
    anything: Any = registry
    with pytest.raises(InvalidInputError, match=problem):
        anything.evaluate(champion, **({"data": data, "label": "churned"} | options))
    assert entries(registry) == before


def test_told_and_measured_figures_do_not_mix(
    registry: Registry, champion: str, data: Path
) -> None:
    anything: Any = registry
    with pytest.raises(InvalidInputError, match="told figures"):
        anything.evaluate(champion, {"auc": 0.9}, data=data, label="churned")
    with pytest.raises(InvalidInputError, match="data is missing"):
        anything.evaluate(champion, label="churned")
    with pytest.raises(TypeError, match="unexpected keyword argument 'rows'"):
        anything.evaluate(champion, data=data, label="churned", rows=3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'slice'"):
        anything.evaluate(champion, {"auc": 0.9}, slice="region")


@pytest.mark.usefixtures("champion")
def test_a_version_without_bytes_is_refused(registry: Registry, add: Add, data: Path) -> None:
    ref = add(Threshold(40.0))
    registry.archive(ref)
    registry.purge("churn", versions=[ref], grace_s=0)

    with pytest.raises(ConflictError, match="purged"):
        registry.evaluate(ref, data=data, label="churned")


def test_a_file_that_changes_while_it_is_read_is_refused(
    registry: Registry, champion: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from holdfast.scoring.truth import Gatherer

    real = Gatherer.add

    def change(self: Gatherer, column: Any) -> None:
        real(self, column)
        with data.open("r+b") as file:
            file.seek(-2, os.SEEK_END)
            file.write(b"!")

    monkeypatch.setattr(Gatherer, "add", change)
    with pytest.raises(InvalidInputError, match="was changed while it was read"):
        registry.evaluate(champion, data=data, label="churned")


def test_without_restraint_it_says_so(registry: Registry, champion: str, data: Path) -> None:
    done = registry.evaluate(champion, data=data, label="churned", sandbox="off")

    assert not done.evaluation.restrained


def test_without_restraint_a_failure_is_told_as_well(
    registry: Registry, add: Add, data: Path
) -> None:
    with pytest.raises(UnsupportedError, match="no such feature"):
        registry.evaluate(add(Misbehaving("raise")), data=data, label="churned", sandbox="off")


@pytest.mark.parametrize("schema", [None, {"type": "array", "shape": [None, 2]}])
def test_a_version_without_names_is_given_all_columns_but_the_label(
    registry: Registry, add: Add, data: Path, schema: Any
) -> None:
    if schema is not None:
        schema = schema | {"items": {"type": "array", "items": {"type": "number"}}}
    table()[["age", "visits", "churned"]].to_csv(data, index=False)
    done = registry.evaluate(add(Threshold(40.0), input_schema=schema), data=data, label="churned")

    assert done.evaluation.remarks == (
        "the schema of churn@1.0.0 names no columns, so it was given all but 'churned'",
    )
    assert figure(done.evaluation, "accuracy").value == pytest.approx(
        ((table().age >= 40) == table().churned).mean()
    )


def test_a_tensor_leaves_the_slices_column_alone(registry: Registry, add: Add, data: Path) -> None:
    numbers = {"type": "array", "items": {"type": "number"}}
    schema = {"type": "array", "shape": [None, 2], "items": numbers}
    ref = add(Threshold(40.0), input_schema=schema)
    with pytest.raises(InvalidInputError, match="has 3 columns beside 'churned', but"):
        registry.evaluate(ref, data=data, label="churned")
    done = registry.evaluate(ref, data=data, label="churned", slice="region")

    assert len(done.evaluation.slices) == 3


def test_what_takes_no_table_is_refused(registry: Registry, add: Add, data: Path) -> None:
    ref = add(Threshold(40.0), input_schema={"type": "string"})
    with pytest.raises(UnsupportedError, match="takes no table of rows"):
        registry.evaluate(ref, data=data, label="churned")


TEXTS = {"type": "array", "shape": [None], "items": {"type": "string"}}


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_texts_are_the_one_column_beside_label_and_slices(
    registry: Registry, add: Add, tmp_path: Path, form: str
) -> None:
    words = ["the parcel is late", "thank you", "late again", "all is well"] * 10
    frame = pd.DataFrame({"text": words, "complains": [1, 0, 1, 0] * 10, "shop": ["a", "b"] * 20})
    path = tmp_path / f"mails.{form}"
    write: Any = {
        "csv": lambda: frame.to_csv(path, index=False),
        "jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        "parquet": lambda: frame.to_parquet(path),
    }
    write[form]()
    ref = add(Wordy(), input_schema=TEXTS)

    asked: dict[str, Any] = {"data": path, "label": "complains", "task": "classification"}
    done = registry.evaluate(ref, slice="shop", **asked)
    assert figure(done.evaluation, "accuracy").value == 1.0
    assert [one.rows for one in done.evaluation.slices] == [20, 20]
    with pytest.raises(InvalidInputError, match=r"has 2 columns beside 'complains', but .* texts"):
        registry.evaluate(ref, **asked)


def pictures(shape: list[int | None]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "number"}
    for _ in (None, *shape):
        schema = {"type": "array", "items": schema}
    return schema | {"shape": [None, *shape], "dtype": "float32"}


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
@pytest.mark.parametrize("shape", [(2, 3), (4,)])
def test_arrays_are_lists_of_numbers_in_one_column(
    registry: Registry, add: Add, tmp_path: Path, form: str, shape: tuple[int, ...]
) -> None:
    values = [np.full(shape, share).tolist() for share in (0.1, 0.9, 0.8, 0.2)] * 10
    frame = pd.DataFrame({"picture": values, "bright": [0, 1, 1, 0] * 10})
    path = tmp_path / f"pictures.{form}"
    write: Any = {
        "jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        "parquet": lambda: frame.to_parquet(path),
    }
    write[form]()
    ref = add(Bright(*shape), input_schema=pictures([*shape]))

    done = registry.evaluate(ref, data=path, label="bright", task="classification")

    assert figure(done.evaluation, "accuracy").value == 1.0


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ('{"p": [[1, 2], [3, 4]], "y": 1}\n{"p": [[1, 2], [3]], "y": 0}',
         "has an array of 1 in row 2 of 'p', and churn@1.0.0 takes 2"),
        ('{"p": [[1, 2]], "y": 1}', "has an array of 1 in row 1 of 'p'"),
        ('{"p": [[1, 2], null], "y": 1}', "has null in row 1 of 'p'"),
        ('{"p": [1, 2], "y": 1}', "has an array of 0 in row 1 of 'p'"),
        ('{"p": "white", "y": 1}', "cannot be read"),
        ('{"q": 1, "p": [[1, 2], [3, 4]], "y": 1}', "has 2 columns beside 'y'"),
    ],
)  # fmt: skip
def test_arrays_of_another_shape_are_refused_by_row(
    registry: Registry, add: Add, tmp_path: Path, lines: str, problem: str
) -> None:
    (tmp_path / "p.jsonl").write_text(lines)
    ref = add(Bright(2, 2), input_schema=pictures([2, 2]))

    with pytest.raises(InvalidInputError, match=problem):
        registry.evaluate(ref, data=tmp_path / "p.jsonl", label="y")


def test_a_csv_file_holds_no_arrays(registry: Registry, add: Add, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text('p,y\n"[1, 2]",1\n')
    ref = add(Bright(2, 2), input_schema=pictures([2, 2]))

    with pytest.raises(InvalidInputError, match="has no arrays in 'p'"):
        registry.evaluate(ref, data=tmp_path / "p.csv", label="y")


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["age,visits,churned"], "has no rows"),
        (["age,visits,churned", ",1,1"], "has null in row 1 of 'age'"),
        (["age,visits,churned", "30,1,"], "is null in 1 rows, first in row 1"),
        (["age,churned", "30,1"], "has no column 'visits', which churn@1.0.0 takes"),
        (["age,age,visits,churned", "1,2,3,1"], "has 2 columns called 'age'"),
        (["churned", "1"], "has no column 'age'"),
        (["age,visits,churned", "x,1,1"], "invalid value 'x'"),
        (["age,visits,churned", "1,1.5,1"], "conversion error to int64"),
    ],
)
def test_rows_that_do_not_fit_are_refused(
    registry: Registry, champion: str, data: Path, lines: list[str], problem: str
) -> None:
    data.write_text("\n".join(lines))
    with pytest.raises(InvalidInputError, match=problem):
        registry.evaluate(champion, data=data, label="churned")


def test_one_row_is_measured_without_an_interval(
    registry: Registry, champion: str, data: Path
) -> None:
    data.write_text("age,visits,churned\n50,1,1\n")
    evaluation = registry.evaluate(champion, data=data, label="churned").evaluation

    assert figure(evaluation, "accuracy") == Figure("accuracy", 1.0)
    assert evaluation.unmeasured["roc_auc"] == "the label has one class alone, '1'"
