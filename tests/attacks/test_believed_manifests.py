"""Manifests that say something else than their bytes: nothing that they say is believed.

Whoever may write to a store can write any manifest: here by a client whose scanner finds nothing.
"""

import gzip
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pytest
from sklearn.linear_model import LinearRegression

import holdfast
from holdfast import Policy, Registry, formats
from holdfast.core.manifest import Scan
from holdfast.errors import InvalidInputError, RefusedError, UntrustedError
from holdfast.formats import Packaged

Lie = Callable[..., Registry]


class Payload:
    """Runs a command once it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self.command,)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """Return a path that exists only if a payload ran."""
    return tmp_path / "the-payload-ran"


@pytest.fixture
def lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lie:
    """Register bytes by a client that says what it likes of their kind and format."""

    def registered(content: bytes, name: str, form: str, scan: Scan) -> Registry:
        path = tmp_path / name
        path.write_bytes(content)
        evil = holdfast.open(tmp_path / "store", by="eve")
        with monkeypatch.context() as client:
            client.setenv("HOME", str(tmp_path / "eve"))  # where she believes her own verdicts
            client.setattr(formats, "require", lambda *_: None)
            client.setattr(formats, "scan", lambda _path, _allowed: scan)
            described = formats.package(path, "model", tmp_path).description
            client.setattr(formats, "package", lambda *_: Packaged(path, form, described))
            evil.register("iris", path, trust="so says the client")
        return holdfast.open(tmp_path / "store", by="ann")

    return registered


HARMLESS = pickle.dumps(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]))
JSON = Scan("json")
PICKLE = Scan("pickle", executes_code=True)


def hostile(marker: Path) -> bytes:
    return pickle.dumps(Payload(f"touch {marker}"))


@pytest.mark.parametrize("form", ["pickle", "joblib", "file"])
@pytest.mark.parametrize("scan", [JSON, PICKLE, Scan("text")], ids=lambda scan: scan.kind)
def test_a_pickle_whose_manifest_hides_what_it_runs(
    lie: Lie, marker: Path, tmp_path: Path, form: str, scan: Scan
) -> None:
    registry = lie(hostile(marker), "model.pkl", form, scan)
    other = holdfast.open(tmp_path / "other")

    for deed in (
        lambda: registry.load("iris@1.0.0"),
        lambda: registry.promote("iris@1.0.0"),
        lambda: registry.promote("iris@1.0.0", force=True, reason="hurry"),
        lambda: registry.copy(other, "iris"),
    ):
        with pytest.raises(UntrustedError):
            deed()
    assert not marker.exists()
    assert registry.status("iris").live is None


@pytest.mark.parametrize(
    ("name", "content", "form"),
    [
        ("model.json", b'{"weights": [1, 2]}', "joblib"),
        ("model.bin", b"\x00\x01\x02\x03" * 64, "joblib"),
        ("model.bin", b"\x00\x01\x02\x03" * 64, "pickle"),
        ("model.txt", b"tree\nversion=v4\n\nend of trees\n", "joblib"),
        ("model.gz", gzip.compress(b"words, nothing but words", mtime=0), "joblib"),
        ("model.json", b'{"weights": [1, 2]}', "torch-state"),
        ("model.json", b'{"weights": [1, 2]}', "skops"),
    ],
)
def test_bytes_of_another_format_than_the_manifest_says(
    lie: Lie, tmp_path: Path, name: str, content: bytes, form: str
) -> None:
    registry = lie(content, name, form, JSON)
    registry_of_another = holdfast.open(tmp_path / "other")

    with pytest.raises(InvalidInputError, match=f"does not contain {form}"):
        registry.load("iris@1.0.0")
    with pytest.raises(InvalidInputError, match=f"does not contain {form}"):
        registry.promote("iris@1.0.0")
    with pytest.raises(InvalidInputError, match=f"does not contain {form}"):
        registry.copy(registry_of_another, "iris")


def test_a_second_person_is_asked_for_whatever_the_manifest_calls_code(lie: Lie) -> None:
    registry = lie(HARMLESS, "model.pkl", "pickle", JSON)
    registry.set_policy("iris", Policy(code="approved"))

    with pytest.raises(UntrustedError, match="its manifest says json, but its bytes are pickle"):
        registry.promote("iris@1.0.0")


def test_an_honest_manifest_is_held_to_its_policy(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(HARMLESS)
    registry = holdfast.open(tmp_path / "store")
    registry.register("iris", path)
    registry.set_policy("iris", Policy(code="approved"))

    with pytest.raises(RefusedError, match="run code on loading"):
        registry.promote("iris@1.0.0")
    assert registry.load("iris@1.0.0").predict([[2.0]]) == pytest.approx([2.0])


def test_what_is_trusted_shows_the_gate_what_is_found_now(lie: Lie, marker: Path) -> None:
    recorded_scan = Scan("pickle", executes_code=True, unknown=("numpy.array",), trusted="reviewed")
    registry = lie(hostile(marker), "model.pkl", "pickle", recorded_scan)

    with pytest.raises(RefusedError, match=r"posix\.system outside the allow-list"):
        registry.promote("iris@1.0.0")
    assert not marker.exists()


def test_what_is_loaded_is_the_copy_that_was_hashed(
    tmp_path: Path, marker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other bytes are put into the store's own file right before it is unpickled."""
    registry = holdfast.open(tmp_path / "store")
    registry.register("iris", LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]))
    (blob,) = (
        path
        for path in (tmp_path / "store" / "blobs" / "sha256").iterdir()
        if path.read_bytes()[:1] == b"\x80"
    )
    read = joblib.load

    def swapped(path: object, *words: object, **named: object) -> object:
        blob.chmod(0o644)
        blob.write_bytes(hostile(marker))  # the very file that versions/1.0.0/model.joblib is
        return read(path, *words, **named)

    monkeypatch.setattr(joblib, "load", swapped)
    pair = registry.load("iris@1.0.0")

    assert pair.predict([[2.0]]) == pytest.approx([2.0])
    assert not marker.exists()
    with pytest.raises(holdfast.errors.DamagedError):
        registry.load("iris@1.0.0")


def _renamed_over(blob: Path, content: bytes) -> None:
    other = blob.with_name("planted")
    other.write_bytes(content)
    other.replace(blob)


def _linked(blob: Path, content: bytes) -> None:
    elsewhere = blob.parents[3] / "elsewhere"
    elsewhere.write_bytes(content)
    blob.unlink()
    blob.symlink_to(elsewhere)


def _written_over(blob: Path, content: bytes) -> None:
    blob.chmod(0o644)
    blob.write_bytes(content)


def _folder_replaced(blob: Path, content: bytes) -> None:
    folder = blob.parent
    folder.rename(folder.with_name("away"))
    folder.mkdir()
    blob.write_bytes(content)


@pytest.mark.parametrize(
    ("form", "swap"),
    [
        ("pickle", _written_over),
        ("skops", _written_over),
        ("joblib", _renamed_over),
        ("pickle", _linked),
        ("joblib", _folder_replaced),
    ],
)
def test_no_way_of_swapping_bytes_behind_the_check_changes_what_is_loaded(
    form: str,
    swap: Callable[[Path, bytes], None],
    tmp_path: Path,
    marker: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("skops", reason="one of the formats is its")
    registry = holdfast.open(tmp_path / "store")
    made = registry.register(
        "iris", LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]), formats={"model": form}
    )
    artifact = registry.manifest(made).artifacts["model"]
    assert artifact.format == form
    (file,) = artifact.files
    blob = tmp_path / "store" / "blobs" / "sha256" / file.sha256
    load_parts = formats.load_parts

    def swapped(*words: Any) -> object:
        swap(blob, hostile(marker))
        return load_parts(*words)

    monkeypatch.setattr(formats, "load_parts", swapped)
    pair = registry.load("iris@1.0.0")

    assert pair.predict([[2.0]]) == pytest.approx([2.0])
    assert not marker.exists()


def test_a_verdict_of_somebody_else_is_not_taken(
    lie: Lie, marker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    cache = home / ".cache" / "holdfast-checked" / "verdicts"
    cache.mkdir(parents=True)
    cache.chmod(0o777)  # anybody may have written it
    monkeypatch.setenv("HOME", str(home))
    registry = lie(hostile(marker), "model.pkl", "pickle", PICKLE)

    with pytest.raises(UntrustedError):
        registry.load("iris@1.0.0")
    assert list(cache.iterdir()) == []
