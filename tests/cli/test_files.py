"""Commands that bring bytes out and in."""

import hashlib
import json
import subprocess
import tarfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from holdfast.sandbox import chosen

_RESTRAINT = chosen("auto")
_MISSING = _RESTRAINT.missing if _RESTRAINT else ("seccomp filters",)


@pytest.fixture
def iris(holdfast: Any, tmp_path: Path) -> Any:
    import joblib
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    rows = [[0.0], [1.0], [2.0], [3.0]]
    scaler = StandardScaler().fit(rows)
    joblib.dump(scaler, tmp_path / "scaler.joblib")
    joblib.dump(LogisticRegression().fit(scaler.transform(rows), [0, 0, 1, 1]), tmp_path / "m.pkl")
    done = holdfast("register", "iris", "m.pkl", "scaler.joblib", "--metric", "acc=1")
    assert done.status == 0, done.err
    return holdfast


def test_load_proves_that_the_pair_loads_and_predicts(iris: Any, tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text("[[0.0], [3.0]]")
    done = iris("load", "iris@latest", "--predict", "rows.json")

    assert done.status == 0, done.err
    assert "LogisticRegression" in done.out
    assert "StandardScaler" in done.out
    assert "predictions    [0, 1]" in done.out
    assert iris("load", "iris@latest", "--predict", "rows.json", "--json").data["predictions"] == [
        0,
        1,
    ]


_ROWS = {
    "lists.json": "[[0.0, 9.0], [3.0, 9.0]]",
    "records.json": '[{"a": 0.0, "b": 9.0}, {"b": 9.0, "a": 3}]',
    "columns.json": '{"b": [9.0, 9.0], "a": [0.0, 3.0]}',
    "body.json": '{"instances": [{"a": 0, "b": 9}, {"a": 3, "b": 9}]}',
    "inputs.json": '{"inputs": {"a": [0, 3], "b": [9, 9]}}',
    "rows.csv": "b,a\n9,0\n9.0,3\n",
}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a store whose model was fitted with a frame, and its example."""
    import joblib
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    root = tmp_path_factory.mktemp("pair")
    frame = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [9.0] * 4})
    joblib.dump(LogisticRegression().fit(frame, ["no", "no", "yes", "yes"]), root / "m.joblib")
    (root / "example.csv").write_text("a,b\n0,9\n3,9\n")
    return root


@pytest.fixture
def framed(pair: Path, holdfast: Any, tmp_path: Path) -> Any:
    example = str(pair / "example.csv")
    done = holdfast("register", "iris", str(pair / "m.joblib"), "--input-example", example)
    assert done.status == 0, done.err
    for name, content in _ROWS.items():
        (tmp_path / name).write_text(content)
    return holdfast


def test_load_takes_rows_in_every_form_that_serving_takes(framed: Any, tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"a": [0.0, 3.0], "b": [9.0, 9.0]}), tmp_path / "rows.parquet")

    for name in (*_ROWS, "rows.parquet"):
        done = framed("load", "iris@latest", "--predict", name, "--json")
        assert done.status == 0, (name, done.err)
        assert done.data["predictions"] == ["no", "yes"], name


def test_rows_that_the_schema_does_not_take_are_told(framed: Any, tmp_path: Path) -> None:
    for name, content, message in (
        ("a.json", '[{"a": 0.0}]', "b is missing"),
        ("b.json", '[{"a": "x", "b": 9}]', "a"),
        ("c.json", "[]", "holds no rows"),
        ("d.json", "5", "holds no rows"),
        ("e.json", "{", "is not JSON"),
        ("f.csv", "a\n1\n", "is not a row of 2 values"),
        ("g.parquet", "no parquet", "cannot be read"),
        ("h.csv", "\udc80", "cannot be read"),
        ("none.csv", None, "cannot be read"),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content.encode(errors="surrogateescape"))
        done = framed("load", "iris@latest", "--predict", name)
        assert (done.status, message in done.err) == (2, True), (name, done.status, done.err)


def test_a_model_that_fails_on_rows_is_told_and_is_no_bug(iris: Any, tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text('[["x", "y"]]')

    done = iris("load", "iris@latest", "--predict", "rows.json")

    assert done.status not in (0, 70)
    assert "iris@1.0.0" in done.err or "--predict" in done.err


def test_an_example_of_csv_gives_the_order_of_columns_and_lenient_numbers(
    framed: Any,
) -> None:
    schema = json.loads(framed("card", "iris@latest").out)["input_schema"]

    assert schema["order"] == ["a", "b"]
    assert {column["type"] for column in schema["properties"].values()} == {"number"}


def test_an_example_that_is_ragged_or_names_a_column_twice_is_refused(
    holdfast: Any, tmp_path: Path
) -> None:
    (tmp_path / "m.txt").write_text("model")
    for content, message in (
        ("a,b\n1\n", "has 1 cells in row 2, but 2 in its header"),
        ("a,a\n1,2\n", "has two columns of the same name"),
        ("", "no columns"),
    ):
        (tmp_path / "rows.csv").write_text(content)
        done = holdfast("register", "iris", "m.txt", "--input-example", "rows.csv")
        assert (done.status, message in done.err) == (2, True), done.err


@pytest.mark.skipif(bool(_MISSING), reason=f"the kernel lacks {_MISSING}")
def test_rows_of_a_file_with_a_header_are_taken_in_the_sandbox(framed: Any) -> None:
    done = framed("load", "iris@latest", "--sandbox", "--predict", "rows.csv", "--json")

    assert done.status == 0, done.err
    assert done.data["predictions"] == ["no", "yes"]


@pytest.mark.skipif(bool(_MISSING), reason=f"the kernel lacks {_MISSING}")
def test_load_in_the_sandbox_tells_what_the_child_predicts(iris: Any, tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text("[[0.0], [3.0]]")
    done = iris("load", "iris@latest", "--sandbox", "--predict", "rows.json")

    assert done.status == 0, done.err
    assert "seccomp" in done.out
    assert "StandardScaler" in done.out
    assert "predictions    [0, 1]" in done.out


@pytest.mark.skipif(bool(_MISSING), reason=f"the kernel lacks {_MISSING}")
def test_load_in_the_sandbox_survives_what_crashes(iris: Any, tmp_path: Path) -> None:
    (tmp_path / "crash.pkl").write_bytes(b"cos\nabort\n(tR.")
    iris("register", "crash", "crash.pkl", "--trust", "it came from a friend")
    done = iris("load", "crash@latest", "--sandbox")

    assert done.status != 0
    assert "SIGABRT" in done.err


def test_load_of_a_kept_file_gives_its_path(churn: Any) -> None:
    done = churn("load", "churn@1.0.0")

    assert done.status == 0


def test_checkout_writes_the_files_once(iris: Any, tmp_path: Path) -> None:
    done = iris("checkout", "iris@1.0.0", "out")
    again = iris("checkout", "iris@1.0.0", "out")

    assert done.out.split() == ["out/manifest.json", "out/model.pkl", "out/preprocessor.joblib"]
    assert (tmp_path / "out" / "model.pkl").read_bytes() == (tmp_path / "m.pkl").read_bytes()
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["version"] == "1.0.0"
    assert again.status == 2
    assert "is not empty" in again.err


def test_a_bundle_goes_into_another_store_with_its_history(churn: Any) -> None:
    out = churn("export", "churn", "churn.tar")
    done = churn("import", "churn.tar", "--store", "other")
    again = churn("import", "churn.tar", "--store", "other")

    assert "churn, 3 versions" in out.out
    assert (done.status, done.out) == (0, "imported churn, 3 versions\n")
    assert again.out.startswith("already there")
    assert churn("history", "churn", "--store", "other").out == churn("history", "churn").out
    assert churn("verify", "--store", "other").status == 0


def test_the_history_of_an_imported_version_tells_what_happened_elsewhere(churn: Any) -> None:
    churn("export", "churn@1.0.0", "one.tar")
    churn("import", "one.tar", "--store", "other", "--reason", "for the region")
    lines = churn("history", "churn", "--store", "other").out.splitlines()

    assert [line.split("  ")[0] for line in lines] == ["ENTRY", "1", "· 5", "· 4", "· 1"]
    assert "import 1.0.0 (v1)" in lines[1]
    assert "promote 1.0.0 → 1.1.0" in lines[2]
    assert lines[3].endswith("first")


def test_what_was_live_at_a_time_is_reconstructed_on_demand(churn: Any, tmp_path: Path) -> None:
    past = churn("history", "churn", "--json").data
    first = next(line["at"] for line in past if line["what"] == "promote 1.0.0")
    live = ("churn@production", "--at", first)

    assert churn("checkout", *live, "then").status == 0
    assert json.loads((tmp_path / "then" / "manifest.json").read_bytes())["version"] == "1.0.0"
    assert churn("load", *live, "--json").data["ref"] == "churn@1.0.0"
    assert churn("export", *live, "then.tar", "--json").data["versions"] == ["1.0.0"]
    assert json.loads(churn("card", *live).out)["version"] == "1.0.0"
    assert churn("compare", *live, "churn@1.2.0", "--json").data["a"] == "1.0.0"
    assert churn("checkout", "churn@production", "never", "--at", "1999-01-01").status == 3


def test_the_sums_of_a_bundle_are_checked_by_any_tool(churn: Any, tmp_path: Path) -> None:
    churn("export", "churn@1.0.0", "one.tar")
    with tarfile.open(tmp_path / "one.tar") as tar:
        tar.extraction_filter = lambda member, _path: member  # as `filter=` from Python 3.11.4 on
        tar.extractall(tmp_path / "unpacked")
    checked = subprocess.run(
        ["sha256sum", "-c", "SHA256SUMS"],
        cwd=tmp_path / "unpacked",
        capture_output=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stderr


def test_an_export_overwrites_nothing(churn: Any, tmp_path: Path) -> None:
    (tmp_path / "taken.tar").write_text("mine")
    done = churn("export", "churn", "taken.tar")

    assert done.status == 2
    assert (tmp_path / "taken.tar").read_text() == "mine"


def test_a_bundle_that_is_none_is_refused(churn: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.tar").write_bytes(b"nothing of the kind")
    done = churn("import", "bad.tar")
    absent = churn("import", "absent.tar")

    assert done.status == 6
    assert absent.status == 2


def test_an_environment_is_written_and_checked(churn: Any, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("words")
    churn("register", "other", "words.txt", "--environment", f"numpy={version('numpy')}")
    written = churn("env", "other@latest")
    checked = churn("env", "check", "other@latest")
    document = churn("env", "check", "other@latest", "--json").data

    assert written.out.startswith("# other@1.0.0, registered with Python ")
    assert written.out.endswith(f"\nnumpy=={version('numpy')}\n")
    assert (checked.status, document["differences"]) == (0, [])
    assert "every version is as recorded" in checked.out
    assert churn("env", "other@latest", "--format", "conda", "--json").data["format"] == "conda"
    assert churn("env", "other@latest", "churn@1.1.0").status == 2


def test_a_check_of_another_environment_says_so(churn: Any, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("words")
    churn("register", "other", "words.txt", "--environment", "numpy=0.9")
    checked = churn("env", "check", "other@latest")

    assert checked.status == 1
    assert "numpy: registered with 0.9, here " in checked.out


def test_a_backup_says_what_is_in_it_and_what_is_new(churn: Any) -> None:
    first = churn("backup", "kept")
    churn("note", "churn@1.0.0", "kept for the audit")
    again = churn("backup", "kept", "--json")

    assert first.status == 0, first.err
    assert first.out.startswith("1 model, 5 journal entries (5 new), 6 new files, ")
    assert first.out.endswith(" in kept\n")
    assert (again.data["entries"], again.data["new_entries"], again.data["new_files"]) == (6, 1, 0)
    assert churn("verify", "--store", "kept").status == 0
    assert churn("head", "churn").out == churn("head", "churn", "--store", "kept").out


def test_a_backup_lists_what_is_damaged_with_status_6(churn: Any, tmp_path: Path) -> None:
    sha256 = hashlib.sha256((tmp_path / "three.json").read_bytes()).hexdigest()
    (tmp_path / "store" / "blobs" / "sha256" / sha256).unlink()
    done = churn("backup", "kept")

    assert done.status == 6
    assert done.out.startswith("damaged: churn@")
    assert "missing" in done.out
    assert "1 model, 5 journal entries (5 new), 5 new files" in done.out


def test_a_backup_over_another_store_is_refused_with_status_5(churn: Any, model: Any) -> None:
    churn("register", "iris", model("four"), "--store", "other")
    done = churn("backup", "other", "--json")

    assert done.status == 5
    assert done.error["code"] == "conflict"
