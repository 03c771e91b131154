"""Whether a rollback's files are there, seen by their lengths, without reading them."""

import builtins
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.servers.lossy import Lossy
from tests.servers.running import Endpoint

import holdfast
from holdfast import Registry
from holdfast.registry import ways_back as module
from holdfast.registry.seen_lengths import BELIEVED_S, SeenLengths
from holdfast.registry.ways_back import WayBack, ways_back
from holdfast.store.local import LocalStore

Text = Callable[..., Path]
_OPENING = (os, "open"), (io, "open"), (builtins, "open")


@pytest.fixture
def reads() -> Any:
    """Return what says which blobs a function opens.

    No audit hook: it would stay in the process, and there Python may switch threads while one of
    them begins to be traced, which ends that thread.
    """

    def during(function: Callable[[], object]) -> list[str]:
        names: list[str] = []

        def noting(opening: Callable[..., Any]) -> Callable[..., Any]:
            def opened(path: Any, *arguments: Any, **options: Any) -> Any:
                if "blobs" in str(path):
                    names.append(str(path))
                return opening(path, *arguments, **options)

            return opened

        with pytest.MonkeyPatch.context() as here:
            for place, name in _OPENING:
                here.setattr(place, name, noting(getattr(place, name)))
            function()
        return names

    return during


def fill(registry: Registry, text: Text, count: int = 3) -> list[str]:
    """Promote two versions of some models; return the manifests of what they would go back to."""
    for number in range(count):
        for letter in "ab":
            file = text(f"{number}{letter}" * 10, f"{number}{letter}.txt")
            registry.promote(registry.register(f"m{number}", file), reason="nightly")
    return [row.previous_digest for row in registry.matrix() if row.previous_digest]


def blob(registry: Registry, manifest: str) -> Path:
    (file,) = registry._session.open_store.blobs.manifest(manifest).files
    return Path(str(registry.location)) / "blobs" / "sha256" / file.sha256


def test_files_are_there_missing_or_of_another_length(registry: Registry, text: Text) -> None:
    first, second, third = fill(registry, text)
    blob(registry, second).unlink()
    cut = blob(registry, third)
    cut.unlink()
    cut.write_bytes(b"0")
    found = ways_back(registry._session, [first, second, third, first])
    assert found == {
        first: WayBack("there"),
        second: WayBack("damaged", f"{_name(registry, second)} is missing"),
        third: WayBack("damaged", f"{_name(registry, third)} was cut or replaced"),
    }


def _name(registry: Registry, manifest: str) -> str:
    return registry._session.open_store.blobs.manifest(manifest).files[0].path


def test_a_manifest_that_is_gone_is_told(registry: Registry, text: Text) -> None:
    (first,) = fill(registry, text, 1)
    (Path(str(registry.location)) / "blobs" / "sha256" / first).unlink()
    fresh = holdfast.open(registry.location)
    found = ways_back(fresh._session, [first])
    assert found[first] == WayBack("damaged", "its manifest cannot be read: damaged")


def test_no_file_of_a_version_is_opened_and_a_manifest_once(
    registry: Registry, text: Text, reads: Any
) -> None:
    manifests = fill(registry, text, 20)
    fresh = holdfast.open(registry.location)
    fresh.matrix()
    first = reads(lambda: ways_back(fresh._session, manifests))
    assert sorted(Path(name).name for name in first) == sorted(manifests)
    assert reads(lambda: ways_back(fresh._session, manifests)) == []


def test_more_files_than_a_page_asks_for_are_said_not_to_be_known(
    registry: Registry, text: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = fill(registry, text)
    monkeypatch.setattr(module, "MOST_FILES", 2)
    found = ways_back(registry._session, [first, second, third])
    assert [found[one].state for one in (first, second, third)] == ["there", "there", "unknown"]


def test_far_away_each_file_is_asked_for_once_a_minute(
    moto: Endpoint, lose: Callable[[Endpoint], Lossy], tmp_path: Path, text: Text
) -> None:
    relay = lose(moto)
    options = {**moto.options, "endpoint": relay.address}
    far = holdfast.open(f"s3://{moto.make_bucket()}/x", options=options, cache=tmp_path / "cache")
    manifests = fill(far, text)
    before = len(relay.log)
    assert {way.state for way in ways_back(far._session, manifests).values()} == {"there"}
    heads = [method for method, _ in relay.log[before:]]
    assert heads == ["HEAD"] * 3  # the manifests were written here
    before = len(relay.log)
    assert {way.state for way in ways_back(far._session, manifests).values()} == {"there"}
    assert relay.log[before:] == []


def test_a_length_is_believed_for_a_minute_far_away_and_never_near(tmp_path: Path) -> None:
    near = LocalStore(tmp_path)
    now = [0.0]
    lengths = SeenLengths(lambda: now[0])
    assert lengths.size(near, "a" * 64) is None
    near.create("blobs/sha256/" + "a" * 64, b"12")
    assert lengths.size(near, "a" * 64) == 2
    far = LocalStore(tmp_path)
    far.traits = replace(near.traits, is_local=False)
    assert lengths.size(far, "a" * 64) == 2
    near.delete("blobs/sha256/" + "a" * 64)
    assert lengths.size(far, "a" * 64) == 2
    now[0] = BELIEVED_S
    assert lengths.size(far, "a" * 64) is None
