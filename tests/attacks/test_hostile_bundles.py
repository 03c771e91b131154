"""Bundles that wear the importer out, bring two files of one name, or continue a signed history."""

import io
import json
import shutil
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.keys import EVE, Person
from tests.registry import disk
from tests.registry.bundles import forging
from tests.registry.bundles.forging import Members
from tests.registry.conftest import Clock

import holdfast
from holdfast import Policy, signing
from holdfast.core import entry as entries
from holdfast.core.entry import Stamp
from holdfast.core.events import AnyEvent, PolicySet, Promoted
from holdfast.errors import DamagedError

Parts = list[tuple[str | tarfile.TarInfo, bytes]]
CARD = "iris-1.0.0/card.md"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bundle of a version with two files."""
    root = tmp_path_factory.mktemp("sound")
    (root / "model").mkdir()
    for name in ("a.txt", "b.txt"):
        (root / "model" / name).write_text(name)
    registry = holdfast.open(root / "store", by="ann", clock=Clock())
    registry.register("iris", root / "model")
    registry.export("iris@1.0.0", root / "version.tar")
    return root / "version.tar"


def records(count: int) -> bytes:
    """Return so many records of an extended header, each as short as can be."""
    return b"".join(b"11 %05x=1\n" % number for number in range(count))


def beside(kind: bytes, content: bytes) -> bytes:
    """Return a header of a kind that stands before a member's own, as it is in the file."""
    header = tarfile.TarInfo("header")
    header.type, header.size = kind, len(content)
    return header.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512)


def with_a_card(members: Members, target: Path, **headers: str) -> Path:
    """Write a bundle with an empty card, of which an extended header says something."""
    card = tarfile.TarInfo(CARD)
    card.pax_headers = headers
    parts: Parts = [("SHA256SUMS", forging.sums(members | {CARD: b""})), *members.items()]
    return forging.written(target, [*parts, (card, b"")])


def _header_for_all(members: Members, target: Path) -> Path:
    forging.put_together(target, members)
    target.write_bytes(beside(tarfile.XGLTYPE, records(3000)) + target.read_bytes())
    return target


def _header_for_all_within(members: Members, target: Path) -> Path:
    sums = forging.written(target, [("SHA256SUMS", forging.sums(members))]).read_bytes()
    rest = forging.written(target, members.items()).read_bytes()
    target.write_bytes(sums[:1024] + beside(tarfile.XGLTYPE, records(3000)) + rest)
    return target


def _long_header(kind: bytes, content: bytes) -> Callable[[Members, Path], Path]:
    def write(members: Members, target: Path) -> Path:
        forging.put_together(target, members)
        target.write_bytes(beside(kind, content) + target.read_bytes())
        return target

    return write


def _back_to_the_beginning(members: Members, target: Path) -> Path:
    """Let a member's length lead back to its own header, which some readers follow for ever."""
    return with_a_card(members, target, size="-1536")


def _blob_of_negative_length(members: Members, target: Path) -> Path:
    blob = next(name for name in members if name.startswith("blobs"))
    parts: Parts = [("SHA256SUMS", forging.sums(members))]
    for name, data in members.items():
        member, _content = forging.regular(name, data)
        member.pax_headers = {"size": "-1536"} if name == blob else {}
        parts.append((member, data))
    return forging.written(target, parts)


def _map_without_end(members: Members, target: Path) -> Path:
    body = b"99999999\n" + b"1" * 503
    card = tarfile.TarInfo(CARD)
    card.size = len(body)
    names = {"major": "1", "minor": "0", "name": CARD, "realsize": "0"}
    card.pax_headers = {f"GNU.sparse.{name}": text for name, text in names.items()}
    parts: Parts = [("SHA256SUMS", forging.sums(members | {CARD: b""})), *members.items()]
    return forging.written(target, [*parts, (card, body)])


def _renamed(*names: str) -> Callable[[Members, Path], Path]:
    def write(members: Members, target: Path) -> Path:
        def rename(document: Any) -> None:
            files = document["artifacts"]["model"]["files"]
            for file, name in zip(files, names, strict=True):
                file["path"] = f"model/{name}"

        forging.manifest(members, rename)
        return forging.put_together(target, members)

    return write


HOSTILE: dict[str, Callable[[Members, Path], Path]] = {
    "a header for all members": _header_for_all,
    "a header for all that follow": _header_for_all_within,
    "a header of 20,000 records": _long_header(tarfile.XHDTYPE, records(20_000)),
    "a header of Solaris": _long_header(tarfile.SOLARIS_XHDTYPE, records(20_000)),
    "a name of 100,000 letters": _long_header(tarfile.GNUTYPE_LONGNAME, b"a" * 100_000),
    "a link of 100,000 letters": _long_header(tarfile.GNUTYPE_LONGLINK, b"a" * 100_000),
    "a length that leads back": _back_to_the_beginning,
    "a blob of negative length": _blob_of_negative_length,
    "a sparse map without end": _map_without_end,
    "two files in one place by case": _renamed("a.txt", "A.txt"),
    "two files in one place by composition": _renamed("\u00e9.txt", "e\u0301.txt"),
    "a file below a file": _renamed("a", "a/b"),
    "a file that turns its name around": _renamed("a.txt", "\u202etxt.b"),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_bundle_is_refused_and_leaves_no_model(
    sound: Path, tmp_path: Path, make: Callable[[Members, Path], Path]
) -> None:
    bundle = make(forging.taken_apart(sound), tmp_path / "hostile.tar")
    registry = holdfast.open(tmp_path / "store", by="zoe")

    with pytest.raises(DamagedError):
        registry.import_(bundle)
    assert registry.models() == []


def test_what_headers_say_is_not_held_to_the_end(sound: Path, tmp_path: Path) -> None:
    """Keep a file of megabytes from taking gigabytes of memory."""
    members = forging.taken_apart(sound)
    members |= {f"iris-1.0.0/model/{number}": b"" for number in range(16)}
    header = beside(tarfile.XHDTYPE, records(4000))
    parts = [("SHA256SUMS", forging.sums(members)), *members.items()]
    raw = b"".join(header + _plain(name, data) for name, data in parts)
    (tmp_path / "hostile.tar").write_bytes(raw + bytes(1024))
    registry = holdfast.open(tmp_path / "store", by="zoe")
    tracemalloc.start()
    try:
        registry.import_(tmp_path / "hostile.tar")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 8 << 20


def _plain(name: str, data: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        tar.addfile(forging.regular(name, data)[0], io.BytesIO(data))
    return stream.getvalue()[: 512 + len(data) + -len(data) % 512]


def continued(source: Path, event: AnyEvent, by: str, pen: Person | None) -> None:
    """Write one more entry into a journal by hand, chain and checksum right."""
    journal = source / "models" / "iris" / "journal"
    tail = max(journal.glob("0*.json"))
    seq, at = int(tail.stem) + 1, json.loads(tail.read_bytes())["at"]
    stamp = Stamp(Clock()(), by, "e" * 32, None, None, pen)
    later = entries.next_time(stamp.at, at)
    raw, _ = entries.write("iris", seq, entries.digest(tail.read_bytes()), later, stamp, event)
    (journal / f"{seq:010}.json").write_bytes(raw)


CONTINUATIONS: dict[str, tuple[AnyEvent, str, Person | None]] = {
    "unsigned": (Promoted(version="1.1.0", was="1.0.0"), "ana", None),
    "by a stranger": (Promoted(version="1.1.0", was="1.0.0"), "ana", EVE),
    "the demand taken back": (PolicySet(policy=Policy()), "ana", None),
}


@pytest.mark.parametrize("forged", CONTINUATIONS.values(), ids=CONTINUATIONS)
def test_a_bundle_does_not_continue_a_signed_history(
    tmp_path: Path, forged: tuple[AnyEvent, str, Person | None]
) -> None:
    """Bring back the journal that is here, with one entry more, put together by hand."""
    key = signing.create("ana", tmp_path / "keys")
    mine = holdfast.open(tmp_path / "mine", by="ana", clock=Clock(), signing_key=key.private)
    for content in ("one", "two"):
        (tmp_path / "model.txt").write_text(content)
        mine.register("iris", tmp_path / "model.txt")
    mine.set_policy("iris", Policy(signers={"ana": key.signer}, require_signature=True))
    mine.sign("iris@1.0.0")
    mine.promote("iris@1.0.0")
    mine.export("iris", tmp_path / "mine.tar")
    shutil.copytree(tmp_path / "mine", tmp_path / "theirs")
    continued(tmp_path / "theirs", *forged)
    members = forging.taken_apart(tmp_path / "mine.tar")
    last = max((tmp_path / "theirs/models/iris/journal").glob("0*.json"))
    members[f"journal/{last.name}"] = last.read_bytes()
    forging.index(members, head=entries.digest(last.read_bytes()))
    before = disk.journals(tmp_path / "mine")

    with pytest.raises(DamagedError, match="entry 6 of iris"):
        mine.import_(forging.put_together(tmp_path / "continued.tar", members))
    live = holdfast.open(tmp_path / "mine").status("iris").live
    assert live is not None
    assert live.version == "1.0.0"
    assert disk.journals(tmp_path / "mine") == before


def test_the_honest_bundle_is_taken(sound: Path, tmp_path: Path) -> None:
    """Keep the tests above honest: put together in the same way, with a short header."""
    registry = holdfast.open(tmp_path / "store", by="zoe")
    bundle = with_a_card(forging.taken_apart(sound), tmp_path / "card.tar", comment="hello")

    registry.import_(bundle)

    assert [info.ref for info in registry.versions("iris")] == ["iris@1.0.0"]
