"""A model that a class makes, from files or from nothing."""

from pathlib import Path
from typing import Any

import pytest
from tests.formats.code.packages import write

from holdfast import formats
from holdfast.errors import InvalidInputError, UnsupportedError
from holdfast.formats import code
from holdfast.formats.code import EntryPoint

MODULE = """
class Loaded:
    @classmethod
    def load(cls, paths):
        made = cls()
        made.words = {role: path.read_text() for role, path in paths.items()}
        return made

    def predict(self, rows):
        return [self.words["words"] for row in rows]

class Made:
    def __init__(self, words=None):
        self.words = words and words.read_text()

    def predict(self, rows):
        return [self.words for row in rows]

    class Inner:
        def predict(self, rows):
            return rows

class Mute:
    pass

def function(paths):
    return Made()
"""


def made(folder: Path, point: str, **artifacts: str) -> dict[str, Any]:
    """Load a model by its entry point, with text files as artifacts."""
    source = write(folder / "src", shop____init__="", shop__models=MODULE) / "shop"
    paths = {"code": code.stage(source, folder)}
    paths["model"] = code.EntryPointFile().dump(EntryPoint.parse(point), folder, "model")
    for role, text in artifacts.items():
        paths[role] = folder / f"{role}.txt"
        paths[role].write_text(text)
    formats_by_role = {"model": "entry", "code": "code", **dict.fromkeys(artifacts, "joblib")}
    return formats.load_parts(formats_by_role, paths)


def test_load_is_given_the_paths_of_the_further_artifacts(tmp_path: Path) -> None:
    parts = made(tmp_path, "shop.models:Loaded", words="yes")

    assert parts["model"].predict([1, 2]) == ["yes", "yes"]
    assert parts["words"] == tmp_path / "words.txt"


def test_without_load_the_class_is_called_with_each_artifact_by_its_role(tmp_path: Path) -> None:
    assert made(tmp_path, "shop.models:Made", words="no")["model"].predict([1]) == ["no"]


def test_a_class_may_need_no_artifact_and_lie_in_another(tmp_path: Path) -> None:
    assert made(tmp_path / "a", "shop.models:Made")["model"].predict([1]) == [None]
    assert made(tmp_path / "b", "shop.models:Made.Inner")["model"].predict([1]) == [1]


@pytest.mark.parametrize(
    ("point", "problem"),
    [
        ("shop.models:Nobody", "does not name a class"),
        ("shop.models:function", "does not name a class"),
        ("shop.models:Made.words.x", "does not name a class"),
        ("shop.models:Mute", "makes a Mute without predict"),
        ("shop.nowhere:Made", "needs the module shop.nowhere"),
        ("os:_Environ", "needs the module os"),
    ],
)
def test_what_makes_no_model_is_told(tmp_path: Path, point: str, problem: str) -> None:
    with pytest.raises(UnsupportedError, match=problem):
        made(tmp_path, point)


@pytest.mark.parametrize("text", ["shop", "shop:", ":Made", "shop:Ma de", "../shop:Made", 3, None])
def test_what_is_no_entry_point_is_refused(text: Any) -> None:
    with pytest.raises(InvalidInputError, match="is not module:Class"):
        EntryPoint.parse(text)


@pytest.mark.parametrize(
    "content", ["{}", '{"entry": "shop"}', '{"entry": "a:B", "more": ""}', "[]", " " * 5000]
)
def test_a_file_that_names_none_is_not_recognised(tmp_path: Path, content: str) -> None:
    path = tmp_path / "model.entry.json"
    path.write_text(content)

    assert not code.EntryPointFile().recognises(path)


def test_the_file_names_the_class(tmp_path: Path) -> None:
    form, point = code.EntryPointFile(), EntryPoint.parse("shop.models:Made")
    path = form.dump(point, tmp_path, "model")

    assert form.recognises(path)
    assert form.load(path) == point
    assert form.takes(point)
    assert form.describe(path).algorithm == form.describe(point).algorithm == "Made"
    assert form.describe(object()).algorithm is None
    with pytest.raises(InvalidInputError, match="is not an entry point"):
        form.dump(object(), tmp_path, "model")
