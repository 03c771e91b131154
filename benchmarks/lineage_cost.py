"""What lineage costs in a large store: every question, asked of 100 models with 10,000 versions.

`python benchmarks/lineage_cost.py [VERSIONS] [MODELS]` writes so many versions, each with a parent,
data and a commit, as a registry would and without syncs, and asks from new processes, as people do
at the command line; once for a user who never looked at the store, then again. A second row with a
quarter of the versions tells what grows faster than they do.
"""

import os
import subprocess
import sys
import tempfile
import time
import zlib
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

import holdfast
from holdfast.core import entry as entries
from holdfast.core import manifest as manifests
from holdfast.core.entry import Stamp
from holdfast.core.events import Registered
from holdfast.core.lineage_record import DataUse, Lineage
from holdfast.core.manifest import Manifest
from holdfast.store import layout

DATA_SETS = 50
COMMITS = 200
QUESTIONS = {
    "tree of one version": "registry.lineage.of('model-000@1.0.0')",
    "by data digest": "registry.lineage.users_of_data('{:064x}'.format(7))",
    "by commit": "registry.lineage.users_of_commit('{:040x}'.format(7))",
    "by parent": "registry.lineage.children('model-000@1.0.0')",
}
PROGRAM = """
import resource, time
import holdfast
registry = holdfast.open({location!r})
began, wall = time.process_time(), time.perf_counter()
found = {question}
spent = time.process_time() - began
print(spent, time.perf_counter() - wall, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
      len(getattr(found, "versions", getattr(found, "became", ()))))
"""


def filled(folder: Path, versions: int, models: int) -> Path:
    """Write the store: one version by the registry, and all others as that one was written."""
    location = folder / f"store-{versions}"
    registry = holdfast.open(location, by="ana")
    path = folder / "m.txt"
    path.write_text("model")
    registry.register("model-000", path)
    first = registry.manifest("model-000@1.0.0")
    journal = location / layout.journal(layout.model("model-000"))
    entry = entries.read(next(journal.glob("*1.json")).read_bytes(), "model-000", 1, None)
    assert isinstance(entry.event, Registered)
    for number in range(models):
        model = f"model-{number:03}"
        _grow(location, replace(first, name=model), entry.event, versions // models)
    return location


def _grow(location: Path, first: Manifest, registered: Registered, versions: int) -> None:
    """Write the journal of one model, and its manifests; an entry that is there stays."""
    model, raw, at = first.name, b"", ""
    journal = location / layout.journal(layout.model(model))
    journal.mkdir(parents=True, exist_ok=True)
    for number in range(1, versions + 1):
        place = journal / f"{number:010}.json"
        if place.exists():
            raw = place.read_bytes()
            at = entries.read(raw, model, number, None).at
            continue
        seed = zlib.crc32(f"{model} {number}".encode())
        digest = f"sha256:{seed % DATA_SETS:064x}"
        before = (f"{model}@1.{number - 2}.0",) if number > 1 else ()
        lineage = Lineage(
            git_commit=f"{seed % COMMITS:040x}",
            parents=(*before, "model-000@1.0.0"),
            data={"train": DataUse(digest=digest, rows=digest)},
        )
        at = entries.next_time(datetime.now(UTC), at or None)
        text = f"1.{number - 1}.0"
        made = replace(first, version=text, number=number, registered_at=at, lineage=lineage)
        manifest = manifests.encode(made)
        sha256 = manifests.digest_of(manifest)
        (location / layout.blob(sha256)).write_bytes(manifest)
        event = replace(registered, version=text, number=number, manifest=sha256)
        stamp = Stamp(at=datetime.now(UTC), by="ana", commit=f"{number:032x}")
        head = entries.digest(raw) if raw else None
        raw, _ = entries.write(model, number, head, at, stamp, event)
        place.write_bytes(raw)


def asked(location: Path, question: str) -> tuple[float, float, int, int]:
    """Return processor seconds, seconds, megabytes and how many were found, in a new process."""
    program = PROGRAM.format(location=str(location), question=question)
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    spent, wall, kilobytes, found = done.stdout.split()
    return float(spent), float(wall), int(kilobytes) >> 10, int(found)


def main() -> None:
    """Print a row for each size and question."""
    versions = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    models = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    with tempfile.TemporaryDirectory() as name:
        os.environ["HOME"] = name  # folds are kept below it
        for size in (versions // 4, versions):
            began = time.perf_counter()
            location = filled(Path(name), size, models)
            print(
                f"{size:,} versions of {models} models, written in "
                f"{time.perf_counter() - began:.1f} s"
            )
            for question, words in QUESTIONS.items():
                first, again = asked(location, words), asked(location, words)
                print(
                    f"  {question:20} {first[0]:6.2f} s, again {again[0]:6.2f} s of processor "
                    f"time, {again[2]} MB, {again[3]:,} found"
                )


if __name__ == "__main__":
    main()
