"""Files and folders that cannot be taken in, through `register` and `adopt`."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.registry import disk
from tests.registry.conftest import Text
from tests.registry.crew import Crew, Job, Outcome, step

import holdfast
from holdfast import Registry
from holdfast.errors import InvalidInputError
from holdfast.registry.facts import Facts


@pytest.fixture
def common() -> Iterator[Path]:
    """Return a folder that everybody may read and write; the test's own belongs to its user."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-test-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def as_nobody(crew: Crew, store: Path, *arguments: object) -> Outcome:
    """Do one step without the privileges of root."""
    verb, *rest = arguments
    ((outcome,),) = crew.work([Job(store, [step(str(verb), *rest)], humble=True)])
    return outcome


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda _path: None, "does not exist"),
        (lambda path: path.write_bytes(b""), "is an empty file"),
        (lambda path: path.mkdir(), "is an empty folder"),
        (lambda path: (path / "deep").mkdir(parents=True), "is an empty folder"),
        (os.mkfifo, "is a named pipe"),
        (lambda path: path.symlink_to("nowhere"), "leads nowhere"),
        (lambda path: path.symlink_to(path), "cannot be read|leads nowhere"),
    ],
    ids=["missing", "empty", "empty folder", "folders alone", "pipe", "broken link", "loop"],
)
def test_a_source_that_holds_nothing_is_refused(
    registry: Registry, store: Path, tmp_path: Path, make: "object", problem: str
) -> None:
    path = tmp_path / "model.bin"
    make(path)  # type: ignore[operator]

    with pytest.raises(InvalidInputError, match=problem) as caught:
        registry.register("iris", path)

    assert "model.bin" in str(caught.value)
    assert registry.models() == []
    assert list(disk.files(store / "blobs")) == []


def test_a_file_that_may_not_be_read_is_refused(common: Path, crew: Crew) -> None:
    path = common / "model.txt"
    path.write_text("secret")
    path.chmod(0)

    outcome = as_nobody(crew, common / "store", "register", "iris", path)

    assert (outcome.error, "cannot be read" in outcome.message) == ("InvalidInputError", True)
    assert "model.txt" in outcome.message


@pytest.mark.parametrize("what", ["the folder", "a folder in it", "a file in it"])
def test_a_folder_that_may_not_be_read_whole_is_refused(
    common: Path, crew: Crew, what: str
) -> None:
    folder = common / "saved"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "deep" / "b.txt").write_text("b")
    closed = {"the folder": folder, "a folder in it": folder / "deep"}
    closed.get(what, folder / "a.txt").chmod(0)

    outcome = as_nobody(crew, common / "store", "register", "iris", folder)

    assert outcome.error == "InvalidInputError", outcome.message
    assert "Permission denied" in outcome.message


@pytest.mark.parametrize("what", ["folder", "parent"])
def test_a_folder_to_adopt_that_may_not_be_read_is_refused(
    common: Path, crew: Crew, what: str
) -> None:
    folder = common / "parent" / "attic"
    folder.mkdir(parents=True)
    (folder / "model.pkl").write_bytes(b"\x80\x04}\x94.")
    (folder if what == "folder" else folder.parent).chmod(0)

    outcome = as_nobody(crew, common / "store", "adopt", "iris", folder)

    assert (outcome.error, "cannot be read" in outcome.message) == ("InvalidInputError", True)
    assert not (common / "store").exists()


def test_a_file_to_adopt_that_may_not_be_read_is_passed_over(common: Path, crew: Crew) -> None:
    folder = common / "attic"
    folder.mkdir()
    for name in ("model_v1.pkl", "model_v2.pkl"):
        (folder / name).write_bytes(b"\x80\x04}\x94.")
    (folder / "model_v1.pkl").chmod(0)

    adopted = as_nobody(crew, common / "store", "adopt", "iris", folder)
    there = as_nobody(crew, common / "store", "resolve", "iris@latest")

    assert adopted.error is None, adopted.message
    assert there.version == "1.0.0"


@pytest.mark.parametrize("what", ["store", "holdfast.json", "models", "journal"])
def test_a_store_that_may_not_be_read_is_told_as_ours(common: Path, crew: Crew, what: str) -> None:
    (common / "model.txt").write_text("words")
    as_nobody(crew, common / "store", "register", "iris", common / "model.txt")
    places = {"store": "", "journal": "models/iris/journal"}
    closed = common / "store" / places.get(what, what)
    closed.chmod(0)

    outcomes = [
        as_nobody(crew, common / "store", "status", "iris"),
        as_nobody(crew, common / "store", "models"),
        as_nobody(crew, common / "store", "verify"),
    ]
    closed.chmod(0o755)

    assert not any((outcome.error or "").startswith("raw") for outcome in outcomes), outcomes
    assert outcomes[0].error is not None
    assert outcomes[2].error is not None


def test_links_are_followed_inside_a_folder(registry: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "snapshot"
    (folder / "blobs").mkdir(parents=True)
    (folder / "blobs" / "weights.bin").write_bytes(b"1 2 3")
    (folder / "weights.bin").symlink_to(Path("blobs", "weights.bin"))
    (folder / "latest").symlink_to(folder / "blobs")

    path = registry.load(registry.register("iris", folder)).model

    assert (path / "weights.bin").read_bytes() == b"1 2 3"
    assert (path / "latest" / "weights.bin").read_bytes() == b"1 2 3"
    assert not (path / "weights.bin").is_symlink()


def _made(folder: Path, trouble: str) -> None:
    away = folder.parent.resolve() / "away"
    away.mkdir()
    (away / "a.bin").write_bytes(b"1 2 3")
    path = folder / "weights"
    match trouble:
        case "file elsewhere":
            path.symlink_to(away / "a.bin")
        case "folder elsewhere":
            path.symlink_to(away)
        case "nowhere":
            path.symlink_to("gone.bin")
        case "circle":
            path.symlink_to(folder.resolve())
        case "pipe":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as opened:
                opened.bind(str(path))
        case "device":
            path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("trouble", "problem"),
    [
        ("file elsewhere", "leads out of the folder"),
        ("folder elsewhere", "leads out of the folder"),
        ("nowhere", "leads nowhere"),
        ("circle", "leads to a folder that holds it"),
        ("pipe", "is a named pipe"),
        ("socket", "is a socket"),
        ("device", "leads out of the folder"),
    ],
)
@pytest.mark.parametrize("trust", [None, "reviewed by hand"])
def test_trust_is_about_code_and_passes_over_no_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str, problem: str, trust: str | None
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    folder = Path("saved")
    folder.mkdir()
    (folder / "config.txt").write_text("words")
    _made(folder, trouble)
    facts: Facts = {"trust": trust} if trust else {}

    with pytest.raises(InvalidInputError, match=problem) as caught:
        holdfast.open("store").register("iris", folder, **facts)

    assert "weights" in str(caught.value)
    assert not Path("store", "models").exists()


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no such device here")
def test_a_device_is_refused_and_not_read(registry: Registry) -> None:
    with pytest.raises(InvalidInputError, match="is a device"):
        registry.register("iris", "/dev/zero", trust="endless")


@pytest.mark.parametrize(
    "names", [("Model.txt", "model.txt"), ("aux.txt", "b"), ("a:b", "b"), ("end.", "b")]
)
def test_names_that_are_none_on_every_system_are_refused(
    registry: Registry, tmp_path: Path, names: tuple[str, str]
) -> None:
    folder = tmp_path / "saved"
    folder.mkdir()
    for name in names:
        (folder / name).write_text(name)

    with pytest.raises(InvalidInputError, match="file"):
        registry.register("iris", folder)

    assert registry.models() == []


def test_nothing_is_no_model(registry: Registry) -> None:
    with pytest.raises(InvalidInputError, match="model must be a path or an object, not None"):
        registry.register("iris", None)

    assert registry.models() == []


def test_an_object_that_cannot_be_written_is_refused(registry: Registry) -> None:
    with pytest.raises(InvalidInputError):
        registry.register("iris", lambda row: row)

    assert registry.models() == []


@pytest.mark.parametrize("format_name", ["onnx", "skops", "safetensors", "xgboost", "joblib"])
def test_a_file_that_is_not_of_the_format_named_is_refused(
    registry: Registry, text: Text, format_name: str
) -> None:
    with pytest.raises(InvalidInputError, match=f"does not contain {format_name}"):
        registry.register("iris", text("just words"), formats={"model": format_name})

    assert registry.models() == []
