"""Registration: how versions come to be, and how they come to their numbers."""

import json
import os
import stat
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from tests.registry import disk
from tests.registry.conftest import Clock, Grow, Text

import holdfast
from holdfast import Registry
from holdfast.core.version import Bump
from holdfast.errors import ConflictError, InvalidInputError, RefusedError, VersionTakenError

COLUMNS: dict[str, Any] = {
    "type": "object",
    "properties": {"age": {"type": "integer"}, "income": {"type": "number"}},
    "required": ["age", "income"],
}
WITHOUT_INCOME: dict[str, Any] = {
    "type": "object",
    "properties": {"age": {"type": "integer"}},
    "required": ["age"],
}
TEXT_AGE: dict[str, Any] = {
    "type": "object",
    "properties": {"age": {"type": "string"}},
    "required": ["age"],
}
WITH_OPTIONAL_CITY: dict[str, Any] = {
    "type": "object",
    "properties": {**COLUMNS["properties"], "city": {"type": "string"}},
    "required": ["age", "income"],
}


def test_the_first_version_is_1_0_0_with_number_1(registry: Registry, text: Text) -> None:
    made = registry.register("iris", text("one"))

    assert (made.version.version, made.version.number, made.created) == ("1.0.0", 1, True)
    assert made.version.status == "registered"


@pytest.mark.parametrize(
    ("bump", "version"),
    [("auto", "1.1.0"), ("major", "2.0.0"), ("minor", "1.1.0"), ("patch", "1.0.1")],
)
def test_a_bump_raises_the_highest_release(
    registry: Registry, text: Text, bump: Bump, version: str
) -> None:
    registry.register("iris", text("one"))

    made = registry.register("iris", text("two"), bump=bump)

    assert (made.version.version, made.version.number) == (version, 2)


def test_numbers_count_registrations_whatever_the_versions(registry: Registry, text: Text) -> None:
    for version in ("2.0.0", "0.9.0", "3.0.0-rc.1"):
        registry.register("iris", text(version), version=version)

    numbers = {info.version: info.number for info in registry.versions("iris")}
    assert numbers == {"0.9.0": 2, "2.0.0": 1, "3.0.0-rc.1": 3}


def test_a_bump_finishes_a_pre_release(registry: Registry, text: Text) -> None:
    registry.register("iris", text("one"), version="2.0.0-rc.1")

    made = registry.register("iris", text("two"), bump="major")

    assert made.version.version == "2.0.0"


def test_versions_sort_as_versions_and_not_as_texts(registry: Registry, grow: Grow) -> None:
    grow(11)

    listed = [(info.version, info.number) for info in registry.versions("iris")]
    assert listed == [(f"1.{minor}.0", minor + 1) for minor in range(11)]


def test_a_lost_column_demands_a_major_version_and_says_why(registry: Registry, text: Text) -> None:
    registry.register("iris", text("one"), input_schema=WITHOUT_INCOME)

    made = registry.register("iris", text("two"), input_schema=COLUMNS)

    assert made.version.version == "2.0.0"
    assert "income" in made.why


def test_an_optional_column_demands_no_more_than_a_minor_version(
    registry: Registry, text: Text
) -> None:
    registry.register("iris", text("one"), input_schema=COLUMNS)

    made = registry.register("iris", text("two"), input_schema=WITH_OPTIONAL_CITY)

    assert made.version.version == "1.1.0"


@pytest.mark.parametrize("asked", [{"bump": "minor"}, {"bump": "patch"}, {"version": "1.7.0"}])
def test_a_version_that_claims_too_little_is_refused_with_every_breaking_change(
    registry: Registry, store: Path, text: Text, asked: dict[str, Any]
) -> None:
    registry.register("iris", text("one"), input_schema=COLUMNS)
    before = disk.journals(store)

    with pytest.raises(RefusedError) as caught:
        registry.register("iris", text("two"), input_schema=TEXT_AGE, **asked)

    assert {"age", "income"} <= set(" ".join(caught.value.reasons).replace("'", " ").split())
    assert len(caught.value.reasons) == 2
    assert "2.0.0" in str(caught.value)
    assert disk.journals(store) == before


def test_a_version_that_claims_enough_may_break_callers(registry: Registry, text: Text) -> None:
    registry.register("iris", text("one"), input_schema=COLUMNS)

    made = registry.register("iris", text("two"), input_schema=TEXT_AGE, version="2.0.0")

    assert made.version.version == "2.0.0"


def test_a_new_answer_of_the_model_breaks_its_callers(registry: Registry, text: Text) -> None:
    registry.register("iris", text("one"), output_schema={"type": "string", "enum": ["a", "b"]})

    made = registry.register(
        "iris", text("two"), output_schema={"type": "string", "enum": ["a", "b", "c"]}
    )

    assert made.version.version == "2.0.0"


def test_schemas_are_remembered_across_a_version_without_any(
    registry: Registry, text: Text
) -> None:
    registry.register("iris", text("one"), input_schema=COLUMNS)
    registry.register("iris", text("two"))

    made = registry.register("iris", text("three"), input_schema=TEXT_AGE)

    assert made.version.version == "2.0.0"


def test_an_exact_version_is_measured_against_the_highest_below_it(
    registry: Registry, text: Text
) -> None:
    registry.register("iris", text("one"), version="1.0.0", input_schema=COLUMNS)
    registry.register("iris", text("two"), version="2.0.0", input_schema=TEXT_AGE)

    made = registry.register("iris", text("three"), version="1.0.1", input_schema=COLUMNS)

    assert made.version.version == "1.0.1"


def test_a_bump_goes_on_behind_purged_versions(registry: Registry, grow: Grow, text: Text) -> None:
    grow(2)
    registry.purge("iris", versions=["1.1.0"], grace_s=0)

    made = registry.register("iris", text("three"))

    assert (made.version.version, made.version.number) == ("1.2.0", 3)


def test_the_same_bytes_and_facts_give_back_the_same_version(
    registry: Registry, store: Path, text: Text
) -> None:
    facts: dict[str, Any] = {"metrics": {"auc": 0.9}, "metadata": {"run": (1, 2)}}
    first = registry.register("iris", text("one"), version="1.4.0", **facts)
    before = disk.truth(store)

    again = registry.register("iris", text("one", "other.txt"), version="1.4.0", **facts)

    assert again.version == first.version
    assert (first.created, again.created) == (True, False)
    assert "same bytes and facts" in again.why
    assert disk.truth(store) == before


def test_another_process_of_another_person_gets_the_same_version_back(
    registry: Registry,
    opened: Callable[..., Registry],
    text: Text,
    classifier: LogisticRegression,
    scaler: StandardScaler,
) -> None:
    first = registry.register("iris", classifier, scaler, version="1.0.0", metrics={"f1": 1})
    registry.register("iris", text("between"))

    again = opened(by="bob").register(
        "iris", classifier, scaler, version="1.0.0", metrics={"f1": 1.0}
    )

    assert not again.created
    assert again.version == first.version


def test_other_bytes_under_a_taken_version_are_refused_with_both_digests(
    registry: Registry, store: Path, text: Text
) -> None:
    made = registry.register("iris", text("one"), version="1.0.0")
    before = disk.journals(store)
    ours = registry.register("spare", text("two"))

    with pytest.raises(VersionTakenError) as caught:
        registry.register("iris", text("two"), version="1.0.0")

    digests = [registry.manifest(ref).artifacts["model"].digest for ref in (made, ours)]
    assert (caught.value.theirs, caught.value.ours) == tuple(
        f"sha256:{sha256}" for sha256 in digests
    )
    assert all(digest in str(caught.value) for digest in digests)
    assert before.items() <= disk.journals(store).items()
    assert len(registry.versions("iris")) == 1


def test_other_facts_under_a_taken_version_are_refused_by_name(
    registry: Registry, text: Text
) -> None:
    made = registry.register("iris", text("one"), version="1.0.0", metrics={"auc": 0.9})

    with pytest.raises(VersionTakenError, match=r"facts \(author, metrics\)") as caught:
        registry.register("iris", text("one"), version="1.0.0", metrics={"auc": 0.8}, author="bob")

    assert caught.value.theirs == made.version.digest
    assert caught.value.ours != made.version.digest


def test_without_version_or_key_each_registration_is_a_version(
    registry: Registry, text: Text
) -> None:
    numbers = [registry.register("iris", text("one")).version.number for _ in range(3)]

    assert numbers == [1, 2, 3]


def test_a_version_that_was_purged_is_never_used_again(
    registry: Registry, grow: Grow, text: Text
) -> None:
    grow(2)
    registry.purge("iris", versions=["1.0.0"], grace_s=0)

    with pytest.raises(ConflictError, match="never used twice"):
        registry.register("iris", text("iris 0\n"), version="1.0.0")


def test_a_version_that_differs_in_build_metadata_alone_is_refused(
    registry: Registry, text: Text
) -> None:
    registry.register("iris", text("one"), version="1.0.0+linux")

    with pytest.raises(ConflictError, match="build metadata"):
        registry.register("iris", text("one"), version="1.0.0+mac")


def test_equal_bytes_are_stored_once(registry: Registry, store: Path, text: Text) -> None:
    first = registry.register("iris", text("the same"))
    second = registry.register("iris", text("the same"))
    third = registry.register("rose", text("the same"))

    digests = {registry.manifest(made).artifacts["model"].digest for made in (first, second, third)}
    assert len(digests) == 1
    assert disk.blob(store, digests.pop()).read_text() == "the same"
    assert len(list(disk.files(store / "blobs"))) == 1 + 3


def test_large_files_that_are_stored_already_are_not_stored_again(
    registry: Registry, store: Path, tmp_path: Path
) -> None:
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(33 << 20)
    first = registry.register("iris", path)
    blob = disk.blob(store, registry.manifest(first).artifacts["model"].digest)
    before = blob.stat()

    second = registry.register("iris", path)

    assert registry.manifest(second).artifacts == registry.manifest(first).artifacts
    assert (blob.stat().st_ino, blob.stat().st_nlink) == (before.st_ino, before.st_nlink + 1)
    assert registry.verify().whole


def test_bytes_that_a_collector_took_meanwhile_are_stored_again_where_there_are_no_locks(
    registry: Registry, store: Path, clock: Clock, text: Text
) -> None:
    registry.init()
    disk.take_locks(store)

    def collect() -> datetime:
        disk.blob_holding(store, b"words").unlink(missing_ok=True)
        return clock()

    remote = holdfast.open(store, by="ann", clock=collect)
    remote.register("iris", text("words"))

    assert disk.blob_holding(store, b"words").read_text() == "words"
    assert registry.verify().whole


def test_blobs_and_entries_are_read_only(registry: Registry, store: Path, text: Text) -> None:
    registry.register("iris", text("one"))

    modes = {stat.S_IMODE(os.stat(store / key).st_mode) & 0o222 for key in disk.truth(store)}
    assert modes == {0}


def test_a_versions_folder_can_be_used_without_holdfast(
    registry: Registry,
    store: Path,
    classifier: LogisticRegression,
    scaler: StandardScaler,
) -> None:
    made = registry.register("iris", classifier, scaler)
    registry.promote(made)

    folder = store / "models" / "iris" / "versions" / "1.0.0"
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert sorted(path.name for path in folder.iterdir()) == [
        "manifest.json",
        "model.joblib",
        "preprocessor.joblib",
    ]
    assert disk.blob(store, manifest["model_sha256"]).samefile(folder / "model.joblib")
    assert disk.blob(store, manifest["preprocessor_sha256"]).samefile(
        folder / "preprocessor.joblib"
    )
    assert (manifest["status"], manifest["digest"]) == ("production", made.version.digest)


def test_a_folder_is_kept_as_it_is(registry: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("first")
    (folder / "deep" / "b.txt").write_text("second")

    made = registry.register("iris", folder)

    loaded = registry.load(made).model
    assert [file.path for file in registry.manifest(made).files] == [
        "model/a.txt",
        "model/deep/b.txt",
    ]
    assert (loaded / "deep" / "b.txt").read_text() == "second"


def test_further_roles_are_kept_beside_the_model(registry: Registry, text: Text) -> None:
    made = registry.register(
        "iris", text("model"), artifacts={"tokenizer": text("words", "vocab.txt")}
    )

    parts: dict[str, Any] = dict(registry.load(made).parts)
    assert {role: path.read_text() for role, path in parts.items()} == {
        "model": "model",
        "tokenizer": "words",
    }


@pytest.mark.parametrize("role", ["../model", "Model", "manifest", "", "a b"])
def test_a_role_that_is_no_plain_word_is_refused(registry: Registry, text: Text, role: str) -> None:
    with pytest.raises(InvalidInputError, match="role"):
        registry.register("iris", text("one"), artifacts={role: text("two")})

    assert registry.models() == []


@pytest.mark.parametrize(
    "name",
    ["Iris", "CON", "a/b", "naïve Bayes – größer", "x" * 250, "con.model", ".hidden", "модель"],
)
def test_a_name_of_any_alphabet_or_case_is_a_model_of_its_own(
    registry: Registry, opened: Callable[..., Registry], text: Text, name: str
) -> None:
    registry.register("iris", text("small"))
    made = registry.register(name, text(name))

    again = opened()
    assert [info.model for info in again.models()] == sorted(["iris", name])
    assert again.load(f"{name}@1.0.0").model.read_text() == name
    assert again.verify().whole
    assert made.version.number == 1


def test_the_reason_is_kept_with_the_entry(registry: Registry, text: Text) -> None:
    registry.register("iris", text("one"), reason="first try")

    past = registry.history("iris")[0]
    assert (past.op, past.by, past.reason) == ("registered", "ann", "first try")


def test_what_a_registration_returns_can_be_passed_as_a_ref(registry: Registry, text: Text) -> None:
    made = registry.register("iris", text("one"))

    assert str(made) == made.ref == "iris@1.0.0"
    assert registry.promote(made).version == "1.0.0"
    assert registry.load(made.version).ref == "iris@1.0.0"


def test_threads_may_share_one_registry(registry: Registry, tmp_path: Path) -> None:
    start = threading.Barrier(8)
    errors: list[BaseException] = []

    def work(index: int) -> None:
        path = tmp_path / f"{index}.txt"
        path.write_text(f"model {index}")
        try:
            start.wait()
            for _ in range(3):
                registry.register("iris", path)
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert sorted(info.number for info in registry.versions("iris")) == list(range(1, 25))
    assert registry.verify().whole
