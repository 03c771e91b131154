"""Hostile names through every door: nothing beside the store or the target is touched."""

import contextlib
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.attacks.hostile_names import CLIMBERS, NAMES
from tests.conftest import Tally
from tests.registry import disk

import holdfast
from holdfast import HoldfastError, Registry
from holdfast.core import manifest as manifests
from holdfast.core import names
from holdfast.errors import DamagedError, InvalidInputError
from holdfast.formats.scanner.file_references import leads_outside
from holdfast.store import layout
from holdfast.store.local import LocalStore

_REFUSED = (HoldfastError, UnicodeEncodeError)


class Yard:
    """A store deep in a folder in which nothing else may change."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = root / "a" / "b" / "c" / "store"
        self.targets = root / "a" / "b" / "c" / "targets"
        self.model = root / "model.txt"
        self.targets.mkdir(parents=True)
        self.model.write_text("words")
        (root / "outside").write_text("mine")
        self.registry = holdfast.open(self.store, by="ann")
        self.registry.register("iris", self.model)
        self._before = self._around()

    def _around(self) -> dict[str, tuple[int, int, str]]:
        inside = tuple(str(path.relative_to(self.root)) for path in (self.store, self.targets))
        listing = disk.listing(self.root)
        return {
            name: about if not Path(self.root, name).is_dir() else (0, 0, "")
            for name, about in listing.items()
            if not name.startswith(inside)
        }

    def check(self) -> None:
        """Check that nothing around the store and the targets came, went or changed."""
        assert self._around() == self._before


@pytest.fixture
def yard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Yard]:
    made = Yard(tmp_path)
    (tmp_path / "a" / "b" / "c" / "work").mkdir()
    made._before = made._around()
    monkeypatch.chdir(tmp_path / "a" / "b" / "c" / "work")  # what is relative shows there
    yield made
    made.check()


def test_there_are_five_hundred_names() -> None:
    assert len(NAMES) >= 500
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("limit", [60, 80])
def test_a_name_becomes_one_plain_part_of_a_path(limit: int, tally: Tally) -> None:
    tally("hostile names: folders", len(NAMES))
    folders = [names.escape(name, limit) for name in NAMES]

    assert not [name for name in folders if len(Path(name).parts) != 1 or leads_outside(name)]
    assert not [name for name in folders if not name.isascii() or "/" in name or "\\" in name]
    assert len({name.casefold() for name in folders}) == len(NAMES)


def test_a_path_in_a_version_is_plain_or_refused(tally: Tally) -> None:
    tally("hostile names: paths in versions", len(NAMES))
    for name in NAMES:
        with contextlib.suppress(InvalidInputError, UnicodeEncodeError):
            names.check_paths([name])

            assert not leads_outside(name), name
            assert os.path.normpath(name) == name
            assert Path("store", name).resolve().is_relative_to(Path("store").resolve())


def test_a_digest_that_is_a_path_is_the_key_of_nothing(yard: Yard, tally: Tally) -> None:
    tally("hostile names: digests", len(NAMES))
    store = LocalStore(yard.store)

    assert not [name for name in NAMES if store.size(layout.blob(name)) is not None]
    assert {layout.blob(name).count("/") for name in NAMES} == {2}


def test_no_model_version_or_alias_leads_out(yard: Yard, tally: Tally) -> None:
    registry = yard.registry
    tally("hostile names: models, versions, aliases", 3 * len(CLIMBERS))
    for name in CLIMBERS:
        with contextlib.suppress(*_REFUSED):
            registry.set_policy(name, holdfast.Policy())
        with contextlib.suppress(*_REFUSED):
            registry.register("iris", yard.model, version=name)
        with contextlib.suppress(*_REFUSED):
            registry.alias("iris@1.0.0", name)

    assert registry.verify().whole
    yard.check()


def test_no_ref_leads_out(yard: Yard, tally: Tally) -> None:
    tally("hostile names: refs", 2 * len(NAMES))
    for name in NAMES:
        for ref in (name, f"iris@{name}"):
            with contextlib.suppress(*_REFUSED):
                yard.registry.paths(ref)

    yard.check()


def test_no_role_leads_out(yard: Yard, tally: Tally) -> None:
    tally("hostile names: roles", len(CLIMBERS))
    for name in CLIMBERS:
        with contextlib.suppress(*_REFUSED):
            yard.registry.register("iris", yard.model, artifacts={name: yard.model})

    roles = {
        role
        for info in yard.registry.versions("iris")
        for role in yard.registry.manifest(info.ref).artifacts
    }
    assert roles <= {"model", *(name for name in CLIMBERS if name.isascii() and name.islower())}
    assert yard.registry.verify().whole
    yard.check()


def test_no_file_of_a_folder_leads_out(yard: Yard, tally: Tally) -> None:
    made = 0
    for number, name in enumerate(NAMES):
        folder = yard.targets / f"folder-{number}"
        folder.mkdir()
        try:
            part = os.fsencode(name).replace(b"/", b"_")
            Path(os.fsdecode(os.path.join(os.fsencode(folder), part))).write_bytes(b"words")
        except (OSError, ValueError):
            continue
        made += 1
        if number % 9 == 0:
            with contextlib.suppress(*_REFUSED):
                yard.registry.register("iris", folder)
            with contextlib.suppress(*_REFUSED):
                yard.registry.adopt_plan("iris", folder)
    tally("hostile names: files of folders", made)

    assert yard.registry.verify().whole
    yard.check()


def _forged(registry: Registry, change: Any) -> bytes:
    document = json.loads(manifests.encode(registry.manifest("iris@1.0.0")))
    change(document)
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _file(document: Any) -> Any:
    return document["artifacts"]["model"]["files"][0]


_PLACES: dict[str, Any] = {
    "name": lambda d, name: d.update(name=name),
    "version": lambda d, name: d.update(version=name),
    "role": lambda d, name: d["artifacts"].update({name: d["artifacts"].pop("model")}),
    "artifact": lambda d, name: d["artifacts"]["model"].update(path=name),
    "file": lambda d, name: (
        _file(d).update(path=name), d["artifacts"]["model"].update(path=name)),
    "file in a folder": lambda d, name: (
        _file(d).update(path=f"model/{name}"), d["artifacts"]["model"].update(path="model")),
    "digest": lambda d, name: _file(d).update(sha256=name),
}  # fmt: skip


@pytest.mark.parametrize("field", _PLACES)
def test_no_stored_manifest_leads_out(yard: Yard, field: str, tally: Tally) -> None:
    """Whoever may write to a store may write manifests."""
    taken = []
    for name in NAMES:
        raw = _forged(yard.registry, lambda d, name=name: _PLACES[field](d, name))
        with contextlib.suppress(DamagedError):
            taken.append(manifests.decode(raw, "0" * 64))
    tally("hostile names: stored manifests", len(NAMES))

    for manifest in taken:
        assert not [file.path for file in manifest.files if leads_outside(file.path)]
        assert all(manifests.is_digest(file.sha256) for file in manifest.files)
        assert not any(leads_outside(role) for role in manifest.artifacts)
        assert not leads_outside(manifest.version)


def test_a_store_whose_manifest_names_other_places_is_damaged_and_touches_none(
    yard: Yard, tally: Tally
) -> None:
    """Plant a whole version, its entry and its manifest in order, whose file is outside."""
    entry = yard.store / layout.numbered(layout.journal(layout.model("iris")), 1)
    document = json.loads(entry.read_bytes())
    tries = [name for name in CLIMBERS if leads_outside(name) and "\ud800" not in name][::4]
    tally("hostile names: planted versions", len(tries))
    for number, name in enumerate(tries):
        raw = _forged(yard.registry, lambda d, name=name: _PLACES["file"](d, name))
        digest = hashlib.sha256(raw).hexdigest()
        planted = disk.copy(yard.store, yard.targets / f"store-{number}")
        (planted / layout.blob(digest)).write_bytes(raw)
        forged = document | {"data": document["data"] | {"manifest": digest}}
        disk.overwrite(
            planted / entry.relative_to(yard.store),
            disk.sealed(json.dumps(forged, separators=(",", ":")).encode() + b"\n"),
        )
        (planted / layout.pointer("iris")).unlink()
        registry = holdfast.open(planted, by="zoe")
        target = yard.targets / f"target-{number}"
        with pytest.raises(HoldfastError):
            registry.load("iris@1.0.0")
        with pytest.raises(HoldfastError):
            registry.paths("iris@1.0.0")
        with pytest.raises(HoldfastError):
            registry.checkout("iris@1.0.0", target)
        with contextlib.suppress(HoldfastError):
            registry.repair("iris")

        assert not registry.verify().whole
        assert not target.exists()

    yard.check()


def test_no_member_of_a_bundle_leads_out(yard: Yard, tally: Tally) -> None:
    bundle = yard.targets / "iris.tar"
    yard.registry.export("iris@1.0.0", bundle)
    tally("hostile names: members of bundles", len(NAMES))
    for name in NAMES:
        with contextlib.suppress(ValueError, UnicodeEncodeError):
            _with_member(bundle, yard.targets / "lying.tar", name)
            with pytest.raises(HoldfastError):
                holdfast.open(yard.store).import_(yard.targets / "lying.tar")

    yard.check()


def _with_member(bundle: Path, target: Path, name: str) -> None:
    with tarfile.open(bundle) as tar, tarfile.open(target, "w") as lying:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            data = content.read()
            if member.name == "SHA256SUMS":
                data += f"{hashlib.sha256(b'evil').hexdigest()}  {name}\n".encode()
                member.size = len(data)
            lying.addfile(member, io.BytesIO(data))
        planted = tarfile.TarInfo(name)
        planted.size = 4
        lying.addfile(planted, io.BytesIO(b"evil"))
