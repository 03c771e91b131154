"""What a long journal costs whoever opens it: processor time and memory of a new process.

`python benchmarks/open_cost.py [ENTRIES]` writes a journal of so many versions and one of so many
promotions, without syncs, reads each once and then looks at it from new processes, as people do:
they start from the fold that they keep.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

import holdfast
from holdfast.core import entry as entries
from holdfast.core import events
from holdfast.core.entry import Stamp

ROUNDS = 7
LOOKS = {
    "open": "registry.policy('m')",
    "history": "registry.history('m', last=20)",
}
PROGRAM = """
import resource, sys, time
import holdfast
import holdfast.registry.queries
registry = holdfast.open({location!r})
began = time.process_time()
{look}
print(time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def written(folder: Path, kind: str, length: int) -> Path:
    """Write a journal entry by entry, as a registry would."""
    location = folder / kind
    registry = holdfast.open(location, by="ana")
    path = folder / "m.json"
    for words in ("{}", "[]"):
        path.write_text(words)
        registry.promote(registry.register("m", path))
    journal = location / "models" / "m" / "journal"
    first = next(journal.glob("*1.json")).read_bytes()
    registered = entries.read(first, "m", 1, None).event
    raw = (journal / "0000000004.json").read_bytes()
    at = entries.read(raw, "m", 4, entries.prev_of(raw)).at
    for seq, event in enumerate(happening(kind, registered, length - 4), start=5):
        at = entries.next_time(datetime.now(UTC), at)
        stamp = Stamp(at=datetime.now(UTC), by="ana", commit=f"{seq:032x}")
        raw, _ = entries.write("m", seq, entries.digest(raw), at, stamp, event)
        (journal / f"{seq:010}.json").write_bytes(raw)
    return location


def happening(kind: str, registered: events.AnyEvent, count: int) -> Iterator[events.AnyEvent]:
    """Go through events, each true after those before it."""
    assert isinstance(registered, events.Registered)
    for index in range(count):
        if kind == "versions":
            number = index + 3
            yield replace(registered, version=f"1.{number}.0", number=number)
        else:
            versions = ("1.0.0", "1.1.0")
            yield events.Promoted(version=versions[index % 2], was=versions[1 - index % 2])


def looked(location: Path, look: str) -> tuple[float, int]:
    """Return the median processor time of a look, and the memory of its process in MB."""
    program = PROGRAM.format(location=str(location), look=look)
    taken, memory = [], 0
    for _ in range(ROUNDS):
        done = subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, text=True
        )
        seconds, kilobytes = done.stdout.split()
        taken.append(float(seconds))
        memory = max(memory, int(kilobytes) >> 10)
    return statistics.median(taken), memory


def main() -> None:
    """Print a row for each journal and look."""
    length = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    with tempfile.TemporaryDirectory() as name:
        os.environ["HOME"] = name  # folds are kept below it
        for kind in ("promotions", "versions"):
            location = written(Path(name), kind, length)
            holdfast.open(location).policy("m")  # brings the projections up to date
            shutil.rmtree(Path(name) / ".cache")
            began = time.process_time()
            holdfast.open(location).policy("m")
            print(f"{length} {kind}: first look of a user {time.process_time() - began:.2f} s")
            for look, words in LOOKS.items():
                seconds, memory = looked(location, words)
                print(f"  {look:8} {seconds:.3f} s, {memory} MB")


if __name__ == "__main__":
    main()
