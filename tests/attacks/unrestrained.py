"""Runs every attack of `hostile_code` without restraint, and tells which did harm, as JSON.

Run it as the first process of a PID namespace, with mounts of its own: some of them end every
process that they can see.
"""

import contextlib
import fcntl
import json
import os
import pty
import signal
import sys
import termios
import time
from pathlib import Path
from typing import NoReturn

from tests.attacks.hostile_code import ATTACKS, MESSAGE, Ground

_LONGEST_S = 20
_MOMENT_S = 1.0
_DONE = 77


def main(folder: Path) -> None:
    if os.getpid() != 1:
        raise SystemExit("run it as the first process of a namespace")
    signs_by_attack = {name: harm(folder / str(at), name) for at, name in enumerate(ATTACKS)}
    sys.stdout.write(json.dumps(signs_by_attack))


def harm(folder: Path, name: str) -> list[str]:
    """Run an attack below a parent, beside a server, and name what came of it."""
    folder.mkdir()
    ground = Ground(folder)
    server = os.fork()
    if not server:
        time.sleep(_LONGEST_S)
        os._exit(0)
    parent = os.fork()
    if not parent:
        _be_parent(ground.code(ATTACKS[name], server), folder)
    status = os.waitpid(parent, 0)[1]
    signs = []
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == _DONE:
        signs.append("it says so")
    if os.WIFSIGNALED(status):
        signs.append("its parent ended")
    deadline = time.monotonic() + _MOMENT_S  # signals and children take a moment
    while not signs and time.monotonic() < deadline:
        if not ground.is_untouched():
            signs.append("its mark is there")
        if os.waitpid(server, os.WNOHANG)[0]:
            signs.append("the server ended")
        time.sleep(0.01)
    ground.listener.close()
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)  # of this namespace
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    return signs


def _be_parent(code: str, folder: Path) -> NoReturn:
    attacker = os.fork()
    if not attacker:
        _attack(code, folder)
    status = os.waitpid(attacker, 0)[1]
    os._exit(os.waitstatus_to_exitcode(status) & 127)


def _attack(code: str, folder: Path) -> NoReturn:
    try:
        os.chdir(folder)
        os.setsid()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # of the terminal, once a program is started
        terminal = pty.openpty()[1]
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        os.dup2(terminal, 0)
        signal.alarm(_LONGEST_S)
        exec(code, {})
    except LookupError as error:
        os._exit(_DONE if str(error) == MESSAGE else 1)
    except Exception as error:  # noqa: BLE001 - most are refused
        sys.stderr.write(f"{error!r}\n")
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
