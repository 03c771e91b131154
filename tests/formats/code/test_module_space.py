"""Two versions of one package in one process, each with its own code."""

import copy
import gc
import importlib
import os
import pickle
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import pytest
from tests.formats.code.packages import pickled, plain_names, shop, write

from holdfast import formats
from holdfast.errors import UnsupportedError
from holdfast.formats import code

PICKLE = {"model": "pickle", "code": "code"}


def loaded(source: Path, model: Path, form: str = "pickle") -> Any:
    """Load a model with the code at *source*."""
    folder = code.stage(source, source.parent / "staged")
    return formats.load_parts({"model": form, "code": "code"}, {"model": model, "code": folder})[
        "model"
    ]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return pickled(tmp_path / "model.pkl")


def test_each_version_uses_its_own_code(tmp_path: Path, model: Path) -> None:
    two, three = (loaded(shop(tmp_path / str(by), by), model) for by in (2, 3))

    assert two.predict([[1]]) == [2]
    assert three.predict([[1]]) == [3]
    assert (two.kind(), three.kind()) == ("shop of 2", "shop of 3")
    assert type(two) is not type(three)


def test_an_import_inside_a_function_finds_its_version_late_and_on_threads(
    tmp_path: Path, model: Path
) -> None:
    text = (
        "class Scorer:\n def predict(self, rows):\n  import shop.late as late\n  return late.ANSWER"
    )
    both = []
    for answer in (2, 3):
        source = write(tmp_path / str(answer), shop____init__="", shop__scoring=text)
        (source / "shop" / "late.py").write_text(f"ANSWER = {answer}\n")
        both.append(loaded(source / "shop", model))
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda at: both[at % 2].predict([]), range(64)))

    assert answers == [2, 3] * 32


def test_plain_names_are_gone_afterwards_and_what_had_them_is_back(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop(tmp_path / "here", 7)
    monkeypatch.syspath_prepend(tmp_path / "here")
    here = importlib.import_module("shop.factors")
    try:
        other = loaded(shop(tmp_path / "other", 2), model)

        assert other.predict([[1]]) == [2]
        assert importlib.import_module("shop.factors") is here
        assert other.predict([[1]]) == [2]
    finally:
        for name in plain_names():
            del sys.modules[name]


def test_without_code_a_class_of_another_version_is_not_found(tmp_path: Path, model: Path) -> None:
    keep = loaded(shop(tmp_path / "one", 2), model)

    assert plain_names() == []
    with pytest.raises(UnsupportedError, match="needs the module shop"):
        formats.load_parts({"model": "pickle"}, {"model": model})
    assert keep.predict([[1]]) == [2]


def test_a_load_that_fails_leaves_nothing_behind(tmp_path: Path, model: Path) -> None:
    source = write(tmp_path / "src", shop____init__="", shop__scoring="raise RuntimeError('no')\n")
    before = set(sys.modules)

    with pytest.raises(UnsupportedError, match="RuntimeError: no"):
        loaded(source / "shop", model)
    assert {name for name in set(sys.modules) - before if "shop" in name} == set()


def test_every_way_to_import_leads_to_the_own_code(tmp_path: Path, model: Path) -> None:
    text = """
import importlib
import importlib.util
import shop
import shop.factors
import shop.factors as aliased
from importlib import import_module
from shop import factors
from shop.factors import *
from . import factors as relative
from .factors import FACTOR as again

class Scorer:
    def predict(self, rows):
        found = [
            shop.factors, aliased, factors, relative,
            importlib.import_module("shop.factors"),
            import_module(".factors", "shop"),
            import_module(".factors", __package__),
            __import__("shop.factors", fromlist=["FACTOR"]),
            __import__("shop.factors").factors,
        ]
        assert importlib.util.find_spec("json")
        return [FACTOR, again, *(module.FACTOR for module in found)]
"""
    source = write(shop(tmp_path, 5).parent, shop__scoring=text)

    assert loaded(source / "shop", model).predict([]) == [5] * 11


def test_a_folder_of_modules_and_packages_without_init_is_imported(tmp_path: Path) -> None:
    write(tmp_path / "src", helper="VALUE = 3\n", shop__scoring="""
import helper
import shop.deep.inner

class Scorer:
    def predict(self, rows):
        return [helper.VALUE, shop.deep.inner.VALUE]
""")  # fmt: skip
    (tmp_path / "src" / "shop" / "deep").mkdir()
    (tmp_path / "src" / "shop" / "deep" / "inner.py").write_text("VALUE = 4\n")
    model = pickled(tmp_path / "model.pkl")

    assert loaded(tmp_path / "src", model).predict([]) == [3, 4]


def test_dataclasses_annotations_copies_and_pickles_within_the_process_work(
    tmp_path: Path, model: Path
) -> None:
    text = """
from __future__ import annotations
import copy, pickle, typing
from dataclasses import dataclass, field

@dataclass
class Part:
    weights: list[float] = field(default_factory=list)

class Scorer:
    def predict(self, rows):
        part = pickle.loads(pickle.dumps(Part([1.0])))
        assert typing.get_type_hints(Part) == {"weights": list[float]}
        return copy.deepcopy(part).weights
"""
    source = write(tmp_path / "src", shop____init__="", shop__scoring=text)
    scorer = loaded(source / "shop", model)

    assert scorer.predict([]) == [1.0]
    assert pickle.loads(pickle.dumps(copy.deepcopy(scorer))).predict([]) == [1.0]


def test_joblib_files_name_classes_of_the_own_code(tmp_path: Path, monkeypatch: Any) -> None:
    shop(tmp_path / "here", 4)
    with monkeypatch.context() as here:
        here.syspath_prepend(tmp_path / "here")
        scorer = importlib.import_module("shop.scoring").Scorer()
        scorer.weights = __import__("numpy").arange(4.0)
        joblib.dump(scorer, tmp_path / "model.joblib")
        for name in plain_names():
            del sys.modules[name]
    loaded_scorer = loaded(shop(tmp_path / "other", 6), tmp_path / "model.joblib", "joblib")

    assert loaded_scorer.predict([[1]]) == [6]
    assert loaded_scorer.weights.tolist() == [0.0, 1.0, 2.0, 3.0]


def test_other_threads_that_import_the_name_meanwhile_get_what_they_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop(tmp_path / "here", 7)
    monkeypatch.syspath_prepend(tmp_path / "here")
    importlib.import_module("shop.factors")
    text = """
import threading
import meeting

class Scorer:
    def __new__(cls):
        meeting.inside.set()
        meeting.asked.wait(10)
        return super().__new__(cls)

    def predict(self, rows):
        return "theirs"
"""
    source = write(tmp_path / "src", shop____init__="", shop__scoring=text, shop__factors="")
    meeting = sys.modules["meeting"] = __import__("types").ModuleType("meeting")
    meeting.inside, meeting.asked = threading.Event(), threading.Event()
    factors: list[object] = []

    def other() -> None:
        meeting.inside.wait(10)
        meeting.asked.set()
        from shop.factors import FACTOR  # type: ignore[import-not-found]

        factors.append(FACTOR)

    thread = threading.Thread(target=other)
    thread.start()
    try:
        theirs = loaded(source / "shop", pickled(tmp_path / "model.pkl"))
        thread.join(20)

        assert factors == [7]
        assert theirs.predict([]) == "theirs"
    finally:
        for name in ("meeting", *plain_names()):
            del sys.modules[name]


def test_two_loads_of_the_same_code_share_no_state(tmp_path: Path, model: Path) -> None:
    text = (
        "SEEN = []\nclass Scorer:\n def predict(self, rows):\n  SEEN.append(1)\n  return len(SEEN)"
    )
    source = write(tmp_path / "src", shop____init__="", shop__scoring=text)
    first, two = loaded(source / "shop", model), loaded(source / "shop", model)

    assert [first.predict([]), first.predict([]), two.predict([])] == [1, 2, 1]


def test_private_names_go_with_the_objects_and_come_back_for_what_is_left(
    tmp_path: Path, model: Path
) -> None:
    text = "def late():\n from shop.factors import FACTOR\n return FACTOR\nclass Scorer:\n pass"
    source = write(shop(tmp_path, 8).parent, shop__scoring=text)
    scorer = loaded(source / "shop", model)
    private = type(scorer).__module__
    late = sys.modules[private].late
    assert private in sys.modules
    del scorer
    gc.collect()

    assert private not in sys.modules
    assert late() == 8


def test_compiled_files_beside_the_source_are_never_run(tmp_path: Path, model: Path) -> None:
    source = shop(tmp_path, 2)
    folder = code.stage(source, tmp_path / "staged")
    cache = folder / "shop" / "__pycache__"
    parts = {"model": model, "code": folder}

    assert formats.load_parts(PICKLE, parts)["model"].predict([[1]]) == [2]  # type: ignore[attr-defined]
    assert not cache.exists()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_child_forked_while_another_thread_loads_has_its_names_and_can_load(
    tmp_path: Path, pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop(tmp_path / "here", 7)
    monkeypatch.syspath_prepend(tmp_path / "here")
    importlib.import_module("shop.factors")
    text = """
import meeting

class Scorer:
    def __new__(cls):
        meeting.pause()
        return super().__new__(cls)
"""
    source = write(tmp_path / "src", shop____init__="", shop__scoring=text, shop__factors="")
    meeting = sys.modules["meeting"] = __import__("types").ModuleType("meeting")
    inside, forked = threading.Event(), threading.Event()

    def pause() -> None:
        inside.set()
        forked.wait(10)

    meeting.pause = pause
    staged = code.stage(source / "shop", tmp_path / "staged")
    model = pickled(tmp_path / "model.pkl")
    thread = threading.Thread(
        target=formats.load_parts, args=(PICKLE, {"model": model, "code": staged})
    )
    other = code.stage(shop(tmp_path / "other", 3), tmp_path / "others")
    thread.start()
    try:
        assert inside.wait(10)
        child = os.fork()
        if not child:
            try:
                from shop.factors import FACTOR

                parts: Any = formats.load_parts(PICKLE, {"model": model, "code": other})
                os.write(pipe[1], f"{FACTOR} {parts['model'].predict([[1]])}".encode())
            finally:
                os._exit(0)
        forked.set()
        os.waitpid(child, 0)

        assert os.read(pipe[0], 100) == b"7 [3]"
    finally:
        forked.set()
        thread.join(20)
        for name in ("meeting", *plain_names()):
            del sys.modules[name]
