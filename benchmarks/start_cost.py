"""What a command costs before it does anything: its processor time over that of a bare Python.

`python benchmarks/start_cost.py [ROUNDS]` prints a table: with bytecode beside the source, and
without, as containers often run. Each round runs each command once, so that all meet the same
machine; what counts is the median of user and system time of its process. ADR 0033 tells why there
is no limit without bytecode.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import holdfast

LIMITS = {"with bytecode": "at most 7", "without": "no limit"}
COMMANDS: dict[str, Sequence[str]] = {
    "status": ("status", "m"),
    "ls": ("ls",),
    "show": ("show", "m@1.0.0"),
    "history": ("history", "m", "--limit", "20"),
    "promote": ("promote", "m@1.1.0", "--force", "--reason", "measured"),
    "rollback": ("rollback", "m", "--reason", "measured"),
}
BARE = (sys.executable, "-c", "pass")


def processor_s(words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> float:
    """Return the user and system time that a process takes."""
    before = _children_s()
    subprocess.run(words, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return _children_s() - before


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measured(folder: Path, environment: Mapping[str, str], rounds: int) -> dict[str, float]:
    """Return the median of each command over that of a bare Python."""
    program = (sys.executable, "-m", "holdfast")
    taken: dict[str, list[float]] = {name: [] for name in ("python", *COMMANDS)}
    for _ in range(rounds + 1):
        taken["python"].append(processor_s(BARE, folder, environment))
        for name, words in COMMANDS.items():
            taken[name].append(processor_s([*program, *words], folder, environment))
    medians = {name: statistics.median(times[1:]) for name, times in taken.items()}
    return {name: medians[name] / medians["python"] for name in COMMANDS}


def main() -> None:
    """Print a row for each command."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    environment = {name: one for name, one in os.environ.items() if not name.startswith("PYTHON")}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        registry = holdfast.open(folder / "store")
        for words in ("{}", "[]"):
            (folder / "m.json").write_text(words)
            registry.promote(registry.register("m", folder / "m.json"))
        registry.rollback("m")
        cold = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": str(folder / "none")}
        found = {
            "with bytecode": measured(folder, environment, rounds),
            "without": measured(folder, {**environment, **cold}, rounds),
        }
    print(f"{'':10}", *(f"{kind} ({LIMITS[kind]})" for kind in found), sep="  ")
    for name in COMMANDS:
        print(f"{name:10}", *(f"{ratios[name]:.1f}" for ratios in found.values()), sep="  ")


if __name__ == "__main__":
    main()
