"""Count how often the scan takes random bytes for something that would run.

Usage: python benchmarks/scan_random_bytes.py [files] [bytes]
"""

import random
import sys
import time

from holdfast.formats.scanner.allowlist import AllowList
from holdfast.formats.scanner.findings import Budget, Findings
from holdfast.formats.scanner.judge import judge
from holdfast.formats.scanner.sources import of_bytes


def main(files: int = 100_000, size: int = 512) -> None:
    """Judge *files* files of *size* random bytes each, and print the false alarms."""
    allowed, chance, started = AllowList(), random.Random(9), time.monotonic()
    alarms: dict[str, int] = {}
    for _ in range(files):
        findings = Findings(allowed, Budget.of_size(size))
        judge(of_bytes(chance.randbytes(size), ""), findings)
        if findings.found_doubts:
            first = min(findings.found_doubts).split(" (")[0][:60]
            alarms[first] = alarms.get(first, 0) + 1
    print(f"{sum(alarms.values())} of {files:,} in {time.monotonic() - started:.0f} s")
    for reason, count in sorted(alarms.items(), key=lambda item: -item[1])[:10]:
        print(f"{count:6}  {reason}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
