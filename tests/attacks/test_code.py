"""Code that comes with a version: what it may pass itself off as, and what is said of it."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.formats.code.packages import pickled, plain_names, shop, write

import holdfast
from holdfast import Policy, Registry, formats
from holdfast.core.manifest import Scan
from holdfast.errors import (
    HoldfastError,
    InvalidInputError,
    RefusedError,
    UnsupportedError,
    UntrustedError,
)
from holdfast.formats import code
from holdfast.formats.code import tree
from holdfast.registry import round_trip

Client = Callable[..., Registry]
TRUST = "so says the client"


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Register code by a client without rules of its own, and open the store afresh."""

    def registered(source: Path, **facts: Any) -> Registry:
        evil = holdfast.open(tmp_path / "store", by="eve")
        with monkeypatch.context() as lying:
            lying.setenv("HOME", str(tmp_path / "eve"))  # where she believes her own verdicts
            lying.setattr(tree, "_check_file", lambda _name: None)
            lying.setattr(tree, "_check_top", lambda _top: None)
            lying.setattr(tree, "_is_left_out", lambda _name: False)
            lying.setattr(round_trip, "try_out", lambda *_: None)
            for target, name, value in facts.pop("lies", ()):
                lying.setattr(target, name, value)
            model = pickled(tmp_path / "model.pkl", *facts.pop("names", ()))
            evil.register("shop", model, code=source, trust=TRUST, **facts)
        return holdfast.open(tmp_path / "store", by="ann")

    return registered


def harmless(_path: Path, _allowed: Any) -> Scan:
    return Scan("folder")


def test_code_of_which_a_manifest_says_that_it_runs_nothing_is_not_loaded(
    client: Client, tmp_path: Path
) -> None:
    lies = [(formats, "scan", harmless), (code, "mark", lambda _format, scan: scan)]
    registry = client(shop(tmp_path / "src", 2), lies=lies)

    assert not registry.manifest("shop@v1").scan["code"].executes_code
    with pytest.raises(UntrustedError, match="its manifest says folder"):
        registry.load("shop@v1")
    assert registry.manifest("shop@v1").executes_code  # which asks for an approval
    registry.set_policy("shop", Policy(code="approved", clean_scan=False), reason="an attack")
    with pytest.raises(HoldfastError):
        registry.promote("shop@v1")
    registry.export("shop@v1", tmp_path / "shop.tar")
    there = holdfast.open(tmp_path / "there", by="bob")
    with pytest.raises(UntrustedError, match="code"):
        there.import_(tmp_path / "shop.tar")


@pytest.mark.parametrize("name", ["json", "numpy", "holdfast", "sklearn"])
def test_a_stored_package_with_the_name_of_a_library_is_not_loaded(
    client: Client, tmp_path: Path, name: str
) -> None:
    source = write(
        tmp_path / "src", **{f"{name}____init__": f"open({str(tmp_path / 'ran')!r}, 'w')"}
    )
    registry = client(source / name, names=(name, "Scorer"))
    library = sys.modules[name]

    with pytest.raises(InvalidInputError, match="does not contain code"):
        registry.load("shop@v1")
    assert sys.modules[name] is library
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "name", ["factors.pyc", "__pycache__/factors.pyc", ".hidden.py", "fast.so"]
)
def test_stored_files_that_could_be_run_unseen_are_not_loaded(
    client: Client, tmp_path: Path, name: str
) -> None:
    source = shop(tmp_path / "src", 2)
    (source / name).parent.mkdir(exist_ok=True)
    (source / name).write_bytes(b"\x7fELF")
    registry = client(source)

    with pytest.raises(InvalidInputError, match="does not contain code"):
        registry.load("shop@v1")


def test_names_that_fall_together_where_case_does_not_count_are_refused(tmp_path: Path) -> None:
    source = shop(tmp_path / "src", 2)
    (source / "Factors.py").write_text("FACTOR = 99\n")
    if len(list(source.iterdir())) == 3:
        pytest.skip("the disk does not tell case apart")
    registry = holdfast.open(tmp_path / "store")

    with pytest.raises(InvalidInputError, match="on file systems that ignore case"):
        registry.register("shop", pickled(tmp_path / "model.pkl"), code=source, trust=TRUST)


def test_a_pth_file_and_a_sitecustomize_inside_are_data(tmp_path: Path) -> None:
    source = shop(tmp_path / "src", 2)
    ran = f"import os; open({str(tmp_path / 'ran')!r}, 'w')\n"
    (source / "evil.pth").write_text(ran)
    (source / "sitecustomize.py").write_text(ran)
    registry = holdfast.open(tmp_path / "store")
    path = list(sys.path)
    registry.register("shop", pickled(tmp_path / "model.pkl"), code=source, trust=TRUST)

    assert registry.load("shop@v1").predict([[1]]) == [2]
    assert sys.path == path
    assert not (tmp_path / "ran").exists()


def test_nothing_of_the_code_runs_before_it_is_trusted(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    source = write(tmp_path / "src", shop____init__=f"open({str(ran)!r}, 'w')\n")
    registry = holdfast.open(tmp_path / "store")

    with pytest.raises(UntrustedError):
        registry.register("shop", code=source / "shop", entry="shop:Model")
    assert not ran.exists()


def test_code_is_tried_under_restraint_when_it_is_registered(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    source = write(tmp_path / "src", shop____init__=f"open({str(ran)!r}, 'w')\n")
    registry = holdfast.open(tmp_path / "store")

    with pytest.raises(RefusedError, match="cannot be loaded with its code"):
        registry.register("shop", code=source / "shop", entry="shop:Model", trust=TRUST)
    assert not ran.exists()


def test_a_pickle_cannot_name_the_private_modules_of_another_version(tmp_path: Path) -> None:
    registry = holdfast.open(tmp_path / "store")
    registry.register(
        "shop", pickled(tmp_path / "a.pkl"), code=shop(tmp_path / "src", 2), trust=TRUST
    )
    keep = registry.load("shop@v1")
    private = type(keep.model).__module__

    assert plain_names() == []
    with pytest.raises(InvalidInputError, match="which is code of another version"):
        registry.register("thief", pickled(tmp_path / "b.pkl", private), trust=TRUST)


def test_code_in_another_role_or_a_class_without_code_is_no_manifest(
    client: Client, tmp_path: Path
) -> None:
    registry = client(shop(tmp_path / "src", 2))
    manifest = registry.manifest("shop@v1")
    moved = dict(manifest.artifacts)
    moved["model"] = msgspec.structs.replace(moved["model"], format="code")
    alone = {"model": msgspec.structs.replace(manifest.artifacts["model"], format="entry")}

    for artifacts, problem in ((moved, "is code, but its role"), (alone, "has no code")):
        lying = msgspec.structs.replace(manifest, artifacts=artifacts)
        with pytest.raises(InvalidInputError, match=problem):
            holdfast.core.manifest.check(lying)


def test_files_of_a_version_without_code_cannot_use_the_code_of_one_that_loads(
    tmp_path: Path,
) -> None:
    folder = code.stage(shop(tmp_path / "src", 2), tmp_path / "staged")
    model = pickled(tmp_path / "model.pkl")
    keep = formats.load_parts({"model": "pickle", "code": "code"}, {"model": model, "code": folder})

    with pytest.raises(UnsupportedError, match="needs the module shop"):
        formats.load("pickle", model)
    assert keep
