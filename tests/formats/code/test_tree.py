"""Which files a version keeps as its code, and which names they may have."""

import os
from pathlib import Path

import pytest
from tests.formats.code.packages import shop, write

from holdfast import formats
from holdfast.core.manifest import Scan
from holdfast.errors import InvalidInputError, UnsupportedError
from holdfast.formats import code
from holdfast.formats.code import tree


def kept(folder: Path) -> list[str]:
    return [name for name, _ in formats.files(folder)]


def test_a_package_is_kept_under_its_own_name(tmp_path: Path) -> None:
    folder = code.stage(shop(tmp_path / "src", 2), tmp_path / "out")

    assert kept(folder) == ["shop/__init__.py", "shop/factors.py", "shop/scoring.py"]
    assert code.top_modules(folder) == ("shop",)


def test_the_current_folder_and_a_link_have_the_name_that_they_are_known_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = shop(tmp_path / "src", 2)
    (tmp_path / "store").symlink_to(source)
    monkeypatch.chdir(source)

    assert code.top_modules(code.stage(Path(), tmp_path / "a")) == ("shop",)
    assert code.top_modules(code.stage(tmp_path / "store", tmp_path / "b")) == ("store",)


def test_a_single_module_is_kept(tmp_path: Path) -> None:
    source = write(tmp_path / "src", scoring="X = 1\n") / "scoring.py"

    assert kept(code.stage(source, tmp_path / "out")) == ["scoring.py"]


def test_a_folder_without_init_is_a_folder_of_modules(tmp_path: Path) -> None:
    source = write(tmp_path / "src", scoring="X = 1\n", deep__inner="Y = 2\n")

    folder = code.stage(source, tmp_path / "out")

    assert kept(folder) == ["deep/inner.py", "scoring.py"]
    assert code.top_modules(folder) == ("deep", "scoring")


def test_caches_hidden_and_compiled_files_are_left_out_and_data_is_kept(tmp_path: Path) -> None:
    source = shop(tmp_path / "src", 2)
    for name in (".env", "__pycache__/scoring.cpython-311.pyc", "old.PYC", ".git/config", "a.json"):
        path = source / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("secret")
    (source / ".venv").symlink_to(tmp_path)

    names = kept(code.stage(source, tmp_path / "out"))

    assert names == ["shop/__init__.py", "shop/a.json", "shop/factors.py", "shop/scoring.py"]


def test_the_environment_names_what_the_code_imports(tmp_path: Path) -> None:
    text = (
        "import os, numpy.linalg\nfrom sklearn import base\nfrom . import x\nfrom shop import y\n"
    )
    source = write(tmp_path / "src", shop____init__=text, shop__broken="def (:\n")

    folder = code.stage(source / "shop", tmp_path / "out")

    assert code.Code().describe(folder).packages == ("numpy", "scikit-learn")


@pytest.mark.parametrize(
    "name", ["os", "numpy", "holdfast", "sklearn", "torch", "msgspec", "sitecustomize", "joblib"]
)
def test_names_of_python_and_of_libraries_that_load_versions_are_refused(
    tmp_path: Path, name: str
) -> None:
    package = write(tmp_path / "a", **{f"{name}____init__": ""}) / name
    module = write(tmp_path / "b", **{name: ""}) / f"{name}.py"

    for at, source in enumerate((package, module)):
        with pytest.raises(InvalidInputError, match="has the name of a module of Python"):
            code.stage(source, tmp_path / f"out{at}")


def test_a_name_that_cannot_be_imported_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path, **{"my-shop____init__": ""}) / "my-shop"

    with pytest.raises(InvalidInputError, match="cannot be imported by that name"):
        code.stage(source, tmp_path / "out")


@pytest.mark.parametrize("name", ["fast.so", "fast.cpython-311-x86_64-linux-gnu.SO", "fast.pyd"])
def test_native_libraries_are_refused(tmp_path: Path, name: str) -> None:
    source = shop(tmp_path / "src", 2)
    (source / name).write_bytes(b"\x7fELF")

    with pytest.raises(InvalidInputError, match="is a native library"):
        code.stage(source, tmp_path / "out")


def test_links_out_of_the_code_are_refused_and_links_within_are_followed(tmp_path: Path) -> None:
    source = shop(tmp_path / "src", 2)
    (source / "also.py").symlink_to("factors.py")

    assert "shop/also.py" in kept(code.stage(source, tmp_path / "out"))
    (source / "secret.py").symlink_to(tmp_path / "elsewhere.py")
    (tmp_path / "elsewhere.py").write_text("")
    with pytest.raises(InvalidInputError, match="leads out of the folder"):
        code.stage(source, tmp_path / "out2")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    source = shop(tmp_path / "src", 2)
    os.mkfifo(source / "pipe.py")

    with pytest.raises(InvalidInputError, match="is a named pipe"):
        code.stage(source, tmp_path / "out")
    with pytest.raises(InvalidInputError, match="is a named pipe"):
        code.stage(source / "pipe.py", tmp_path / "out2")


def test_what_holds_no_python_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("1\n")

    for source in (tmp_path / "data", tmp_path / "data" / "a.csv"):
        with pytest.raises(InvalidInputError, match="holds no Python module"):
            code.stage(source, tmp_path / "out")
    with pytest.raises(InvalidInputError, match="does not exist"):
        code.stage(tmp_path / "nowhere", tmp_path / "out")


def test_a_tree_larger_than_a_package_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = shop(tmp_path / "src", 2)
    folder = code.stage(source, tmp_path / "out")
    monkeypatch.setattr(tree, "_MOST_FILES", 2)

    with pytest.raises(InvalidInputError, match="has more than 2 files"):
        code.stage(source, tmp_path / "again")
    with pytest.raises(InvalidInputError, match="has 3 files"):
        code.top_modules(folder)
    monkeypatch.undo()
    monkeypatch.setattr(tree, "_MOST_SOURCE_BYTES", 10)
    with pytest.raises(InvalidInputError, match="has more than 64 MiB of Python"):
        tree.sources(folder)


def test_a_stored_folder_with_what_staging_leaves_out_is_no_code(tmp_path: Path) -> None:
    folder = code.stage(shop(tmp_path / "src", 2), tmp_path / "out")
    assert code.Code().recognises(folder)
    (folder / "shop" / "factors.pyc").write_bytes(b"")

    assert not code.Code().recognises(folder)


def test_code_runs_whatever_its_scan_found() -> None:
    marked = code.mark("code", Scan("folder"))

    assert (marked.kind, marked.executes_code, marked.unknown) == ("code", True, ("Python code",))
    assert code.mark("folder", Scan("folder")) == Scan("folder")


def test_code_is_a_path_and_no_object(tmp_path: Path) -> None:
    form = code.Code()

    assert not form.takes(object())
    assert form.load(tmp_path) == tmp_path
    assert form.describe(object()).packages == ()
    with pytest.raises(UnsupportedError, match="is not a path to code"):
        form.dump(object(), tmp_path, "code")
