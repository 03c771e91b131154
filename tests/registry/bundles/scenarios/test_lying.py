"""Bundles that are damaged or lie: refused, no journal and nothing beside the store written."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Extent
from tests.registry import disk, hostile
from tests.registry.bundles import forging
from tests.registry.bundles.forging import Members
from tests.registry.conftest import Clock

import holdfast
from holdfast import HoldfastError, Policy, Registry
from holdfast.core.history import Imported
from holdfast.errors import DamagedError, NewerFormatError, RefusedError, UntrustedError


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two sound bundles, of a whole model and of one version."""
    root = tmp_path_factory.mktemp("sound")
    registry = holdfast.open(root / "store", by="ann", clock=Clock())
    for content in ("one", "two"):
        (root / "model.txt").write_text(content)
        registry.register("iris", root / "model.txt", metrics={"auc": 0.5})
    registry.promote("iris@1.0.0")
    registry.promote("iris@1.1.0")
    registry.rollback("iris")
    registry.export("iris", root / "model.tar")
    registry.export("iris@1.0.0", root / "version.tar")
    return root


class Target:
    """A store with a model of its own, in a folder in which nothing else may change."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "deep" / "down" / "store"
        (folder / "mine.txt").write_text("mine")
        registry = self.open()
        registry.register("rose", folder / "mine.txt")
        registry.set_policy("rose", Policy(allowed_globals=("os.*",)), reason="ours")
        self._journals = disk.journals(self.store)
        self._around = self._look_around()

    def open(self) -> Registry:
        """Open the store as a new process would."""
        return holdfast.open(self.store, by="zoe", clock=Clock())

    def _look_around(self) -> dict[str, tuple[int, int, str]]:
        return {
            key: about
            for key, about in disk.listing(self.folder).items()
            if not key.startswith("deep") and not key.endswith(".tar")
        }

    def check_untouched(self) -> None:
        """Check that the store is as before but for bytes that nobody names, and works."""
        assert disk.journals(self.store) == self._journals
        assert self._look_around() == self._around
        beside = sorted(path.name for path in self.store.parent.iterdir())
        assert beside == ["store"]
        registry = self.open()
        assert [info.model for info in registry.models()] == ["rose"]
        assert registry.verify().whole
        registry.gc(grace_s=0)
        assert len(list(disk.files(self.store / "blobs"))) == 2
        assert disk.leftovers(self.store) == []


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """Return a store to import into."""
    (tmp_path / "deep" / "down").mkdir(parents=True)
    return Target(tmp_path)


def refused(target: Target, bundle: Path, *errors: type[HoldfastError]) -> HoldfastError:
    """Import a bundle, which must be refused in our words and leave everything as it was."""
    with pytest.raises(errors or HoldfastError) as caught:
        target.open().import_(bundle)
    target.check_untouched()
    error: HoldfastError = caught.value
    return error


def file_of(document: Any) -> Any:
    return document["artifacts"]["model"]["files"][0]


LIES: dict[str, Callable[[Any], object]] = {
    "of another model": lambda d: d.update(name="rose"),
    "of no model's name": lambda d: d.update(name="../iris"),
    "of another version": lambda d: d.update(version="7.0.0"),
    "of a version that is a path": lambda d: d.update(version="../../../../out"),
    "of a version that is an absolute path": lambda d: d.update(version="/TMP/outside"),
    "a role that is a path": lambda d: d["artifacts"].update(
        {"../../../../../out": d["artifacts"].pop("model")}
    ),
    "a role that is an absolute path": lambda d: d["artifacts"].update(
        {"/TMP/outside": d["artifacts"].pop("model")}
    ),
    "an artifact whose path leaves": lambda d: d["artifacts"]["model"].update(
        path="../../../../../mine.txt"
    ),
    "an artifact whose path is absolute": lambda d: d["artifacts"]["model"].update(
        path="/TMP/outside"
    ),
    "an artifact that is another file": lambda d: d["artifacts"]["model"].update(
        path="/TMP/mine.txt"
    ),
    "an artifact that is not among its files": lambda d: d["artifacts"]["model"].update(
        path="other.txt"
    ),
    "an artifact without files": lambda d: d["artifacts"]["model"].update(files=[]),
    "a file whose path leaves": lambda d: file_of(d).update(path="../../../../../out.txt"),
    "a file whose path is absolute": lambda d: file_of(d).update(path="/TMP/outside"),
    "a file with a backslash": lambda d: file_of(d).update(path="..\\out.txt"),
    "a file that is a device": lambda d: file_of(d).update(path="con.txt"),
    "a file in the manifest's place": lambda d: (
        file_of(d).update(path="manifest.json"),
        d["artifacts"]["model"].update(path="manifest.json"),
    ),
    "a digest that is a path": lambda d: file_of(d).update(sha256="../../holdfast.json"),
    "a digest that is not in the bundle": lambda d: file_of(d).update(sha256="0" * 64),
    "a digest in capitals": lambda d: file_of(d).update(sha256=file_of(d)["sha256"].upper()),
    "a size that is not true": lambda d: file_of(d).update(size_bytes=10**6),
    "metrics that are no numbers": lambda d: d.update(metrics={"auc": "high"}),
    "a newer format": lambda d: d.update(format=2),
    "no files at all": lambda d: d.pop("artifacts"),
}


@pytest.mark.parametrize("change", LIES.values(), ids=LIES.keys())
@pytest.mark.parametrize("kind", ["model", "version"])
def test_a_bundle_whose_manifest_lies_is_refused(
    sound: Path, target: Target, tmp_path: Path, kind: str, change: Callable[[Any], object]
) -> None:
    def lie(document: Any) -> None:
        change(document)
        text = json.dumps(document).replace("/TMP", str(tmp_path))
        document.clear()
        document |= json.loads(text)

    members = forging.taken_apart(sound / f"{kind}.tar")
    forging.manifest(members, lie)

    refused(target, forging.put_together(tmp_path / "lying.tar", members))


def test_a_version_that_is_a_path_in_the_index_too_is_refused(
    sound: Path, target: Target, tmp_path: Path
) -> None:
    for version in ("../../../../../out", str(tmp_path / "out"), "1.0", "v1.0.0"):
        members = forging.taken_apart(sound / "version.tar")
        forging.manifest(members, lambda d, version=version: d.update(version=version))  # type: ignore[misc]
        forging.index(members, version=version)

        refused(target, forging.put_together(tmp_path / f"{len(version)}.tar", members))

    assert not (tmp_path / "out").exists()


INDEX_LIES: dict[str, dict[str, object]] = {
    "a newer format": {"format": 2},
    "another kind": {"kind": "teleport"},
    "another model": {"model": "rose"},
    "no model's name": {"model": "../iris"},
    "another head": {"head": "0" * 64},
    "no head": {"head": None},
    "another manifest": {"manifest": "0" * 64},
    "a manifest that is a path": {"manifest": "../../holdfast.json"},
    "another version": {"version": "7.0.0"},
    "a history of nonsense": {"history": [1, 2]},
}


@pytest.mark.parametrize("changed", INDEX_LIES.values(), ids=INDEX_LIES.keys())
def test_a_bundle_whose_index_lies_is_refused(
    sound: Path, target: Target, tmp_path: Path, changed: dict[str, object]
) -> None:
    field = next(iter(changed))
    kind = "model" if field == "head" else "version"
    members = forging.taken_apart(sound / f"{kind}.tar")
    forging.index(members, **changed)

    error = refused(target, forging.put_together(tmp_path / "lying.tar", members))

    assert isinstance(error, NewerFormatError) == (field == "format")


def _nth(seq: int, **changed: object) -> Callable[[Any], object]:
    def change(entry: Any) -> None:
        if entry["seq"] == seq:
            entry["data"] |= changed

    return change


ENTRY_LIES: dict[str, Callable[[Any], object]] = {
    "a version that is none": _nth(1, version="one"),
    "a version that is a path": _nth(1, version="../../../../out"),
    "a version twice": _nth(2, version="1.0.0"),
    "another version than its manifest": _nth(2, version="3.0.0"),
    "a number out of turn": _nth(2, number=7),
    "a size that is not the manifest's": _nth(1, size_bytes=10**9),
    "metrics that are not the manifest's": _nth(1, metrics={"auc": 0.99}),
    "schemas that are not the manifest's": _nth(1, schemas=["input_schema"]),
    "a manifest that is a path": _nth(1, manifest="../../holdfast.json"),
    "a manifest that is not there": _nth(1, manifest="0" * 64),
    "the manifest of another version": lambda entry: entry["data"].pop("manifest", None),
    "a promotion of nothing": _nth(3, version="9.0.0"),
    "a promotion from nothing": _nth(3, was="9.0.0"),
    "a rollback to nothing": _nth(5, version="9.0.0"),
    "a rollback of what was not live": _nth(5, was="9.0.0"),
    "an operation nobody knows": lambda entry: entry.update(op="teleported"),
    "a newer format": lambda entry: entry.update(v=2),
    "an entry of another model": lambda entry: entry.update(model="rose"),
    "an author who is none": lambda entry: entry.update(by=None),
    "a time that is none": lambda entry: entry.update(at="yesterday"),
}


@pytest.mark.parametrize("change", ENTRY_LIES.values(), ids=ENTRY_LIES.keys())
def test_a_bundle_whose_journal_lies_is_refused(
    sound: Path, target: Target, tmp_path: Path, change: Callable[[Any], object]
) -> None:
    members = forging.taken_apart(sound / "model.tar")
    forging.entries(members, change)

    refused(target, forging.put_together(tmp_path / "lying.tar", members))


@pytest.mark.parametrize(
    "order", [(5, 4, 3, 2, 1), (1, 2, 4, 3, 5), (3, 1, 2, 4, 5), (2,), (1, 1, 2, 3, 4, 5)], ids=str
)
def test_a_journal_in_another_order_is_refused(
    sound: Path, target: Target, tmp_path: Path, order: tuple[int, ...]
) -> None:
    members = forging.taken_apart(sound / "model.tar")
    raws = [members.pop(name) for name in forging.journal(members)]
    for position, seq in enumerate(order, start=1):
        members[f"journal/{position:010}.json"] = raws[seq - 1]

    refused(target, forging.put_together(tmp_path / "lying.tar", members), DamagedError)


@pytest.mark.parametrize("seq", [1, 2, 3, 4, 5])
def test_a_journal_with_a_gap_or_a_lost_end_is_refused(
    sound: Path, target: Target, tmp_path: Path, seq: int
) -> None:
    members = forging.taken_apart(sound / "model.tar")
    del members[f"journal/{seq:010}.json"]

    refused(target, forging.put_together(tmp_path / "lying.tar", members), DamagedError)


@pytest.mark.parametrize(
    "ops", [["rolled_back"], ["promoted"], ["staged"], ["purged"], ["noted"], []]
)
def test_a_journal_that_begins_with_another_deed_than_a_registration_is_refused(
    sound: Path, target: Target, tmp_path: Path, ops: list[str]
) -> None:
    members = forging.taken_apart(sound / "model.tar")
    documents = [json.loads(members.pop(name)) for name in forging.journal(members)]
    data: dict[str, Any] = {
        "rolled_back": {"version": "1.0.0", "was": "1.1.0", "undoes": 1},
        "promoted": {"version": "1.0.0", "was": None},
        "staged": {"version": "1.0.0", "was": None},
        "purged": {"reasons": {"1.0.0": "old"}},
        "noted": {"version": "1.0.0", "text": "seen"},
    }
    forging.chain(members, [documents[0] | {"op": op, "data": data[op]} for op in ops])

    refused(target, forging.put_together(tmp_path / "lying.tar", members))


@pytest.mark.parametrize("kind", ["model", "version"])
def test_a_bundle_that_lacks_any_member_is_refused(
    sound: Path, target: Target, tmp_path: Path, kind: str
) -> None:
    whole = forging.taken_apart(sound / f"{kind}.tar")

    for index, name in enumerate(whole):
        members = {key: data for key, data in whole.items() if key != name}
        refused(target, forging.put_together(tmp_path / f"{index}.tar", members))


def test_a_bundle_that_lacks_the_manifest_of_a_purged_version_is_refused(
    sound: Path, target: Target, tmp_path: Path
) -> None:
    source = holdfast.open(disk.copy(sound / "store", tmp_path / "deep" / "source"), clock=Clock())
    source.purge("iris", keep=0, rollback_target="purged", grace_s=0)
    purged = source.resolve("iris@1.1.0")
    source.export("iris", tmp_path / "sound.tar")
    members = forging.taken_apart(tmp_path / "sound.tar")
    del members[f"blobs/{purged.digest.replace(':', '/')}"]
    disk.remove(tmp_path / "deep" / "source")

    assert purged.status == "purged"
    with pytest.raises(HoldfastError):
        target.open().import_(forging.put_together(tmp_path / "lying.tar", members))
    assert [info.model for info in target.open().models()] == ["rose"]
    assert target.open().verify().whole


def test_members_under_false_names_are_refused(sound: Path, target: Target, tmp_path: Path) -> None:
    names = [
        "../out.txt",
        str(tmp_path / "out.txt"),
        "blobs/sha256/../../../out",
        "blobs/sha256/" + "0" * 64,
        "blobs/sha256/short",
        "models/iris/journal/0000000001.json",
        "holdfast.json",
        "journal/1.json",
        "./bundle.json",
        "SHA256SUMS",
        "README.md",
    ]
    for index, name in enumerate(names):
        members = forging.taken_apart(sound / "version.tar")
        members[name] = b"planted"
        refused(target, forging.put_together(tmp_path / f"{index}.tar", members), DamagedError)


def member(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type = kind
    made.linkname = link
    return made


LINKS: dict[str, tarfile.TarInfo] = {
    "symbolic link": member("NAME", tarfile.SYMTYPE, "/etc/passwd"),
    "hard link": member("NAME", tarfile.LNKTYPE, "bundle.json"),
    "folder": member("NAME", tarfile.DIRTYPE),
    "pipe": member("NAME", tarfile.FIFOTYPE),
    "device": member("NAME", tarfile.CHRTYPE),
}


@pytest.mark.parametrize("made", LINKS.values(), ids=LINKS.keys())
@pytest.mark.parametrize("listed", [True, False])
def test_a_bundle_that_carries_anything_but_plain_files_is_refused(
    sound: Path, target: Target, tmp_path: Path, made: tarfile.TarInfo, *, listed: bool
) -> None:
    members = forging.taken_apart(sound / "version.tar")
    name = next(name for name in members if name.startswith("blobs/")) if listed else "link"
    special = member(name, made.type, made.linkname)
    parts: list[tuple[str | tarfile.TarInfo, bytes]] = [("SHA256SUMS", forging.sums(members))]
    parts += [(special, b"") if key == name else (key, data) for key, data in members.items()]
    if not listed:
        parts.append((special, b""))

    refused(target, forging.written(tmp_path / "lying.tar", parts), DamagedError)


def test_a_sparse_member_that_claims_more_than_the_file_holds_is_refused(
    sound: Path, target: Target, tmp_path: Path
) -> None:
    size = 256 << 20
    digest = _digest_of_zeros(size)
    members = forging.taken_apart(sound / "version.tar")
    sums = forging.sums(members) + f"{digest}  blobs/sha256/{digest}\n".encode()
    sparse = tarfile.TarInfo(f"blobs/sha256/{digest}")
    sparse.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.size": str(size),
        "GNU.sparse.numblocks": "1",
        "GNU.sparse.map": f"{size},0",
    }
    bundle = forging.written(
        tmp_path / "lying.tar", [("SHA256SUMS", sums), *members.items(), (sparse, b"")]
    )

    assert bundle.stat().st_size < 1 << 20
    refused(target, bundle, DamagedError)


def _digest_of_zeros(size: int) -> str:
    sha256 = hashlib.sha256()
    piece = bytes(1 << 20)
    for _ in range(size >> 20):
        sha256.update(piece)
    return sha256.hexdigest()


def test_an_index_too_large_to_be_one_is_refused(
    sound: Path, target: Target, tmp_path: Path
) -> None:
    members = forging.taken_apart(sound / "version.tar")
    del members["bundle.json"]
    head = forging.written(
        tmp_path / "head.tar",
        [("SHA256SUMS", b"0" * 64 + b"  bundle.json\n" + forging.sums(members))],
    )
    large = tarfile.TarInfo("bundle.json")
    large.size = 65 << 20
    raw = head.read_bytes().rstrip(b"\0")
    raw += bytes(-len(raw) % 512) + large.tobuf(tarfile.PAX_FORMAT) + b"{" * 4096
    (tmp_path / "lying.tar").write_bytes(raw)
    head.unlink()

    refused(target, tmp_path / "lying.tar", DamagedError)


@pytest.mark.parametrize("shape", ["sums last", "no sums", "sums twice", "member twice"])
def test_a_bundle_in_another_shape_is_refused(
    sound: Path, target: Target, tmp_path: Path, shape: str
) -> None:
    members = forging.taken_apart(sound / "version.tar")
    sums = ("SHA256SUMS", forging.sums(members))
    parts = {
        "sums last": [*members.items(), sums],
        "no sums": [*members.items()],
        "sums twice": [sums, *members.items(), sums],
        "member twice": [sums, *members.items(), list(members.items())[-1]],
    }[shape]

    refused(target, forging.written(tmp_path / "lying.tar", parts), DamagedError)


SUMS: dict[str, Callable[[bytes], bytes]] = {
    "a wrong sum": lambda raw: (b"1" if raw[:1] == b"0" else b"0") + raw[1:],
    "a line twice": lambda raw: raw + raw.splitlines(keepends=True)[0],
    "a line too few": lambda raw: b"".join(raw.splitlines(keepends=True)[1:]),
    "a member that is not there": lambda raw: (
        raw + b"0" * 64 + b"  blobs/sha256/" + b"0" * 64 + b"\n"
    ),
    "nonsense": lambda _raw: b"\xff\xfe nonsense\n",
    "nothing": lambda _raw: b"",
    "sums in capitals": bytes.upper,
}


@pytest.mark.parametrize("change", SUMS.values(), ids=SUMS.keys())
def test_a_bundle_whose_sums_are_wrong_is_refused(
    sound: Path, target: Target, tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    members = forging.taken_apart(sound / "model.tar")
    sums = change(forging.sums(members))

    bundle = forging.written(tmp_path / "lying.tar", [("SHA256SUMS", sums), *members.items()])

    refused(target, bundle, DamagedError)


def test_what_a_bundle_has_for_people_is_not_believed(sound: Path, tmp_path: Path) -> None:
    members = forging.everything(sound / "version.tar")
    del members["SHA256SUMS"]
    honest = members["iris-1.0.0/card.json"]
    members["iris-1.0.0/card.json"] = honest.replace(b"0.5", b"0.9")
    members["iris-1.0.0/model/manifest.json"] = b"{}"
    members["iris-1.0.0/model/model.txt"] = b"evil"
    members["rose-9.9.9/model/deep/model.pkl"] = b"evil"
    registry = holdfast.open(tmp_path / "store", by="zoe", clock=Clock())

    registry.import_(forging.put_together(tmp_path / "lying.tar", members))

    assert registry.resolve("iris@1.0.0").metrics == {"auc": 0.5}
    assert [info.model for info in registry.models()] == ["iris"]
    assert b"evil" not in {path.read_bytes() for path in disk.files(tmp_path / "store")}
    assert registry.verify().whole


@pytest.mark.parametrize(
    "name",
    [
        "iris-1.0.0/README.md",
        "iris-1.0.0/model",
        "iris-1.0.0/model/",
        "iris-1.0.0/model//model.txt",
        "iris-1.0.0/model/../../../out.txt",
        "../card.md",
        "./card.md",
        "/card.md",
        "/iris-1.0.0/card.md",
        "iris/1.0.0/card.md",
        "card.md",
    ],
)
def test_nothing_for_people_stands_elsewhere(
    sound: Path, target: Target, tmp_path: Path, name: str
) -> None:
    members = forging.taken_apart(sound / "version.tar")
    members[name] = b"planted"

    refused(target, forging.put_together(tmp_path / "lying.tar", members), DamagedError)


@pytest.mark.parametrize(
    ("kind", "link"),
    [
        (tarfile.LNKTYPE, "blobs/sha256/" + "0" * 64),
        (tarfile.LNKTYPE, "bundle.json"),
        (tarfile.LNKTYPE, "../../../etc/passwd"),
        (tarfile.SYMTYPE, "BLOB"),
        (tarfile.DIRTYPE, ""),
        (tarfile.FIFOTYPE, ""),
    ],
)
def test_a_link_for_people_leads_to_the_blob_that_the_list_says(
    sound: Path, target: Target, tmp_path: Path, kind: bytes, link: str
) -> None:
    members = forging.taken_apart(sound / "version.tar")
    blob = next(name for name in members if name.startswith("blobs/"))
    name = "iris-1.0.0/model/model.txt"
    sums = forging.sums(members) + f"{blob.rpartition('/')[2]}  {name}\n".encode()
    parts: list[tuple[str | tarfile.TarInfo, bytes]] = [("SHA256SUMS", sums), *members.items()]
    parts.append((member(name, kind, link or blob), b""))

    refused(target, forging.written(tmp_path / "lying.tar", parts), DamagedError)


def test_a_changed_card_is_a_damaged_bundle(sound: Path, target: Target, tmp_path: Path) -> None:
    members = forging.everything(sound / "version.tar")
    members["iris-1.0.0/card.md"] += b"changed"

    refused(target, forging.written(tmp_path / "lying.tar", members.items()), DamagedError)


def test_a_packed_bundle_is_refused(sound: Path, target: Target, tmp_path: Path) -> None:
    (tmp_path / "packed.tar").write_bytes(
        gzip.compress((sound / "model.tar").read_bytes(), mtime=0)
    )

    refused(target, tmp_path / "packed.tar", DamagedError)


@pytest.mark.parametrize("kind", ["model", "version"])
def test_a_bundle_cut_anywhere_is_refused(
    sound: Path, target: Target, tmp_path: Path, kind: str
) -> None:
    raw = (sound / f"{kind}.tar").read_bytes()
    ends = len(raw.rstrip(b"\0"))
    path = tmp_path / "cut.tar"
    registry = target.open()

    for length in {*range(0, ends, 512), *range(100, ends, 1900), ends - 1}:
        path.write_bytes(raw[:length])
        with pytest.raises(HoldfastError):
            registry.import_(path)

    target.check_untouched()


@pytest.mark.parametrize("kind", ["model", "version"])
def test_a_bundle_with_a_bit_changed_anywhere_is_refused_or_just_as_good(
    sound: Path, target: Target, tmp_path: Path, extent: Extent, kind: str
) -> None:
    raw = (sound / f"{kind}.tar").read_bytes()
    path = tmp_path / "changed.tar"
    refusals = 0
    tries = list(range(0, len(raw.rstrip(b"\0")), 61 if extent == "whole" else 307))
    for index, offset in enumerate(tries):
        changed = bytearray(raw)
        changed[offset] ^= 1 << index % 8
        path.write_bytes(changed)
        copied = disk.copy(target.store, tmp_path / f"store-{index}")
        registry = holdfast.open(copied, by="zoe", clock=Clock())
        try:
            registry.import_(path)
        except HoldfastError:
            refusals += 1
            assert [info.model for info in registry.models()] == ["rose"]
        else:
            assert registry.load("iris@1.0.0").model.read_text() == "one"
            assert registry.verify().whole
        disk.remove(copied)

    assert refusals > len(tries) / 2


def pickled(tmp_path: Path, *, honest: bool, ref: str = "iris@1.0.0") -> Path:
    """Return the bundle of a version whose pickle runs code; a liar's manifest says it does not."""
    registry = holdfast.open(tmp_path / "deep" / "evil", by="eve", clock=Clock())
    path = tmp_path / "deep" / "model.pkl"
    path.write_bytes(hostile.payload(tmp_path / "ran"))
    registry.register("iris", path, trust="mine")
    registry.export(ref, tmp_path / "evil.tar")
    members = forging.taken_apart(tmp_path / "evil.tar")
    if not honest:
        forging.manifest(
            members,
            lambda d: d.update(
                scan={
                    "model": {"kind": "text", "executes_code": False, "globals": [], "unknown": []}
                }
            ),
        )
    (tmp_path / "evil.tar").unlink()
    disk.remove(tmp_path / "deep" / "evil")
    path.unlink()
    return forging.put_together(tmp_path / "evil.tar", members)


@pytest.mark.parametrize("honest", [True, False])
def test_a_pickle_that_runs_code_is_judged_whatever_its_manifest_says(
    target: Target, tmp_path: Path, *, honest: bool
) -> None:
    bundle = pickled(tmp_path, honest=honest)

    refused(target, bundle, UntrustedError)

    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("honest", [True, False])
def test_what_is_trusted_on_import_still_needs_a_second_person_to_go_live(
    target: Target, tmp_path: Path, *, honest: bool
) -> None:
    registry = target.open()
    registry.import_(pickled(tmp_path, honest=honest), trust="reviewed by Zoe")

    with pytest.raises(RefusedError, match="second person"):
        registry.promote("iris@1.0.0")

    assert "reviewed by Zoe" in str(disk.journals(target.store))
    assert not (tmp_path / "ran").exists()


def test_the_reason_to_trust_a_whole_model_is_recorded(target: Target, tmp_path: Path) -> None:
    evil = holdfast.open(tmp_path / "deep" / "evil", by="eve", clock=Clock())
    path = tmp_path / "model.pkl"
    path.write_bytes(hostile.payload(tmp_path / "ran"))
    evil.register("iris", path, trust="mine")
    evil.export("iris", tmp_path / "evil.tar")
    registry = target.open()

    registry.import_(tmp_path / "evil.tar", trust="reviewed by Zoe")

    assert any("reviewed by Zoe" in str(past) for past in registry.history("iris"))


@pytest.mark.parametrize("honest", [True, False])
def test_a_whole_model_that_is_trusted_needs_a_second_person_too(
    target: Target, tmp_path: Path, *, honest: bool
) -> None:
    bundle = pickled(tmp_path, honest=honest, ref="iris")
    registry = target.open()

    first = registry.import_(bundle, trust="reviewed by Zoe", reason="from Eve")
    again = registry.import_(bundle, trust="reviewed by Zoe")

    events = [(past.op, past.by, past.reason) for past in registry.history("iris")]
    assert events == [("registered", "eve", None), ("trusted", "zoe", "from Eve")]
    assert (first.created, again.created) == (True, False)
    with pytest.raises(RefusedError, match="second person"):
        target.open().promote("iris@1.0.0")


def test_a_model_that_is_gone_meanwhile_is_not_trusted_again(
    target: Target, tmp_path: Path
) -> None:
    bundle = pickled(tmp_path, honest=True, ref="iris")
    registry = target.open()
    registry.import_(bundle, trust="reviewed by Zoe")
    registry.delete("iris", reason="out of use")

    again = registry.import_(bundle, trust="reviewed by Zoe")

    assert not again.created
    assert [past.op for past in registry.history("iris")] == ["registered", "trusted", "deleted"]


def test_an_allow_list_of_another_model_does_not_let_a_pickle_in(
    target: Target, tmp_path: Path
) -> None:
    members = forging.taken_apart(pickled(tmp_path, honest=True))
    forging.manifest(members, lambda d: d.update(name="rose"))

    refused(target, forging.put_together(tmp_path / "lying.tar", members))

    assert not (tmp_path / "ran").exists()


def test_a_policy_in_the_bundle_does_not_let_its_own_pickle_in(
    target: Target, tmp_path: Path
) -> None:
    evil = holdfast.open(tmp_path / "deep" / "evil", by="eve", clock=Clock())
    path = tmp_path / "deep" / "model.pkl"
    path.write_bytes(hostile.payload(tmp_path / "ran"))
    evil.set_policy("iris", Policy(allowed_globals=("os.*",), clean_scan=False), reason="x")
    evil.register("iris", path, trust="mine")
    evil.promote("iris@1.0.0", force=True, reason="mine")
    evil.export("iris", tmp_path / "evil.tar")
    disk.remove(tmp_path / "deep" / "evil")
    path.unlink()

    refused(target, tmp_path / "evil.tar", UntrustedError)

    assert not (tmp_path / "ran").exists()


def test_a_bundle_too_deep_to_read_is_refused(sound: Path, target: Target, tmp_path: Path) -> None:
    members: Members = forging.taken_apart(sound / "version.tar")
    members["bundle.json"] = b'{"format":1,"history":' + b"[" * 100_000 + b"]" * 100_000 + b"}"

    refused(target, forging.put_together(tmp_path / "deep.tar", members))


INDEXES: dict[str, dict[str, object]] = {
    "a registry that has no id": {"registry": "not an id"},
    "an id in capitals": {"registry": "A" * 32},
    "no head": {"head": ""},
    "a head that is text": {"head": "head"},
}


@pytest.mark.parametrize("kind", ["model.tar", "version.tar"])
@pytest.mark.parametrize("changed", INDEXES.values(), ids=INDEXES)
def test_an_index_that_names_no_registry_or_head_is_refused(
    sound: Path, target: Target, tmp_path: Path, kind: str, changed: dict[str, object]
) -> None:
    members = forging.taken_apart(sound / kind)
    forging.index(members, **changed)

    error = refused(target, forging.put_together(tmp_path / "forged.tar", members), DamagedError)
    assert "bundle.json" in str(error)


HISTORIES: dict[str, Callable[[list[Any]], object]] = {
    "out of order": lambda lines: lines.reverse(),
    "a line twice": lambda lines: lines.append(lines[-1]),
    "at no time": lambda lines: lines[0].update(at="9999-12-31T23:59:59.999999-05:00"),
    "a line before all": lambda lines: lines[0].update(seq=0),
}


@pytest.mark.parametrize("change", HISTORIES.values(), ids=HISTORIES)
def test_a_history_that_no_journal_tells_is_refused(
    sound: Path, target: Target, tmp_path: Path, change: Callable[[list[Any]], object]
) -> None:
    members = forging.taken_apart(sound / "version.tar")
    lines = json.loads(members["bundle.json"])["history"]
    change(lines)
    forging.index(members, history=lines)

    refused(target, forging.put_together(tmp_path / "forged.tar", members), DamagedError)


def test_who_signed_elsewhere_is_not_believed(sound: Path, target: Target, tmp_path: Path) -> None:
    members = forging.taken_apart(sound / "version.tar")
    lines = json.loads(members["bundle.json"])["history"]
    for line in lines:
        line.update(by="ann", signer="ann", key="0" * 64)
    forging.index(members, history=lines)
    registry = target.open()

    registry.import_(forging.put_together(tmp_path / "forged.tar", members))

    (past,) = registry.history("iris")
    assert isinstance(past, Imported)
    assert [line.by for line in past.elsewhere] == ["ann"] * len(lines)
    assert {(line.signer, line.key) for line in past.elsewhere} == {(None, None)}


def _with_another_behind(_: Members, sound: Path, target: Path) -> Path:
    target.write_bytes((sound / "version.tar").read_bytes() + (sound / "model.tar").read_bytes())
    return target


def _without_an_end_before_another(_: Members, sound: Path, target: Path) -> Path:
    first = (sound / "version.tar").read_bytes().rstrip(b"\0")
    first += bytes(-len(first) % 512)
    target.write_bytes(first + (sound / "model.tar").read_bytes())
    return target


def _renamed_by_a_header(members: Members, _: Path, target: Path) -> Path:
    """Let each member's extended header give it the name that the sums want."""
    written: list[tuple[str | tarfile.TarInfo, bytes]] = [("SHA256SUMS", forging.sums(members))]
    for number, (name, data) in enumerate(members.items()):
        member, _content = forging.regular(f"../../{number}.txt", data)
        member.pax_headers = {"path": name, "linkpath": "/etc/passwd", "size": str(len(data))}
        written.append((member, data))
    return forging.written(target, written)


def _named_for_all(members: Members, _: Path, target: Path) -> Path:
    forging.put_together(target, members)
    with tarfile.open(target, "r:") as tar:
        content = [(one, tar.extractfile(one).read()) for one in tar]  # type: ignore[union-attr]
    headers = {"path": "../../../../mine.txt", "uname": "root"}
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT, pax_headers=headers) as tar:
        for member, data in content:
            tar.addfile(member, io.BytesIO(data))
    return target


def _in_other_letters(members: Members, _: Path, target: Path) -> Path:
    other = {name.replace("sha256/", "sha256/\u200b"): data for name, data in members.items()}
    return forging.put_together(target, other)


def _in_capitals(members: Members, _: Path, target: Path) -> Path:
    return forging.put_together(target, {name.upper(): data for name, data in members.items()})


def _twice_by_case(members: Members, _: Path, target: Path) -> Path:
    other = {name.replace("blobs", "Blobs"): b"other" for name in members if "blobs" in name}
    return forging.put_together(target, members | other)


def _with_a_long_past(members: Members, _: Path, target: Path) -> Path:
    lines = json.loads(members["bundle.json"])["history"]
    more = [lines[-1] | {"seq": lines[-1]["seq"] + number} for number in range(1, 20_000)]
    forging.index(members, history=lines + more)
    return forging.put_together(target, members)


VARIANTS: dict[str, Callable[[Members, Path, Path], Path]] = {
    "with another behind it": _with_another_behind,
    "run into another": _without_an_end_before_another,
    "members renamed by headers": _renamed_by_a_header,
    "one header for all": _named_for_all,
    "names with letters that do not show": _in_other_letters,
    "names in capitals": _in_capitals,
    "names that differ by case": _twice_by_case,
    "a past longer than an entry": _with_a_long_past,
}


@pytest.mark.parametrize("make", VARIANTS.values(), ids=VARIANTS)
def test_a_bundle_in_disguise_is_refused_or_gives_what_the_sound_one_gives(
    sound: Path,
    target: Target,
    tmp_path: Path,
    make: Callable[[Members, Path, Path], Path],
) -> None:
    bundle = make(forging.taken_apart(sound / "version.tar"), sound, tmp_path / "forged.tar")

    try:
        target.open().import_(bundle)
    except HoldfastError:
        target.check_untouched()
        return
    registry = target.open()
    assert [one.ref for one in registry.versions("iris")] == ["iris@1.0.0"]
    there = holdfast.open(sound / "store")
    assert registry.manifest("iris@1.0.0") == there.manifest("iris@1.0.0")
    assert registry.verify().whole
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_bundle_that_says_it_is_of_this_registry_gains_nothing_by_it(
    sound: Path, target: Target, tmp_path: Path
) -> None:
    members = forging.taken_apart(sound / "version.tar")
    own = json.loads((target.store / "holdfast.json").read_bytes())["id"]
    head = hashlib.sha256(max(disk.journals(target.store).values())).hexdigest()
    forging.index(members, registry=own, head=head)
    registry = target.open()

    registry.import_(forging.put_together(tmp_path / "forged.tar", members))

    assert registry.status("iris").live is None
    (told,) = registry.history("iris")
    assert isinstance(told, Imported)
    assert told.by == "zoe"
