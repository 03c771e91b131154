"""Imports all modules, and uses the registry, as if on another system: `other_system.py win32`."""

import fcntl
import importlib
import importlib.util
import os
import pkgutil
import shutil
import signal
import socket
import sys
import types
from pathlib import Path
from typing import Any, NoReturn

MODULES = {
    "win32": "curses fcntl grp pwd pty readline resource syslog termios tty uvloop",
    "darwin": "",
}
OF_OS = {
    "win32": "chown copy_file_range fchmod fchown fdatasync fork getegid geteuid getgid getloadavg "
    "getpgid getpriority getuid getxattr killpg listxattr mkfifo nice O_CLOEXEC O_DIRECTORY "
    "O_DSYNC O_NOFOLLOW O_NONBLOCK O_PATH O_SYNC O_TMPFILE pidfd_open posix_fadvise "
    "posix_fallocate posix_spawn pread preadv pwrite pwritev register_at_fork sched_getaffinity "
    "sendfile setpgid setpriority setsid setxattr statvfs sync sysconf uname wait3 wait4 waitid "
    "WNOHANG",
    "darwin": "copy_file_range fdatasync getxattr listxattr O_PATH O_TMPFILE pidfd_open "
    "posix_fadvise posix_fallocate sched_getaffinity setxattr waitid",
}
OF_SIGNAL = {
    "win32": "SIGALRM SIGCHLD SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGUSR1 SIGUSR2 pthread_kill "
    "pthread_sigmask setitimer sigwait",
    "darwin": "",
}
OF_SOCKET = {"win32": "AF_UNIX SO_REUSEPORT SCM_RIGHTS", "darwin": "TCP_USER_TIMEOUT"}


def main() -> None:
    """Become the other system, then live a model's life."""
    system = sys.argv[1]
    if importlib.util.find_spec("mlflow"):
        importlib.import_module("mlflow")  # else a module of its plugin would begin to import it

    import holdfast

    names = [module.name for module in pkgutil.walk_packages(holdfast.__path__, "holdfast.")]
    names = [name for name in names if not name.endswith("__main__")]
    absent = {name for name in names if not importable(name)}  # for lack of a library
    for name in [name for name in sys.modules if name.partition(".")[0] == "holdfast"]:
        del sys.modules[name]
    become(system)
    for name in names:
        if name not in absent:
            importlib.import_module(name)
    live()
    sys.stdout.write("lived\n")


def importable(name: str) -> bool:
    """Import a module as on this system, with all that it is built on."""
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def become(system: str) -> None:
    """Take away what the system lacks."""
    for name in MODULES[system].split():
        sys.modules[name] = None  # type: ignore[assignment]  # to import it is an ImportError
    for module, lacking in ((os, OF_OS), (signal, OF_SIGNAL), (socket, OF_SOCKET)):
        for name in lacking[system].split():
            if hasattr(module, name):
                delattr(module, name)
    if system == "win32":
        be_windows()
    else:
        setattr(fcntl, "F_FULLFSYNC", 51)  # noqa: B010 - refused here, as by some disks there
    sys.platform = system


def be_windows() -> None:
    """Stand in for what Windows does to files: none that is open or read-only is replaced."""
    locks: Any = types.ModuleType("msvcrt")
    locks.LK_UNLCK, locks.LK_LOCK, locks.LK_NBLCK = range(3)
    locks.locking = lock
    sys.modules["msvcrt"] = locks
    setattr(shutil, "_use_fd_functions", False)  # noqa: B010 - folders are not opened there
    os.getlogin = lambda: "ana"
    rename, replace, unlink, opening = os.rename, os.replace, os.unlink, os.open

    def renamed(source: Any, target: Any) -> None:
        require_closed(source)
        if os.path.isdir(source):
            rename(source, target)
            return
        os.link(source, target)  # which refuses a name that exists, whoever else wants it
        unlink(source)

    def replaced(source: Any, target: Any) -> None:
        require_closed(source)
        require_closed(target)
        require_writable(target)
        replace(source, target)

    def unlinked(path: Any) -> None:
        require_closed(path)
        require_writable(path)
        unlink(path)

    def opened(path: Any, flags: int, mode: int = 0o777) -> int:
        if os.path.isdir(path):
            refuse(path, "is a folder")
        if set(os.path.basename(os.fsdecode(path))) & set(':*?"<>|'):
            refuse(path, "is no name of a file there")
        return opening(path, flags, mode)

    os.rename, os.replace, os.unlink, os.remove = renamed, replaced, unlinked, unlinked  # type: ignore[assignment]
    os.open = opened  # type: ignore[assignment]


def lock(descriptor: int, mode: int, size_bytes: int) -> None:
    """Lock as `msvcrt.locking` does."""
    how = fcntl.LOCK_EX | fcntl.LOCK_NB if mode else fcntl.LOCK_UN
    try:
        fcntl.lockf(descriptor, how, size_bytes)
    except BlockingIOError as error:
        raise PermissionError(13, "locked") from error


def refuse(path: Any, why: str) -> NoReturn:
    """Refuse as Windows does, and say so even if somebody passes over it."""
    sys.stderr.write(f"{path} {why}\n")
    raise PermissionError(13, why, str(path))


def require_closed(path: Any) -> None:
    """Refuse to touch a file that this process has open."""
    try:
        here = os.stat(path)
    except OSError:
        return
    for number in os.listdir("/proc/self/fd"):
        try:
            other = os.fstat(int(number))
        except OSError:
            continue
        if (here.st_dev, here.st_ino) == (other.st_dev, other.st_ino):
            refuse(path, "is open")


def require_writable(path: Any) -> None:
    """Refuse to touch a file that is read-only."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return
    if not mode & 0o200 and not os.path.islink(path):
        refuse(path, "is read-only")


def live() -> None:
    """Go through the life of a model, and see that all is whole in the end."""
    import holdfast

    registry = holdfast.open("store")
    for weight in (1, 2, 3):
        Path("model.json").write_text(f'{{"weights": [{weight}]}}')
        registry.register("risk/fraud", "model.json", metrics={"auc": weight / 10 + 0.5})
        registry.promote("risk/fraud@latest", reason="better")
    registry.rollback("risk/fraud", reason="no")
    registry.purge("risk/fraud", versions=["risk/fraud@1.2.0"], grace_s=0.0, reason="space")
    registry.gc(grace_s=0.0)
    registry.backup(holdfast.open("copy"))
    assert registry.status("risk/fraud").live.version == "1.1.0"  # type: ignore[union-attr]
    assert registry.load("risk/fraud@production") is not None
    for name in ("store", "copy"):
        assert holdfast.open(name).verify().whole


if __name__ == "__main__":
    main()
