"""Models that somebody trusted and should not have: what they do under restraint makes no mark."""

import contextlib
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.serving.facing import until
from tests.serving.serving import MODEL, Serving, telling

import holdfast
from holdfast.errors import UnsupportedError
from holdfast.registry.trying import try_load
from holdfast.sandbox import Limits, Nursery, Outcome, Trial, Trials, chosen

_RESTRAINT = chosen("auto")
pytestmark = pytest.mark.skipif(
    _RESTRAINT is None or bool(_RESTRAINT.missing),
    reason=f"the kernel lacks {_RESTRAINT.missing if _RESTRAINT else 'seccomp'}",
)

ATTACKS: dict[str, str] = {
    "a shell": "os.system(f'touch {mark}')",
    "a program": "subprocess.run(['touch', mark])",
    "a program started by spawn": "os.posix_spawn('/usr/bin/touch', ['touch', mark], {{}})",
    "a program by the raw call": (
        "a = (ctypes.c_char_p * 3)(b'touch', mark.encode(), None)\n"
        "libc.syscall(NR['execve'], b'/usr/bin/touch', a, None)"
    ),
    "a program in memory": (
        "fd = libc.syscall(NR['memfd_create'], b'x', 0)\n"
        "os.write(fd, open('/usr/bin/touch', 'rb').read())\n"
        "a = (ctypes.c_char_p * 3)(b'touch', mark.encode(), None)\n"
        "libc.syscall(NR['execveat'], fd, b'', a, None, 0x1000)"
    ),
    "a fork": "os.fork() or open(mark, 'w')",
    "a fork by the raw call": "libc.syscall(NR['clone'], 17, 0, 0, 0, 0) or open(mark, 'w')",
    "a file": "open(mark, 'w')",
    "a file by the raw call": "libc.syscall(NR['openat'], -100, mark.encode(), 0o101, 0o600)",
    "a file by openat2": (
        "how = (ctypes.c_uint64 * 3)(0o101, 0o600, 0)\n"
        "libc.syscall(NR['openat2'], -100, mark.encode(), how, 24)"
    ),
    "a folder": "os.mkdir(mark)",
    "a link to a file": "os.link(victim, mark)",
    "a link out of the scratch folder": "os.symlink(victim, 'x'); open('x', 'a').write('gone')",
    "a link out, made elsewhere": "os.symlink(victim, mark)",
    "a pipe": "os.mkfifo(mark)",
    "a device": "os.mknod(mark, 0o20600, os.makedev(1, 3))",
    "a socket file": "socket.socket(socket.AF_UNIX).bind(mark)",
    "a rename": "os.rename(victim, mark)",
    "a removal": "os.unlink(victim)",
    "a cut": "os.truncate(victim, 0)",
    "a cut by opening": "os.open(victim, os.O_RDONLY | os.O_TRUNC)",
    "a mode": "os.chmod(victim, 0o777)",
    "a mode by a younger call": "libc.syscall(452, -100, victim.encode(), 0o777, 0)",
    "an owner": "os.chown(victim, 12345, 12345)",
    "a time": "os.utime(victim, (1, 1))",
    "an attribute": "os.setxattr(victim, 'user.mark', b'x')",
    "a connection": "socket.create_connection(('127.0.0.1', port)).send(b'x')",
    "a connection by the raw call": (
        "fd = libc.syscall(NR['socket'], 2, 1, 0)\n"
        "socket.socket(fileno=fd).connect(('127.0.0.1', port))"
    ),
    "a mount": "libc.mount(b'none', b'/mnt', b'tmpfs', 0, None) == 0 and done()",
    "another namespace": "libc.unshare(0x10000000) == 0 and done()",
    "a ring of calls": "libc.syscall(425, 8, ctypes.create_string_buffer(120)) >= 0 and done()",
    "the end of the server": "os.kill(server, 9)",
    "the end of its parent": "os.kill(os.getppid(), 9)",
    "the end of all": "os.kill(-1, 9)",
    "a signal by descriptor": "signal.pidfd_send_signal(os.pidfd_open(server), 9)",
    "a signal by a pipe's owner": (
        "r, w = os.pipe(); fcntl.fcntl(r, 8, server); "
        "fcntl.fcntl(r, 4, os.O_ASYNC | os.O_NONBLOCK); os.write(w, b'x')"
    ),
    "a look into the server": "libc.ptrace(16, server, None, None) == 0 and done()",
    "memory of the server": "open(f'/proc/{{server}}/mem', 'r+b').seek(0) or done()",
    "the server's environment": "open(f'/proc/{{server}}/environ', 'rb').read() and done()",
    "the server's descriptors": "os.listdir(f'/proc/{{server}}/fd') and done()",
    "memory by the raw call": (
        "b = ctypes.create_string_buffer(8)\n"
        "iov = (ctypes.c_void_p * 2)(ctypes.addressof(b), 8)\n"
        "libc.syscall(NR['process_vm_readv'], server, iov, 1, iov, 1, 0) >= 0 and done()"
    ),
    "a secret": "open('/etc/shadow', 'rb').read() and done()",
    "a secret beside the store": "open(victim, 'rb').read() and done()",
    "a limit lifted": ("resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1)); done()"),
    "a limit lifted from a pointer to round memory": (
        "import mmap as m; libc.mmap.restype = ctypes.c_void_p\n"
        "libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3"
        " + [ctypes.c_long]\n"
        "p = libc.mmap(1 << 32, 4096, 3, 0x100022, -1, 0)\n"
        "ctypes.memset(p, 255, 16)\n"
        "libc.prlimit(0, 1, ctypes.c_void_p(p), None) == 0 and done()"
    ),
    "a life beyond its parent's": "libc.prctl(1, 0, 0, 0, 0) == 0 and done()",
    "text into a terminal": "fcntl.ioctl(0, 0x5412, b'x'); done()",
    "descriptors of its parent's": (
        '[os.write(fd, b\'{{"result": "mine"}}\') for fd in range(3, 256) if sock(fd)]'
    ),
}

_PRELUDE = """
import ctypes, fcntl, os, resource, signal, socket, stat, subprocess
from holdfast.sandbox.syscalls import NUMBERS
NR = NUMBERS[os.uname().machine]
libc = ctypes.CDLL(None)
mark, victim, port, server = {mark!r}, {victim!r}, {port}, {server}
def done():
    raise LookupError("it did what it came for")
def sock(fd):
    try:
        return stat.S_ISSOCK(os.fstat(fd).st_mode) and done()
    except OSError:
        return False
"""

_PIPES = """
def pipe(fd):
    try:
        return stat.S_ISFIFO(os.fstat(fd).st_mode)
    except OSError:
        return False
"""


class Code:
    """Runs a text where it is unpickled."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (self.text, {})


@pytest.fixture(scope="module")
def trials() -> Iterator[Trials]:
    assert _RESTRAINT is not None
    with Nursery(_RESTRAINT) as trials:
        yield trials


class Ground:
    """What an attack finds: a file, a listener, a process."""

    def __init__(self, folder: Path) -> None:
        self.mark = folder / "mark"
        self.victim = folder / "victim"
        self.victim.write_text("precious")
        self.victim.chmod(0o640)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0)
        self._was = self._victim()

    def _victim(self) -> tuple[Any, ...]:
        if not self.victim.exists():
            return ()
        about = self.victim.stat()
        names = os.listxattr(self.victim)
        facts = (about.st_mode, about.st_uid, about.st_mtime_ns, about.st_nlink, names)
        return (*facts, self.victim.read_text())

    def code(self, attack: str) -> str:
        port = self.listener.getsockname()[1]
        facts = {"mark": str(self.mark), "victim": str(self.victim), "port": port}
        body = attack.replace("{{", "{").replace("}}", "}").replace("{mark}", str(self.mark))
        return _PRELUDE.format(**facts, server=os.getpid()) + body

    def is_untouched(self) -> bool:
        try:
            self.listener.accept()[0].close()
        except BlockingIOError:
            return not os.path.lexists(self.mark) and self._victim() == self._was
        return False


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    made = Ground(tmp_path)
    yield made
    made.listener.close()


def ask(trials: Trials, tmp_path: Path, content: bytes, **limits: Any) -> Outcome:
    path = tmp_path / "model.pkl"
    path.write_bytes(content)
    work = "tests.sandbox.works:unpickle"
    return trials.run(Trial(work, {"path": str(path)}, [path], (), Limits(**limits)))


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_code_that_was_trusted_makes_no_mark(
    trials: Trials, tmp_path: Path, ground: Ground, attack: str
) -> None:
    outcome = ask(trials, tmp_path, pickle.dumps(Code(ground.code(attack))))

    assert ground.is_untouched()
    assert "LookupError" not in (outcome.problem or "")
    assert outcome.problem is None or "NameError" not in outcome.problem
    assert outcome.problem is None or "SyntaxError" not in outcome.problem


LIVE = (
    "a shell", "a program", "a program by the raw call", "a program in memory", "a file",
    "a file by the raw call", "a file by openat2", "a folder", "a link out of the scratch folder",
    "a rename", "a removal", "a cut", "a mode", "a time", "a connection", "a socket file",
)  # fmt: skip


@pytest.mark.parametrize("attack", LIVE)
def test_the_attacks_are_real(tmp_path: Path, ground: Ground, attack: str) -> None:
    path = tmp_path / "attack.pkl"
    path.write_bytes(pickle.dumps(Code(ground.code(ATTACKS[attack]))))
    code = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb'))"
    subprocess.run([sys.executable, "-c", code, str(path)], check=False, cwd=tmp_path, stderr=-3)

    assert not ground.is_untouched()


FATAL: dict[str, tuple[str, str]] = {
    "abort": ("os.abort()", "SIGABRT"),
    "a wild pointer": ("ctypes.string_at(0)", "SIGSEGV"),
    "an endless loop": ("while True: pass", "took longer than"),
    "a sleep": ("import time; time.sleep(1000)", "took longer than"),
    "memory without end": ("x = bytearray(1 << 40)", "MemoryError"),
    "memory bit by bit": ("x = []\nwhile True: x.append(bytearray(1 << 24))", "MemoryError"),
    "an exit": ("raise SystemExit(0)", "SystemExit"),
    "the exit at once": ("os._exit(0)", "ended by itself with status 0"),
    "a large file": ("open('x', 'wb').write(bytes(1 << 27))", "File too large"),
    "the calls of another machine": ("libc.syscall(0x40000000 | 39)", "SIGSYS"),
    "a cut of what is told": ("import gc; os.write(2, b'x'); os.kill(os.getpid(), 9)", "SIGKILL"),
}


@pytest.mark.parametrize(("attack", "word"), FATAL.values(), ids=FATAL.keys())
def test_a_version_that_kills_its_process_has_failed(
    trials: Trials, tmp_path: Path, ground: Ground, attack: str, word: str
) -> None:
    quick = {"time_s": 1.0} if word == "took longer than" else {}
    code = pickle.dumps(Code(ground.code(attack)))
    outcome = ask(trials, tmp_path, code, memory_bytes=2 << 30, **quick)
    after = ask(trials, tmp_path, pickle.dumps([1, 2]))

    assert outcome.problem is not None
    assert word in outcome.problem
    assert after == Outcome(None, "list")


def test_an_answer_without_end_is_cut(trials: Trials, tmp_path: Path, ground: Ground) -> None:
    code = (
        "fds = [fd for fd in range(3, 256) if pipe(fd)]\nwhile True: os.write(fds[0], b'x' * 65536)"
    )
    outcome = ask(trials, tmp_path, pickle.dumps(Code(ground.code(_PIPES + code))))

    assert outcome.problem == "answered with more than 65536 bytes"


@pytest.mark.parametrize("told", ["[", "[1]", "{}", '"x"', "nonsense", "NaN"])
def test_an_answer_of_another_form_is_a_failure(
    trials: Trials, tmp_path: Path, ground: Ground, told: str
) -> None:
    code = (
        f"{_PIPES}[os.write(fd, b'''{told}\\n''') for fd in range(3, 256) if pipe(fd)]; os._exit(0)"
    )
    outcome = ask(trials, tmp_path, pickle.dumps(Code(ground.code(code))))

    assert outcome.problem is not None


def test_models_of_allowed_names_make_no_mark_if_they_are_trusted(
    trials: Trials, tmp_path: Path, marker: Path, hostile_model: Callable[[str], bytes]
) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(hostile_model(f"touch {marker}"))
    registry = holdfast.open(tmp_path / "store", by="mallory")
    registry.register("m", path, trust="it came from a friend")
    with contextlib.suppress(UnsupportedError):
        try_load(registry, "m@1.0.0", trials, [[0.0, 1.0, 2.0]])

    assert not marker.exists()


def fails(server: Serving, version: str) -> bool:
    return f"{MODEL}@{version}" in server.get("/ready")[1].get("failed", {})


def test_a_server_goes_on_with_the_version_before_one_that_acts_or_crashes(
    tmp_path: Path, ground: Ground
) -> None:
    registry = holdfast.open(tmp_path / "store", by="mallory")
    telling(registry, 1)
    registry.promote(f"{MODEL}@1.1.0")
    for version, attack in (("1.2.0", "os.abort()"), ("1.3.0", ATTACKS["a program"])):
        path = tmp_path / f"{version}.pkl"
        path.write_bytes(pickle.dumps(Code(ground.code(attack))))
        registry.register(MODEL, path, version=version, trust="it came from a friend")
    with Serving(tmp_path / "store", tmp_path, "--sandbox", "require") as server:
        for version in ("1.2.0", "1.3.0"):
            registry.promote(f"{MODEL}@{version}", force=True, reason="what can happen")
            until(partial(fails, server, version))
        status, told = server.get("/ready")

        assert (status, told["live"]) == (200, {MODEL: "1.1.0"})
        assert "SIGABRT" in server.log
        assert server.log.count("failed its trial") >= 2
        assert "seccomp" in told["sandbox"]

    assert ground.is_untouched()
