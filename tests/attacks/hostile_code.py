"""Code that does harm, each by another way: what a model that somebody trusted may run.

Each is proved to work where nothing restrains it (`unrestrained.py`). An attack makes the file
`mark`, changes the file `victim`, connects to `port`, harms the process `server`, or is `done()`.
"""

import os
import socket
from pathlib import Path
from typing import Any

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
        "here = (ctypes.c_void_p * 2)(ctypes.addressof(b), 8)\n"
        "code = ctypes.cast(libc.getpid, ctypes.c_void_p).value\n"
        "there = (ctypes.c_void_p * 2)(code, 8)\n"
        "libc.syscall(NR['process_vm_readv'], server, here, 1, there, 1, 0) >= 0 and done()"
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
    raise LookupError({MESSAGE!r})
def sock(fd):
    try:
        return stat.S_ISSOCK(os.fstat(fd).st_mode) and done()
    except OSError:
        return False
"""

BY_ROOT_ALONE = ("a device", "an owner", "a secret")
"""What only root could do without restraint; they fail anyway for others."""

MESSAGE = "it did what it came for"


class Code:
    """Runs a text where it is unpickled."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (self.text, {})


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

    def code(self, attack: str, server: int | None = None) -> str:
        """Write an attack on this ground, and on a process: this one if none is named."""
        port = self.listener.getsockname()[1]
        facts = {"mark": str(self.mark), "victim": str(self.victim), "port": port}
        body = attack.replace("{{", "{").replace("}}", "}").replace("{mark}", str(self.mark))
        return _PRELUDE.format(**facts, MESSAGE=MESSAGE, server=server or os.getpid()) + body

    def is_untouched(self) -> bool:
        try:
            self.listener.accept()[0].close()
        except BlockingIOError:
            return not os.path.lexists(self.mark) and self._victim() == self._was
        return False
