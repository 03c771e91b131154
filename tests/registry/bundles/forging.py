"""Bundles taken apart, changed and put together again with sums that are right."""

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.registry import disk

Members = dict[str, bytes]
READ = re.compile(r"bundle\.json|journal/.*|blobs/.*")


def taken_apart(bundle: Path) -> Members:
    """Return the members that an import reads in order, the list of sums left out."""
    return {name: data for name, data in everything(bundle).items() if READ.fullmatch(name)}


def everything(bundle: Path) -> Members:
    """Return all members in order, what is for people too."""
    with tarfile.open(bundle, "r:") as tar:
        return {member.name: _content(tar, member) for member in tar}


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


def sums(members: Mapping[str, bytes]) -> bytes:
    """Return the list of sums that is right for these members."""
    lines = (f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in members.items())
    return "".join(lines).encode()


def regular(name: str, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    """Return a plain member."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    return member, data


def put_together(target: Path, members: Mapping[str, bytes]) -> Path:
    """Write a bundle whose sums are right."""
    return written(target, [("SHA256SUMS", sums(members)), *members.items()])


def written(target: Path, members: Iterable[tuple[str | tarfile.TarInfo, bytes]]) -> Path:
    """Write a tar file of just these members."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for member, data in members:
            if isinstance(member, str):
                member, _ = regular(member, data)  # noqa: PLW2901 - one form for both
            tar.addfile(member, io.BytesIO(data))
    return target


def index(members: Members, **changed: object) -> None:
    """Change fields of `bundle.json`."""
    members["bundle.json"] = json.dumps(json.loads(members["bundle.json"]) | changed).encode()


def manifest(members: Members, change: Callable[[Any], object]) -> None:
    """Change the one manifest of a bundle, and whatever names it."""
    name = next(name for name, data in members.items() if data.startswith(b'{"algorithm"'))
    document = json.loads(members.pop(name))
    change(document)
    raw = json.dumps(document, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    digest = hashlib.sha256(raw).hexdigest()
    old = name.rpartition("/")[2]
    if "journal/0000000001.json" in members:
        entries(members, lambda entry: _name_anew(entry, old, digest))
    else:
        index(members, manifest=digest)
    members[f"blobs/sha256/{digest}"] = raw


def _name_anew(entry: Any, old: str, digest: str) -> None:
    if entry["data"].get("manifest") == old:
        entry["data"]["manifest"] = digest


def entries(members: Members, change: Callable[[Any], object]) -> None:
    """Change entries of a bundle's journal and chain them again; *change* is given each."""
    documents = [json.loads(members.pop(name)) for name in journal(members)]
    for document in documents:
        change(document)
    chain(members, documents)


def journal(members: Members) -> list[str]:
    """Return the names of the entries, in order."""
    return sorted(name for name in members if name.startswith("journal/"))


def chain(members: Members, documents: list[Any]) -> None:
    """Write entries as a journal that is sound in itself, and let the index end with it."""
    head = None
    for seq, document in enumerate(documents, start=1):
        document |= {"seq": seq, "prev": head}
        raw = disk.sealed(json.dumps(document, separators=(",", ":")).encode() + b"\n")
        members[f"journal/{seq:010}.json"] = raw
        head = hashlib.sha256(raw).hexdigest()
    index(members, head=head)


def blob(members: Members, data: bytes) -> str:
    """Add a blob; return its digest."""
    digest = hashlib.sha256(data).hexdigest()
    members[f"blobs/sha256/{digest}"] = data
    return digest
