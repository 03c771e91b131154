"""A reader beside `purge` and `gc`: what was purged is told as purged, not as damaged."""

import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast import Registry
from holdfast.errors import ConflictError, DamagedError
from holdfast.store.blobs import Blobs

Deed = Callable[[Registry, Path], Any]
DEEDS: dict[str, Deed] = {
    "load": lambda registry, _at: registry.load("iris@1.0.0"),
    "paths": lambda registry, _at: registry.paths("iris@1.0.0"),
    "checkout": lambda registry, at: registry.checkout("iris@1.0.0", at / "out"),
    "export": lambda registry, at: registry.export("iris@1.0.0", at / "one.tar"),
    "export a model": lambda registry, at: registry.export("iris", at / "all.tar"),
    "copy": lambda registry, at: registry.copy(holdfast.open(at / "other"), "iris"),
    "judge": lambda registry, _at: registry.judge("iris@1.0.0"),
}
METHODS = ("open", "check", "check_all", "require", "copy_out", "fetch")


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    registry = holdfast.open(tmp_path / "store", by="ann")
    for number in range(3):
        path = tmp_path / f"model{number}.pkl"
        path.write_bytes(pickle.dumps({"weights": number}))
        registry.register("iris", path)
    registry.archive("iris@1.0.0")
    return registry


@pytest.fixture
def at_first_look(
    registry: Registry,  # noqa: ARG001 - made before, so that its scans are not remembered
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Callable[[], object]], None]:
    """Have something done right before the bytes of a blob are first looked at."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    def arrange(deed: Callable[[], object]) -> None:
        waiting, turn = [deed], threading.RLock()

        def before(original: Callable[..., Any]) -> Callable[..., Any]:
            def call(*given: Any, **named: Any) -> Any:
                with turn:
                    while waiting:
                        waiting.pop()()
                return original(*given, **named)

            return call

        for name in METHODS:
            monkeypatch.setattr(Blobs, name, before(getattr(Blobs, name)))

    return arrange


def purge(store: Path) -> None:
    holdfast.open(store, by="bob").purge("iris", versions=["1.0.0"], grace_s=0)


@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_a_version_that_is_purged_meanwhile_is_told_as_purged(
    registry: Registry,
    tmp_path: Path,
    deed: Deed,
    at_first_look: Callable[[Callable[[], object]], None],
) -> None:
    at_first_look(lambda: purge(tmp_path / "store"))

    with pytest.raises(ConflictError, match=r"iris@1\.0\.0 was purged, so its bytes are gone"):
        deed(registry, tmp_path)


@pytest.mark.parametrize("deed", ["load", "paths", "checkout", "export"])
def test_what_is_missing_without_a_purge_is_damage(
    registry: Registry,
    tmp_path: Path,
    deed: str,
    at_first_look: Callable[[Callable[[], object]], None],
) -> None:
    blob = registry.manifest("iris@1.0.0").files[0].sha256
    at_first_look((tmp_path / "store" / "blobs" / "sha256" / blob).unlink)

    with pytest.raises(DamagedError, match="missing"):
        DEEDS[deed](registry, tmp_path)


@pytest.mark.parametrize("target", [None, "iris", "iris@1.0.0"])
def test_verify_tells_no_damage_of_what_was_purged_meanwhile(
    registry: Registry,
    tmp_path: Path,
    target: str | None,
    at_first_look: Callable[[Callable[[], object]], None],
) -> None:
    at_first_look(lambda: purge(tmp_path / "store"))

    assert registry.verify(target).damages == ()
