"""Install servers for the tests below `.venv/servers`: `python tests/servers/install.py NAME...`.

What cannot be installed here is said and is no failure: its tests are skipped, and say so too.
Ceph comes from Debian's packages (`apt-get install radosgw ceph-mon ceph-osd`), moto with the lock.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).parents[2] / ".venv" / "servers"
NPM = {"azurite": "azurite@3", "s3rver": "s3rver@3.7.1"}
PIP = {
    "gcs-emulator": ["gcp-storage-emulator==2026.7.19", "setuptools<81"],
    "localstack": [
        "localstack-core[base-runtime]==4.14.0",
        "cbor2<5.8",
        "cryptography<45",
        "pyopenssl<25",
        "service_identity==24.2.0",
    ],
}
_NPM_OPTIONS = (
    "--no-audit", "--no-fund", "--loglevel=error", "--fetch-timeout=20000", "--fetch-retries=1",
)  # fmt: skip
_LONGEST_S = 90
"""Where nobody answers, npm would ask for a quarter of an hour."""
PYTHON = {"localstack": "python3.13"}
"""LocalStack says that Python 3.10 will do; its S3 does not even parse there."""


class NotHereError(Exception):
    """What an installation needs is missing."""


def installed(name: str) -> Path | None:
    """Return the folder of an installed server."""
    folder = FOLDER / name
    return folder if (folder / "installed").exists() else None


def install(name: str) -> None:
    """Install a server unless it is there.

    Raises:
        NotHereError: If a tool for that is missing, or the installation fails.
    """
    if installed(name):
        return
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if name in NPM:
        _run(_tool("npm"), "install", "--prefix", str(folder), *_NPM_OPTIONS, NPM[name])
    else:
        uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
        _run(uv, "venv", "--quiet", "--clear", "--python", _python(name), str(folder))
        _run(uv, "pip", "install", "--quiet", "--python", str(folder), *PIP[name])
    (folder / "installed").touch()


def _python(name: str) -> str:
    """Return a Python that runs a server, looked for in the path and among those of pyenv."""
    interpreter = PYTHON.get(name)
    if interpreter is None:
        return sys.executable
    others = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    number = interpreter.removeprefix("python")
    for candidate in (interpreter, *map(str, others.glob(f"{number}.*/bin/{interpreter}"))):
        path = shutil.which(candidate)
        if (
            path
            and subprocess.run([path, "-c", ""], check=False, capture_output=True).returncode == 0
        ):
            return path
    raise NotHereError(f"needs {interpreter}")


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise NotHereError(f"needs {name}")
    return path


def _run(*command: str) -> None:
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=_LONGEST_S
        )
    except subprocess.TimeoutExpired as error:
        raise NotHereError(f"{' '.join(command[:2])} took over {_LONGEST_S} s") from error
    if done.returncode:
        raise NotHereError(f"{' '.join(command[:2])} failed: {(done.stderr or done.stdout)[-300:]}")


def main(names: Sequence[str]) -> None:
    """Install what can be had of *names*."""
    for name in names:
        try:
            install(name)
        except (NotHereError, OSError) as error:
            sys.stderr.write(f"{name}: not installed: {error}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
