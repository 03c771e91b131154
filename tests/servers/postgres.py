"""A PostgreSQL server of this machine's package, with a folder and a user of its own."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from tests.servers.running import HOST, PATIENCE_S, NoServerError, free_port

_USERS = ("postgres", "nobody")
_NUMBERS = count(1)


class Postgres:
    """A server that can be stopped and started again, and makes databases."""

    def __init__(self, programs: Path, folder: Path, as_user: dict[str, Any]) -> None:
        self._programs = programs
        self._folder = folder
        self._as_user = as_user
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        command = [f"{programs}/initdb", "-D", f"{folder}/data", "-A", "trust", "-U", "holdfast"]
        done = subprocess.run(
            [*command, "-N"], capture_output=True, text=True, check=False, cwd=folder, **as_user
        )
        if done.returncode:
            raise NoServerError(f"initdb: {done.stderr[-300:]}")

    def url(self, database: str) -> str:
        return f"postgresql://holdfast@{HOST}:{self._port}/{database}"

    def new_database(self) -> str:
        """Make an empty database and return its address."""
        name = f"log{next(_NUMBERS)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def start(self) -> None:
        command = [
            f"{self._programs}/postgres", "-D", f"{self._folder}/data", "-h", HOST,
            "-p", str(self._port), "-k", str(self._folder), "-F",
        ]  # fmt: skip
        with (self._folder / "log.txt").open("ab") as output:
            process: subprocess.Popen[bytes] = subprocess.Popen(
                command, cwd=self._folder, stdout=output, stderr=output, **self._as_user
            )
        self._process = process
        end = time.monotonic() + PATIENCE_S
        while not self._answers():
            if process.poll() is not None or time.monotonic() > end:
                raise NoServerError((self._folder / "log.txt").read_text()[-300:])
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(2)  # fast: connections are ended
            self._process.wait(PATIENCE_S)
            self._process = None


def _programs() -> Path:
    on_path = shutil.which("initdb")
    initdb_paths = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: path.parts
    )
    if on_path is None and not initdb_paths:
        raise NoServerError("PostgreSQL is not installed (apt-get install postgresql)")
    programs = initdb_paths[-1].parent if initdb_paths else Path(str(on_path)).resolve().parent
    if not (programs / "postgres").exists():
        raise NoServerError(f"{programs} has no postgres")
    return programs


def _unprivileged() -> dict[str, Any]:
    """Return whom to run it as: it refuses to run as root."""
    if os.name == "nt" or os.geteuid() != 0:
        return {}
    import pwd

    for name in _USERS:
        with contextlib.suppress(KeyError):
            account = pwd.getpwnam(name)
            return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    raise NoServerError("PostgreSQL does not run as root, and there is no other user")


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a server for as long as the block lasts.

    Raises:
        NoServerError: If it cannot be had here.
    """
    programs, as_user = _programs(), _unprivileged()
    with tempfile.TemporaryDirectory(prefix="holdfast-postgres-") as name:
        folder = Path(name)
        if as_user:
            os.chown(folder, as_user["user"], as_user["group"])
        server = Postgres(programs, folder, as_user)
        server.start()
        try:
            yield server
        finally:
            server.stop()
