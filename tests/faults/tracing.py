"""Run a Python program under strace: read its system calls, or make some of them fail."""

import codecs
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

MARK = "getsid"
"""The call a program makes before and after what is to be looked at; nothing else makes it."""

WRITING = (
    "openat,write,writev,copy_file_range,fsync,fdatasync,link,linkat,rename,renameat2,"
    "unlink,unlinkat,rmdir,mkdir,fchmod,utimensat"
)
_BEGUN = re.compile(r"(\d+) +(.*) <unfinished \.\.\.>")
_RESUMED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>(.*)")
_CALL = re.compile(r"(\d+) +(\w+)\((.*)\) += (\S+)(?: (\w+))?.*")
_ENDED = re.compile(r"(\d+) +\+\+\+ .* \+\+\+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_DESCRIPTOR = re.compile(r"-?\d+<(.*)>")
_NAMELESS = re.compile(r'(\d+<([^>]*)>(?:\(deleted\))?, ")/proc/self/fd/\d+(")')
_LIMIT_S = 60


@dataclass(frozen=True, slots=True)
class Call:
    """One system call.

    Attributes:
        thread: Id of the thread that made it.
        ordinal: It is this thread's n-th call of this name, from 1, as strace counts for `when`.
        arguments: As strace writes them, `3</path>` for a descriptor.
        result: What it returned, `?` if the thread ended in it.
        error: Name of the error, such as `EEXIST`, or `None`.
    """

    thread: str
    name: str
    ordinal: int
    arguments: str
    result: str
    error: str | None

    @property
    def texts(self) -> list[str]:
        """The quoted arguments: paths, or data where data is written."""
        return _QUOTED.findall(self.arguments)

    @property
    def data(self) -> bytes:
        """The bytes that are written."""
        written, _length = codecs.escape_decode(self.texts[0].encode("latin-1"))
        return written[: int(self.result)]

    @property
    def folder(self) -> str:
        """The path behind the descriptor handed in first, empty if there is none."""
        match = _DESCRIPTOR.match(self.arguments.split(", ")[0])
        return match[1] if match else ""

    @property
    def file(self) -> str:
        """The path behind the descriptor returned, else behind the first handed in."""
        match = _DESCRIPTOR.match(self.result) or _DESCRIPTOR.match(self.arguments.split(", ")[0])
        assert match is not None, self
        return match[1]

    @property
    def target(self) -> str:
        """The path behind the last descriptor handed in: where `copy_file_range` writes."""
        return [
            match[1] for part in self.arguments.split(", ") if (match := _DESCRIPTOR.match(part))
        ][-1]


@dataclass(frozen=True, slots=True)
class Run:
    """What a traced program did.

    Attributes:
        status: Exit status; negative for a signal.
        calls: Those between its marks, in order.
        hits: How many calls were tampered with.
    """

    status: int
    stdout: str
    stderr: str
    calls: tuple[Call, ...]
    hits: int


@cache
def _can_trace() -> bool:
    if shutil.which("strace") is None:
        return False
    tried = ["strace", "-f", "-o", os.devnull, "true"]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


def traced(
    program: Path,
    *arguments: object,
    inject: Sequence[str] = (),
    calls: str = WRITING,
    environment: Mapping[str, str] | None = None,
) -> Run:
    """Run a Python program to its end, or skip the test where strace cannot run.

    Args:
        program: Its file.
        arguments: Handed to it.
        inject: Faults in strace's words, such as `fsync:error=EIO:when=3`.
        calls: Names of the system calls to be read.
        environment: Of the program; without coverage's tool unless said otherwise.
    """
    with tempfile.NamedTemporaryFile("r", prefix="strace-") as log:
        ended = subprocess.run(
            [
                *strace(log.name, calls, inject),
                sys.executable,
                program,
                *map(str, arguments),
            ],
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
            env={**(environment or unmeasured()), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        text = log.read()
    hits = text.count("(INJECTED)") + text.count("+++ killed by SIGKILL +++")
    made = tuple(_between_marks(calls_in(text.splitlines())))
    return Run(ended.returncode, ended.stdout, ended.stderr, made, hits)


def strace(
    log: str, calls: str = WRITING, inject: Sequence[str] = (), most_data: int = 1 << 20
) -> list[str]:
    """Return a command that runs another under strace, or skip the test where it cannot run.

    Args:
        log: Where strace writes to.
        calls: Names of the system calls to be read.
        inject: Faults in strace's words.
        most_data: Bytes of what is read or written that are told; paths always are.
    """
    if not _can_trace():
        pytest.skip("strace is missing or may not trace here")
    faults = [f"inject={fault}" for fault in inject]
    names = ",".join([MARK, calls, *(fault.split(":")[0] for fault in inject)])
    options = ["-f", "-y", "-s", str(most_data), "-o", log, "-e", f"trace={names}"]
    options += [word for fault in faults for word in ("-e", fault)]
    if not any("signal=" in fault for fault in faults):
        options.append("--seccomp-bpf")  # several times as fast, but sends no signals
    return ["strace", *options]


def unmeasured() -> dict[str, str]:
    """Return an environment without the tool that measures coverage, for a process to be hurt."""
    return {name: os.environ[name] for name in os.environ if not name.startswith("COVERAGE_")}


def calls_in(log: Iterable[str]) -> Iterator[Call]:
    """Read the lines that strace has written."""
    ordinals: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for line in _whole(line.rstrip("\n") for line in log):
        if match := _ENDED.fullmatch(line):
            ordinals.pop(match[1], None)  # the system gives the number to another one
        match = _CALL.fullmatch(line)
        if match is not None:
            thread, name, arguments, result, error = match.groups()
            ordinals[thread][name] += 1
            failed = error if result == "-1" else None
            if name == "linkat":  # a file without a name is named by its descriptor
                arguments = _NAMELESS.sub(r"\1\2\3", arguments)
            yield Call(thread, name, ordinals[thread][name], arguments, result, failed)


def _whole(lines: Iterable[str]) -> Iterator[str]:
    """Put calls together that another thread's interrupted; they count where they ended."""
    begun: dict[str, str] = {}
    for line in lines:
        if match := _BEGUN.fullmatch(line):
            begun[match[1]] = f"{match[1]} {match[2]}"
        elif match := _RESUMED.fullmatch(line):
            yield begun.pop(match[1]) + match[2]
        else:
            yield line


def _between_marks(calls: Iterable[Call]) -> Iterator[Call]:
    marks = 0
    for call in calls:
        if call.name == MARK:
            marks += 1
        elif marks == 1:
            yield call
