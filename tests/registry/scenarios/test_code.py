"""Versions that keep their own code: in by every door, each with its own."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.formats.code.packages import pickled, plain_names, shop, write
from tests.servers.running import Endpoint

import holdfast
from holdfast import Policy, Registry
from holdfast.errors import DamagedError, InvalidInputError, RefusedError, UntrustedError

Opened = Callable[..., Registry]
ROWS = [[1.0], [2.0]]
TRUST = "reviewed by the team"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a store of two versions of one package, which multiply by 2 and by 3."""
    folder = tmp_path_factory.mktemp("made")
    registry = holdfast.open(folder / "store", by="ann")
    for factor in (2, 3):
        model = pickled(folder / str(factor) / "model.pkl")
        source = shop(folder / str(factor), factor)
        registry.register("shop", model, code=source, trust=TRUST, input_example=ROWS)
    return folder / "store"


@pytest.fixture
def two(made: Path, store: Path) -> Registry:
    """Return a registry of a copy of that store."""
    shutil.copytree(made, store)
    return holdfast.open(store, by="ann")


def answers(registry: Registry) -> list[Any]:
    loaded = [registry.load(f"shop@v{number}") for number in (1, 2)]
    return [pair.predict(ROWS) for pair in loaded]


def test_two_versions_side_by_side_answer_by_their_own_code(two: Registry) -> None:
    assert answers(two) == [[2.0, 4.0], [3.0, 6.0]]
    assert plain_names() == []


def test_the_manifest_says_that_it_runs_code_and_what_is_trusted(two: Registry) -> None:
    manifest = two.manifest("shop@v1")
    artifact = manifest.artifacts["code"]

    assert manifest.executes_code
    assert artifact.format == "code"
    assert [file.path for file in artifact.files] == [
        "code/shop/__init__.py", "code/shop/factors.py", "code/shop/scoring.py",
    ]  # fmt: skip
    assert manifest.scan["code"].executes_code
    assert manifest.scan["code"].trusted == TRUST


def test_code_needs_a_reason_to_trust_even_if_its_names_are_allowed(
    registry: Registry, tmp_path: Path
) -> None:
    registry.set_policy("shop", Policy(allowed_globals=("shop.*",)), reason="ours")

    with pytest.raises(UntrustedError, match="script: code"):
        registry.register("shop", pickled(tmp_path / "model.pkl"), code=shop(tmp_path / "src", 2))


def test_a_gate_that_asks_for_an_approval_of_code_asks_for_it(
    two: Registry, opened: Opened
) -> None:
    two.set_policy("shop", Policy(code="approved"))

    with pytest.raises(RefusedError, match="a second person must approve it"):
        two.promote("shop@v1")
    opened(by="bob").approve("shop@v1")
    two.promote("shop@v1")
    assert two.load("shop@production").predict(ROWS) == [2.0, 4.0]


def test_an_object_of_a_class_in_the_code_comes_back_and_is_proven(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    source = write(tmp_path / "src", teamlib____init__="", teamlib__means="""
import numpy

class Mean:
    def fit(self, rows):
        self.mean_ = numpy.mean(rows)
        return self

    def predict(self, rows):
        return numpy.asarray(rows)[:, 0] - self.mean_
""")  # fmt: skip
    monkeypatch.syspath_prepend(source)
    model = __import__("teamlib.means").means.Mean().fit(ROWS)
    example = np.array(ROWS)
    registry.register("mean", model, code=source / "teamlib", input_example=example, trust=TRUST)
    monkeypatch.undo()
    for name in plain_names("teamlib"):
        monkeypatch.delitem(__import__("sys").modules, name)

    assert "numpy" in registry.manifest("mean@v1").environment.packages
    assert registry.load("mean@v1").predict(example).tolist() == [-0.5, 0.5]
    assert "no installed package brings" not in caplog.text


def test_an_object_whose_code_answers_otherwise_is_refused(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(shop(tmp_path / "here", 2).parent)
    model = __import__("shop.scoring").scoring.Scorer()
    try:
        with pytest.raises(RefusedError, match=r"the object answers 2\.0, the file 3\.0"):
            registry.register(
                "shop", model, code=shop(tmp_path / "there", 3), input_example=ROWS, trust=TRUST
            )
    finally:
        for name in plain_names():
            del __import__("sys").modules[name]


def test_a_file_that_the_code_given_does_not_load_is_refused(
    registry: Registry, tmp_path: Path
) -> None:
    model = pickled(tmp_path / "model.pkl", "shop.elsewhere")

    with pytest.raises(RefusedError, match="cannot be loaded with its code"):
        registry.register("shop", model, code=shop(tmp_path / "src", 2), trust=TRUST)
    with pytest.raises(RefusedError, match="does not answer its input_example"):
        registry.register(
            "shop", pickled(model), code=shop(tmp_path / "src", 2), trust=TRUST,
            input_example=np.float64(3),
        )  # fmt: skip
    assert registry.models() == []


def test_a_class_of_the_script_that_ran_is_refused_with_the_advice_to_keep_its_code(
    registry: Registry, tmp_path: Path
) -> None:
    model = pickled(tmp_path / "model.pkl", "__main__", "Net")

    with pytest.raises(InvalidInputError, match="--code PATH"):
        registry.register("shop", model, trust=TRUST)


def test_a_module_that_is_not_installed_is_told_with_the_advice_to_keep_its_code(
    registry: Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registry.register("shop", pickled(tmp_path / "model.pkl"), trust=TRUST)

    assert "shop is not installed here" in caplog.text
    assert "register with --code PATH (code=…)" in caplog.text


def test_a_class_alone_makes_a_model_from_its_artifacts(registry: Registry, tmp_path: Path) -> None:
    source = write(tmp_path / "src", shop____init__="", shop__models="""
import json

class Lookup:
    @classmethod
    def load(cls, paths):
        made = cls()
        made.table = json.loads(paths["table"].read_text())
        return made

    def predict(self, rows):
        return [self.table[str(row[0])] for row in rows]
""")  # fmt: skip
    (tmp_path / "table.json").write_text('{"a": 1, "b": 2}')
    done = registry.register(
        "lookup", code=source / "shop", entry="shop.models:Lookup", trust=TRUST,
        artifacts={"table": tmp_path / "table.json"}, input_example=[["a"]],
    )  # fmt: skip
    manifest = registry.manifest(done)

    assert registry.load(done).predict([["b"], ["a"]]) == [2, 1]
    assert (manifest.algorithm, manifest.artifacts["model"].format) == ("Lookup", "entry")


def test_an_entry_point_that_makes_no_model_is_refused(registry: Registry, tmp_path: Path) -> None:
    source = shop(tmp_path / "src", 2)
    facts: dict[str, Any] = {"code": source, "trust": TRUST}

    with pytest.raises(RefusedError, match="does not name a class"):
        registry.register("shop", entry="shop.scoring:Nobody", **facts)
    with pytest.raises(InvalidInputError, match="is given beside a model"):
        registry.register("shop", pickled(tmp_path / "m.pkl"), entry="shop.scoring:Scorer", **facts)
    with pytest.raises(InvalidInputError, match="is given without code"):
        registry.register("shop", entry="shop.scoring:Scorer")
    with pytest.raises(InvalidInputError, match="model must be a path or an object, not None"):
        registry.register("shop", **facts)
    registry.register("shop", entry="shop.scoring:Scorer", **facts)
    assert registry.load("shop@v1").predict(ROWS) == [2.0, 4.0]


def test_code_is_a_path_in_its_own_format(registry: Registry, tmp_path: Path) -> None:
    model, source = pickled(tmp_path / "model.pkl"), shop(tmp_path / "src", 2)

    with pytest.raises(InvalidInputError, match="code must be a path"):
        registry.register("shop", model, code=3, trust=TRUST)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="code must be a path"):
        registry.register("shop", model, artifacts={"code": 3}, trust=TRUST)
    with pytest.raises(InvalidInputError, match="is not a format of code"):
        registry.register("shop", model, code=source, formats={"code": "folder"}, trust=TRUST)
    with pytest.raises(InvalidInputError, match="is code, but its role"):
        registry.register(
            "shop", model, artifacts={"more": source.parent}, formats={"more": "code"}, trust=TRUST
        )
    entry = tmp_path / "model.entry.json"
    entry.write_text('{"entry": "shop.scoring:Scorer"}')
    with pytest.raises(InvalidInputError, match="names a class but has no code"):
        registry.register("shop", entry, formats={"model": "entry"}, trust=TRUST)


@pytest.mark.parametrize("door", ["version", "model", "copy", "backup"])
def test_code_goes_through_every_door(two: Registry, tmp_path: Path, door: str) -> None:
    there = holdfast.open(tmp_path / "there", by="bob")
    bundle = tmp_path / "shop.tar"
    if door == "version":
        for number in (1, 2):
            two.export(f"shop@v{number}", bundle)
            with pytest.raises(UntrustedError, match="code"):
                there.import_(bundle)
            there.import_(bundle, trust="ours")
            bundle.unlink()
    elif door == "model":
        two.export("shop", bundle)
        with pytest.raises(UntrustedError, match="code"):
            there.import_(bundle)
        there.import_(bundle, trust="ours")
    elif door == "copy":
        with pytest.raises(UntrustedError, match="code"):
            two.copy(there)
        two.copy(there, trust="ours")
    else:
        two.backup(there)

    assert answers(holdfast.open(tmp_path / "there")) == [[2.0, 4.0], [3.0, 6.0]]
    assert there.verify().whole


def test_a_changed_byte_of_code_is_found_and_nothing_runs(
    two: Registry, store: Path, tmp_path: Path
) -> None:
    file = two.manifest("shop@v1").artifacts["code"].files[1]
    blob = store / "blobs" / "sha256" / file.sha256
    blob.chmod(0o644)
    blob.write_text("open('ran', 'w')")

    with pytest.raises(DamagedError):
        two.load("shop@v1")
    assert not two.verify("shop@v1").whole
    assert not (tmp_path / "ran").exists()


def test_versions_that_are_code_live_in_a_bucket(moto: Endpoint, tmp_path: Path) -> None:
    def opened(cache: str) -> Registry:
        return holdfast.open(address, by="ann", options=moto.options, cache=tmp_path / cache)

    address = f"s3://{moto.make_bucket()}/x"
    registry = opened("one")
    for factor in (2, 3):
        source = shop(tmp_path / str(factor), factor)
        model = pickled(tmp_path / str(factor) / "model.pkl")
        registry.register("shop", model, code=source, trust=TRUST, input_example=ROWS)
        registry.register("made", code=source, entry="shop.scoring:Scorer", trust=TRUST)
    there = opened("two")

    assert answers(there) == [[2.0, 4.0], [3.0, 6.0]]
    assert [there.load(f"made@v{number}").predict(ROWS) for number in (1, 2)] == answers(there)
    assert there.verify().whole
    assert plain_names() == []
