"""Commands by which versions come to be and move."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.formats.code.packages import pickled, shop


def test_register_says_the_version_its_number_and_why(holdfast: Any, model: Any) -> None:
    done = holdfast("register", "churn", model("one"), "--metric", "roc_auc=0.91")

    assert done.status == 0
    assert done.out.splitlines()[0] == "registered churn@1.0.0 (v1)"
    assert "the first version" in done.out


def test_register_keeps_code_and_makes_a_model_of_a_class_in_it(
    holdfast: Any, tmp_path: Path
) -> None:
    (tmp_path / "shop.py").write_text(
        "class Same:\n    def predict(self, rows):\n        return list(rows)\n"
    )
    arguments = ("register", "same", "--code", "shop.py", "--entry", "shop:Same")
    refused = holdfast(*arguments)
    done = holdfast(*arguments, "--trust", "ours")

    assert refused.status == 4, refused.err
    assert "--trust" in refused.err or "trust reason" in refused.err
    assert done.status == 0, done.err
    assert holdfast("register", "same", "--code", "shop.py").status == 2
    assert sorted(holdfast("show", "same@1.0.0", "--json").data["artifacts"]) == ["code", "model"]


def test_register_names_a_base_and_keeps_a_postprocessor(holdfast: Any, model: Any) -> None:
    holdfast("register", "llama", model("one"))
    done = holdfast(
        "register", "lora", model("two"), "--base", "llama@1.0.0", "--postprocessor", model("post")
    )
    shown = holdfast("show", "lora@1.0.0", "--json").data

    assert done.status == 0, done.err
    assert sorted(shown["artifacts"]) == ["model", "postprocessor"]
    digest = holdfast("show", "llama@1.0.0", "--json").data["digest"]
    assert shown["lineage"]["base"] == f"llama@{digest}"


def test_register_takes_every_fact_by_option(holdfast: Any, model: Any, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text('{"recall": 0.7}')
    (tmp_path / "schema.json").write_text(
        '{"type": "object", "properties": {"age": {"type": "number"}}, "required": ["age"]}'
    )
    (tmp_path / "words.txt").write_text("yes no")
    done = holdfast(
        *("register", "churn", model("one"), model("prep")),
        *("--metrics", "metrics.json", "--metric", "roc_auc=0.91"),
        *("--param", "depth=4", "--param", "loss=log_loss"),
        *("--training-data", "source=warehouse", "--training-data", "samples=3200"),
        *("--lineage", "data_window=2026", "--lineage", "run_id=7"),
        *("--metadata", "team=risk", "--limitation", "adults only"),
        *("--artifact", "vocabulary=words.txt", "--description", "who leaves", "--author", "ana"),
        *("--framework", "own", "--algorithm", "tree", "--input-schema", "schema.json"),
        *("--environment", "python=3.9", "--environment", "numpy=2.0"),
        *("--reason", "nightly", "--idempotency-key", "run-1", "--format", "model=file"),
    )
    shown = holdfast("show", "churn@1.0.0", "--json").data

    assert done.status == 0, done.err
    assert shown["metrics"] == {"recall": 0.7, "roc_auc": 0.91}
    assert shown["hyperparameters"] == {"depth": 4, "loss": "log_loss"}
    assert shown["training_data"] == {"samples": 3200, "source": "warehouse"}
    assert (shown["lineage"]["data_window"], shown["lineage"]["run_id"]) == ("2026", "7")
    assert (shown["metadata"], shown["limitations"]) == ({"team": "risk"}, ["adults only"])
    assert sorted(shown["artifacts"]) == ["model", "preprocessor", "vocabulary"]
    assert (shown["framework"], shown["algorithm"], shown["author"]) == ("own", "tree", "ana")
    assert shown["input_schema"]["required"] == ["age"]
    assert shown["description"] == "who leaves"
    assert shown["environment"] == {"python": "3.9", "packages": {"numpy": "2.0"}}


def test_a_schema_that_an_example_tells_can_be_left_out(
    holdfast: Any, model: Any, tmp_path: Path
) -> None:
    (tmp_path / "rows.json").write_text('[{"age": 31}]')
    (tmp_path / "none.json").write_text("null")
    example = ("--input-example", "rows.json")
    holdfast("register", "churn", model("one"), *example, "--input-schema", "none.json")
    shown = holdfast("show", "churn@1.0.0", "--json").data

    assert shown["input_schema"] is None
    assert shown["input_example"] == [{"age": 31}]


@pytest.mark.parametrize("option", ["major", "minor", "patch", "auto"])
def test_register_raises_the_part_asked_for(churn: Any, model: Any, option: str) -> None:
    expected = {"major": "2.0.0", "minor": "1.3.0", "patch": "1.2.1", "auto": "1.3.0"}
    done = churn("register", "churn", model("four"), f"--{option}")

    assert done.out.splitlines()[0] == f"registered churn@{expected[option]} (v4)"


def test_register_reads_an_example_from_csv(holdfast: Any, model: Any, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("age,country\n31,at\n44.5,de\n")
    done = holdfast("register", "churn", model("one"), "--input-example", "rows.csv")
    schema = holdfast("show", "churn@1.0.0", "--json").data["input_schema"]

    assert done.status == 0, done.err
    assert schema["properties"]["age"]["type"] == "number"
    assert schema["properties"]["country"]["type"] == "string"


def test_the_same_content_under_the_same_version_is_there_already(
    holdfast: Any, model: Any
) -> None:
    first = holdfast("register", "churn", model("one"), "--version", "1.2.0")
    again = holdfast("register", "churn", model("one"), "--version", "1.2.0")

    assert first.out.startswith("registered churn@1.2.0")
    assert again.status == 0
    assert again.out.startswith("already there churn@1.2.0")


def test_other_bytes_under_a_taken_version_are_refused_with_both_digests(
    holdfast: Any, model: Any
) -> None:
    holdfast("register", "churn", model("one"), "--version", "1.2.0")
    done = holdfast("register", "churn", model("two"), "--version", "1.2.0", "--json")

    assert done.status == 5
    assert done.error["code"] == "version_taken"
    assert done.error["theirs"] != done.error["ours"]
    assert done.error["theirs"] in done.error["message"]
    assert done.error["ours"] in done.error["message"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--metric", "auc=high"), "must be a finite number, not 'high'"),
        (("--metric", "auc"), "is not NAME=VALUE"),
        (("--metric", "auc=nan"), "must be a finite number, not nan"),
        (("--metrics", "absent.json"), "cannot be read"),
        (("--version", "1.2"), "write 1.2.0"),
        (("--lineage", "moon=full"), "its fields are"),
        (("--input-example", "absent.csv"), "cannot be read"),
    ],
)
def test_a_malformed_fact_is_refused_before_anything_is_written(
    holdfast: Any, model: Any, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    done = holdfast("register", "churn", model("one"), *words)

    assert done.status == 2
    assert message in done.err
    assert not (tmp_path / "store" / "models").exists()


def test_metrics_that_are_no_object_are_refused(holdfast: Any, model: Any, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text("[0.9]")
    done = holdfast("register", "churn", model("one"), "--metrics", "metrics.json")

    assert done.status == 2
    assert "is not a JSON object" in done.err


def test_a_missing_model_file_is_named(holdfast: Any) -> None:
    done = holdfast("register", "churn", "absent.pkl")

    assert done.status == 2
    assert "absent.pkl" in done.err


def test_promote_names_what_it_archives(churn: Any) -> None:
    done = churn("promote", "churn@1.0.0")

    assert done.out.splitlines()[-2] == "churn@1.0.0 is live, 1.1.0 is archived"


def test_promoting_the_live_version_says_that_there_is_nothing_to_do(churn: Any) -> None:
    done = churn("promote", "churn@1.1.0")

    assert (done.status, done.out) == (0, "nothing to do: 1.1.0 is already live\n")


def test_a_refusal_lists_both_numbers_and_exits_4(churn: Any) -> None:
    done = churn("promote", "churn@1.2.0")

    assert done.status == 4
    assert "roc_auc: 0.7 is 13.58% worse than the champion's 0.81" in done.err


def test_force_needs_a_reason(churn: Any) -> None:
    done = churn("promote", "churn@1.2.0", "--force")

    assert done.status == 2
    assert "needs a reason" in done.err


def test_force_passes_the_gate_and_says_what_it_passed_over(churn: Any) -> None:
    done = churn("promote", "churn@1.2.0", "--force", "--reason", "the feed is down")
    history = churn("history", "churn").out

    assert done.status == 0
    assert "gate overridden: roc_auc: 0.7 is" in done.out
    assert "promote 1.1.0 → 1.2.0 by force" in history


def test_a_dry_run_asks_the_gate_and_moves_nothing(churn: Any) -> None:
    refused = churn("promote", "churn@1.2.0", "--dry-run")
    passed = churn("promote", "churn@1.0.0", "--dry-run")

    assert (refused.status, passed.status) == (4, 0)
    assert "refuses: roc_auc" in refused.out
    assert "within 5.00%" in passed.out
    assert churn("show", "churn@production", "--json").data["version"] == "1.1.0"


def test_an_expectation_that_does_not_hold_stops_a_promotion(churn: Any) -> None:
    done = churn("promote", "churn@1.0.0", "--expect", "1.2.0")

    assert done.status == 5
    assert "has 1.1.0 live, not 1.2.0" in done.err


def test_rollback_goes_back_and_asks_for_the_reason_it_was_not_given(churn: Any) -> None:
    done = churn("rollback", "churn")

    assert done.out.splitlines()[0] == "churn@1.0.0 is live, 1.1.0 is archived"
    assert "no reason given" in done.err


def test_rollback_with_nothing_before_says_so_in_the_words_agreed(churn: Any) -> None:
    churn("rollback", "churn", "--reason", "bad")
    done = churn("rollback", "churn", "--reason", "bad")

    assert done.status == 3
    hint = "holdfast rollback churn --to 1.1.0 undoes the last rollback"
    assert done.err == f"holdfast: No previous version to roll back to. (model churn; {hint})\n"


def test_rollback_goes_to_any_version_that_was_live(churn: Any) -> None:
    churn("rollback", "churn", "--reason", "bad")
    by_version = churn("rollback", "churn", "--to", "1.1.0", "--reason", "it was the feed")
    by_ref = churn("rollback", "churn", "--to", "churn@v1", "--reason", "it was not")
    never = churn("rollback", "churn", "--to", "1.2.0")

    assert by_version.out.startswith("churn@1.1.0 is live")
    assert by_ref.out.startswith("churn@1.0.0 is live")
    assert never.status == 5
    assert "was never live" in never.err


def test_stage_archive_and_alias_move_names(churn: Any) -> None:
    outputs = [
        churn("stage", "churn@1.2.0").out,
        churn("stage", "churn@1.2.0").out,
        churn("archive", "churn@1.2.0").out,
        churn("alias", "churn@1.0.0", "eu").out,
        churn("show", "churn@eu", "--json").data["version"],
        churn("alias", "churn@eu", "--remove").out,
        churn("alias", "churn@eu", "--remove").status,
    ]

    assert outputs == [
        "churn@1.2.0 is staged\n",
        "1.2.0 is already staged\n",
        "churn@1.2.0 is archived\n",
        "eu points to churn@1.0.0\n",
        "1.0.0",
        "eu is removed (it pointed to 1.0.0)\n",
        3,
    ]


def _artifacts(folder: Path) -> None:
    import joblib
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    folder.mkdir()
    for number, name in enumerate(("model", "model_v2", "model_final")):
        rows = [[0.0], [1.0 + number]]
        joblib.dump(LogisticRegression().fit(rows, [0, 1]), folder / f"{name}.pkl")
    joblib.dump(StandardScaler().fit([[0.0], [1.0]]), folder / "scaler.pkl")
    (folder / "model_best.pkl").write_bytes((folder / "model_final.pkl").read_bytes())
    (folder / "notes.txt").write_text("ask Bob")


def test_adopt_plans_first_then_registers_oldest_first(holdfast: Any, tmp_path: Path) -> None:
    _artifacts(tmp_path / "artifacts")
    plan = holdfast("adopt", "fraud", "artifacts", "--dry-run")
    nothing_yet = holdfast("ls")
    done = holdfast("adopt", "fraud", "artifacts", "--live", "model_v2.pkl")
    listed = holdfast("ls", "fraud", "--json").data

    assert plan.status == 0
    assert "same bytes as model_" in plan.out
    assert nothing_yet.status == 7
    assert done.status == 0, done.err
    assert "is live" in done.out
    assert len(listed) == 3
    assert [info["status"] for info in listed].count("production") == 1


def test_adopt_gives_each_version_the_code(holdfast: Any, tmp_path: Path) -> None:
    pickled(tmp_path / "old" / "model.pkl")
    shop(tmp_path / "src", 2)
    done = holdfast("adopt", "fraud", "old", "--code", "src/shop", "--trust", "our own")

    assert done.status == 0, done.err
    assert "code" in holdfast("show", "fraud@1.0.0", "--json").data["artifacts"]


def test_adopt_asks_for_a_preprocessor_it_cannot_tell(holdfast: Any, tmp_path: Path) -> None:
    import joblib
    from sklearn.preprocessing import MinMaxScaler

    _artifacts(tmp_path / "artifacts")
    joblib.dump(MinMaxScaler().fit([[0.0], [9.0]]), tmp_path / "artifacts" / "scaler_old.pkl")
    asked = holdfast("adopt", "fraud", "artifacts")
    result = holdfast("adopt", "fraud", "artifacts", "--preprocessor", "*=scaler.pkl")

    assert asked.status == 2
    assert "--preprocessor" in asked.err
    assert holdfast("show", "fraud@v1", "--json").data["artifacts"]["preprocessor"]
    assert result.status == 0, result.err


def test_results_are_json_on_request(churn: Any) -> None:
    moved = churn("rollback", "churn", "--reason", "bad", "--json").data

    assert (moved["version"], moved["was"], moved["changed"]) == ("1.0.0", "1.1.0", True)
    assert json.dumps(moved)


@pytest.mark.parametrize(
    "words",
    [
        ("register", "chrun", "m.txt"),
        ("policy", "set", "chrun", "--keep", "3"),
    ],
)
def test_a_model_that_may_be_a_slip_of_the_keys_is_begun_only_if_it_is_meant(
    holdfast: Any, tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "m.txt").write_text("model")
    holdfast("register", "churn", "m.txt")

    refused = holdfast(*words)
    names = [info["model"] for info in holdfast("ls", "--json").data]
    meant = holdfast(*words, "--new")

    assert refused.status == 2
    assert "model 'chrun' is new, and close to churn; add --new if you mean it" in refused.err
    assert names == ["churn"]
    assert meant.status == 0, meant.err
    assert holdfast("register", "churn", "m.txt").status == 0
    assert holdfast("register", "weather", "m.txt").status == 0


def test_identical_bytes_registered_again_say_so(holdfast: Any, tmp_path: Path) -> None:
    (tmp_path / "m.txt").write_text("model")
    (tmp_path / "other.txt").write_text("madel")

    first = holdfast("register", "churn", "m.txt")
    other = holdfast("register", "churn", "other.txt")
    again = holdfast("register", "churn", "m.txt", "--metric", "auc=0.9")

    assert "same bytes" not in first.out + other.out
    assert "files    the same bytes as churn@1.0.0: only facts are new" in again.out
    document = holdfast("register", "churn", "m.txt", "m.txt", "--json").data
    assert document["same_bytes"] is None


def test_a_schema_withdrawn_without_a_word_is_a_finding_of_the_gate(
    holdfast: Any, tmp_path: Path
) -> None:
    (tmp_path / "m.txt").write_text("model")
    (tmp_path / "in.json").write_text('{"type": "object", "properties": {"a": {}}}')
    holdfast("register", "churn", "m.txt", "--input-schema", "in.json")
    holdfast("promote", "churn@1.0.0")
    holdfast("register", "churn", "m.txt")

    refused = holdfast("promote", "churn@latest")
    holdfast("register", "churn", "m.txt", "--major")

    assert refused.status == 4
    assert "the input: schema withdrawn" in refused.err
    assert holdfast("promote", "churn@2.0.0").status == 0


def test_an_inferred_schema_that_is_missing_is_remarked(holdfast: Any, tmp_path: Path) -> None:
    (tmp_path / "m.txt").write_text("model")
    (tmp_path / "rows.csv").write_text("a\n1\n")
    holdfast("register", "churn", "m.txt", "--input-example", "rows.csv")
    holdfast("promote", "churn@1.0.0")
    holdfast("register", "churn", "m.txt")

    done = holdfast("promote", "churn@latest")

    assert done.status == 0
    assert "gate: input_schema: missing, but the champion has an inferred one" in done.out


def test_an_adoption_under_a_name_that_may_be_a_slip_is_asked_about_too(
    holdfast: Any, tmp_path: Path
) -> None:
    (tmp_path / "m.txt").write_text("model")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "model.pkl").write_bytes(b"\x80\x04].")
    holdfast("register", "churn", "m.txt")

    refused = holdfast("adopt", "chrun", "old")

    assert refused.status == 2
    assert "close to churn; add --new" in refused.err
