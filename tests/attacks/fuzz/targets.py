"""What is fed with bytes of all kinds: each target takes them, and raises only over a finding.

`test_targets.py` runs them in the normal run by hypothesis, `guided.py` for longer by atheris.
"""

import atexit
import contextlib
import io
import os
import pickle
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.attacks.conftest import marked_files

import holdfast
from holdfast.core import entry, manifest, names
from holdfast.errors import HoldfastError, InvalidInputError
from holdfast.formats import scanner
from holdfast.formats.scanner.allowlist import AllowList
from holdfast.formats.scanner.byte_sources import of_bytes
from holdfast.formats.scanner.file_references import leads_outside
from holdfast.formats.scanner.findings import Budget, Findings, UnreadableError
from holdfast.formats.scanner.judge import judge

Target = Callable[[bytes], None]


def read_entry(data: bytes) -> None:
    """Read an entry as it is, and with the checksum that its bytes demand."""
    for raw in (data, _sealed(data)):
        with contextlib.suppress(HoldfastError):
            read = entry.read(raw, "iris", 1, None)

            assert read.model == "iris"
            assert read.seq == 1
        entry.model_of(raw)


def _sealed(data: bytes) -> bytes:
    body = data.partition(b',"sum":"')[0]
    return body + b',"sum":"%s"}\n' % entry.digest(body).encode()


def read_manifest(data: bytes) -> None:
    """Read a manifest: whatever comes of it leads nowhere."""
    with contextlib.suppress(HoldfastError):
        read = manifest.decode(data, manifest.digest_of(data))

        assert not [file.path for file in read.files if leads_outside(file.path)]
        assert all(manifest.is_digest(file.sha256) for file in read.files)
        manifest.encode(read)


def check_path(data: bytes) -> None:
    """Check a path, and make a folder's name of it."""
    name = data.decode("utf-8", "surrogateescape")
    folder = names.escape(name)

    assert "/" not in folder
    assert "\\" not in folder
    assert folder not in ("", ".", "..")
    assert len(folder) <= 80
    with contextlib.suppress(InvalidInputError, UnicodeEncodeError):
        names.check_paths([name])

        assert not leads_outside(name)
        assert os.path.normpath(os.path.join("/store", name)) == f"/store/{name}"


class Importer:
    """Takes bundles into one store, which must stay whole."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="holdfast-fuzz-"))
        atexit.register(shutil.rmtree, self.root, ignore_errors=True)
        (self.root / "model.txt").write_text("words")
        source = holdfast.open(self.root / "source", by="ann")
        source.register("iris", self.root / "model.txt")
        source.promote("iris@1.0.0")
        source.export("iris", self.root / "model.tar")
        source.export("iris@1.0.0", self.root / "version.tar")

    def __call__(self, data: bytes) -> None:
        """Import what may be a bundle."""
        bundle = self.root / "fuzzed.tar"
        bundle.write_bytes(data)
        with contextlib.suppress(HoldfastError):
            holdfast.open(self.root / "store", by="zoe").import_(bundle)

        assert {path.name for path in self.root.iterdir()} <= {
            "model.txt", "source", "model.tar", "version.tar", "fuzzed.tar", "store",
        }  # fmt: skip

    def seeds(self) -> list[bytes]:
        """Return sound bundles."""
        return [(self.root / name).read_bytes() for name in ("model.tar", "version.tar")]


def judge_file(data: bytes) -> None:
    """Judge bytes as a file of any kind; they never break the scan."""
    findings = Findings(AllowList(), Budget(200_000, 1 << 24))
    for name in ("model.bin", "model.safetensors", "model.h5"):
        kind = judge(of_bytes(data, name), findings)

        assert kind


def follow_pickle(data: bytes) -> None:
    """Hold the scan against the unpickler in C, which imports nothing here but tells its wish."""
    seen = _seen_in_c(data)
    findings = Findings(AllowList(), Budget(200_000, 1 << 24))
    judge(of_bytes(data, "model.pkl"), findings)

    missed = {path for path in seen - findings.found_names if _runs_when_imported(path)}
    assert findings.found_doubts or not missed, missed


def _runs_when_imported(path: str) -> bool:
    module, _, name = path.rpartition(".")
    foreign = module.partition(".")[0] not in sys.stdlib_module_names
    return not foreign and AllowList().use_of(module, name) is None


def _seen_in_c(data: bytes) -> set[str]:
    seen: set[str] = set()

    class Stub:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def __setstate__(self, state: object) -> None:
            pass

        def __hash__(self) -> int:
            return 1

        def __setitem__(self, key: object, value: object) -> None:
            pass

        def append(self, item: object) -> None:
            pass

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            path = f"{module}.{name}"
            seen.add(path if path.isprintable() else ascii(path)[1:-1])
            return Stub

    if not _asks_for_memory(data):
        with contextlib.suppress(Exception):
            Unpickler(io.BytesIO(data)).load()
    return {path if len(path) <= 300 else path[:297] + "..." for path in seen}


def _asks_for_memory(data: bytes) -> bool:
    # the unpickler takes lengths and indices at their word, which is no finding of ours
    return any(
        code in data for code in (b"r", b"j", b"p", b"\x95", b"\x8b", b"\x8d", b"\x8e", b"\x96")
    )


def root_of(data: bytes) -> None:
    """Describe a file from its bytes alone."""
    with tempfile.TemporaryDirectory(prefix="holdfast-fuzz-") as folder:
        path = Path(folder, "model.skops")
        path.write_bytes(data or b"x")
        scanner.root_of(path)
        scanner.skops_root(path)
        with contextlib.suppress(UnreadableError):
            scanner.onnx_locations(path)


def seeds() -> dict[str, list[bytes]]:
    """Return by target what to begin with, made here."""
    files = [content for _, content in marked_files(Path("none"))]
    small = [content for content in files if len(content) < 4096]
    with tempfile.TemporaryDirectory(prefix="holdfast-fuzz-") as folder:
        Path(folder, "model.txt").write_text("words")
        registry = holdfast.open(Path(folder, "store"), by="ann")
        registry.register("iris", Path(folder, "model.txt"))
        (first,) = Path(folder, "store").glob("models/*/journal/*.json")
        entries = [first.read_bytes()]
        manifests = [manifest.encode(registry.manifest("iris@1.0.0"))]
    paths = [b"model/weights.bin", b"../x", b"con.txt", b"a\\b", "e\u0301/x".encode()]
    return {
        "entry": entries, "manifest": manifests, "path": paths, "file": small, "pickle": small,
        "bundle": Importer().seeds(), "description": small,
    }  # fmt: skip


TARGETS: dict[str, Callable[[], Target]] = {
    "entry": lambda: read_entry,
    "manifest": lambda: read_manifest,
    "path": lambda: check_path,
    "file": lambda: judge_file,
    "pickle": lambda: follow_pickle,
    "bundle": Importer,
    "description": lambda: root_of,
}
"""Each made anew; some need a place of their own."""
