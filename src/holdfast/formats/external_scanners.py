"""What other people's scanners say of a file: evidence for whoever reads it, never the verdict.

Each runs in a process of its own, for it reads hostile bytes, with nothing of the environment and
its reports to its makers switched off. It may fail, or take too long: that is told as well.
"""

import importlib.util
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from holdfast import scratch
from holdfast.core import strict_json
from holdfast.core.manifest import Evidence
from holdfast.errors import InvalidInputError, MissingLibraryError

_PATIENCE_S = 300
_MOST = 50  # findings that are kept
_LONGEST = 300

_PICKLESCAN = """
import json, os, sys
from picklescan.scanner import SafetyLevel, scan_directory_path, scan_file_path
path = sys.argv[1]
found = scan_directory_path(path) if os.path.isdir(path) else scan_file_path(path)
issues = [
    {"severity": g.safety.value, "message": f"{g.module}.{g.name}"}
    for g in found.globals if g.safety is not SafetyLevel.Innocuous
]
print(json.dumps({"issues": issues, "has_errors": found.scan_err}))
"""
_COMMANDS: Final = {
    "picklescan": ["-c", _PICKLESCAN],
    "modelaudit": ["-m", "modelaudit", "scan", "--format", "json", "--quiet", "--no-cache"],
}
SCANNERS: Final = tuple(_COMMANDS)
"""Those that can be asked."""


def check(scanners: Iterable[str]) -> tuple[str, ...]:
    """Return the scanners asked for, each once.

    Raises:
        InvalidInputError: If one is not known.
        MissingLibraryError: If one is not installed.
    """
    names = tuple(dict.fromkeys(scanners))
    for name in names:
        if name not in _COMMANDS:
            known = f"use one of {', '.join(SCANNERS)}"
            raise InvalidInputError(f"scanner {name!r}", "is unknown", known)
        if importlib.util.find_spec(name) is None:
            raise MissingLibraryError(name, "scan", "this registration asks for it")
    return names


def gather(path: Path, scanners: Sequence[str]) -> tuple[Evidence, ...]:
    """Ask scanners about a file or folder, one after the other."""
    return tuple(_asked(name, path) for name in scanners)


def _asked(name: str, path: Path) -> Evidence:
    known = version(name)
    with scratch.folder(prefix="holdfast-scan-") as home:
        quiet = {"HOME": str(home), "NO_ANALYTICS": "1", "PROMPTFOO_DISABLE_TELEMETRY": "1"}
        command = [sys.executable, *_COMMANDS[name], str(path.resolve())]
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter, a path, no shell
                command, check=False, capture_output=True, env=quiet, cwd=home, timeout=_PATIENCE_S
            )
        except subprocess.TimeoutExpired:
            return Evidence(name, known, problem=f"gave no answer within {_PATIENCE_S} s")
    try:
        report = strict_json.decode(done.stdout)
        findings = [f"{issue['severity']}: {issue['message']}" for issue in report["issues"]]
    except (ValueError, KeyError, TypeError):
        return Evidence(name, known, problem=f"failed with status {done.returncode}")
    problem = "could not read all of it" if report.get("has_errors") else None
    return Evidence(name, known, tuple(_plain(text) for text in findings[:_MOST]), problem)


def _plain(text: str) -> str:
    shown = "".join(sign if sign.isprintable() else " " for sign in text)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
