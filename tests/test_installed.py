"""What `pip install "holdfast[web,serve]"` puts into an environment that has nothing else."""

import contextlib
import hashlib
import http.cookiejar
import os
import re
import signal
import subprocess
import sys
import tarfile
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "src" / "holdfast" / "web" / "pages"
NO_NETWORK = (
    "NameResolutionError",
    "NewConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
)


def _build(folder: Path, hook: str, target: Path) -> Path:
    """Build what *folder* holds as pip would, without the network, and return the file."""
    program = (
        "import os, sys; from hatchling import build; os.chdir(sys.argv[1]); "
        f"print(build.{hook}(sys.argv[2]))"
    )
    command = [sys.executable, "-c", program, str(folder), str(target)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return target / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the source archive, which is how `make build` makes the one released."""
    folder = tmp_path_factory.mktemp("dist")
    archive = _build(ROOT, "build_sdist", folder)
    with tarfile.open(archive) as opened:
        opened.extractall(folder / "source", filter="data")
    (source,) = (folder / "source").iterdir()
    return _build(source, "build_wheel", folder)


def test_the_wheel_holds_templates_and_static_files_unchanged(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = {
            name: hashlib.sha256(archive.read(name)).hexdigest()
            for name in archive.namelist()
            if name.startswith(("holdfast/web/pages/templates/", "holdfast/web/pages/static/"))
        }
    source = {
        path.relative_to(ROOT / "src").as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("templates", "static")
        for path in (PAGES / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert len(source) > 10
    assert inside == source


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of an environment into which pip installed the wheel and its extras alone."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
    commands = folder / ("Scripts" if os.name == "nt" else "bin")
    done = subprocess.run(
        [str(commands / "python"), "-m", "pip", "install", "-q", f"{wheel}[web,serve]"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and any(word in done.stderr for word in NO_NETWORK):
        pytest.skip("pip reaches no package index from here")
    assert done.returncode == 0, done.stderr
    return commands


def _run(commands: Path, folder: Path, *words: str) -> str:
    done = subprocess.run(
        [str(commands / "holdfast"), *words],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _environment() -> dict[str, str]:
    """Nothing of what runs the tests: neither its modules nor its settings."""
    return {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("HOLDFAST_", "PYTHON", "COVERAGE_", "COV_"))
    }


@contextlib.contextmanager
def _serving(commands: Path, folder: Path) -> Iterator[str]:
    """Run `holdfast web` for one user; give the link that it printed."""
    started = subprocess.Popen(
        [str(commands / "holdfast"), "web", "--port", "0"],
        cwd=folder,
        env=_environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: list[str] = []
    try:
        assert started.stderr is not None
        for line in started.stderr:
            lines.append(line)
            if "HOLDFAST_TOKEN=" in line:
                break
        (link,) = re.findall(r"http://\S+/login/\S+", "".join(lines))
        yield link
    finally:
        started.send_signal(signal.SIGTERM)
        started.communicate(timeout=120)


def test_commands_work_without_what_development_needs(environment: Path, tmp_path: Path) -> None:
    tests_need = "import pytest, httpx"
    needed = subprocess.run(
        [str(environment / "python"), "-c", tests_need], capture_output=True, check=False
    )
    assert needed.returncode == 1

    assert "--server-key FILE" in _run(environment, tmp_path, "web", "--help")
    assert "--drain SECONDS" in _run(environment, tmp_path, "serve", "--help")
    _run(environment, tmp_path, "init", "store")
    assert "local" in _run(environment, tmp_path, "web", "check")


def test_the_pages_and_their_files_are_served(environment: Path, tmp_path: Path) -> None:
    _run(environment, tmp_path, "init", "store")
    with _serving(environment, tmp_path) as link:
        origin, _, secret = link.partition("/login/")
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        browser = urllib.request.build_opener(urllib.request.ProxyHandler({}), jar)
        form = urllib.parse.urlencode({"link": secret}).encode()
        front = browser.open(f"{origin}/login/link", form).read().decode()
        files = {
            name: browser.open(f"{origin}/static/{name}").read() for name in ("app.css", "app.js")
        }

    assert "holdfast register" in front
    assert files == {name: (PAGES / "static" / name).read_bytes() for name in files}


def test_a_team_can_be_served(environment: Path, tmp_path: Path) -> None:
    """Its entries are signed, so what signs comes with the extra."""
    _run(environment, tmp_path, "init", "store")
    _run(environment, tmp_path, "key", "new", "server")
    key = ("--server-key", "server.key")

    assert "hft_p_" in _run(environment, tmp_path, "access", "init", "--admin", "ana", *key)
    assert "team" in _run(environment, tmp_path, "web", "check", *key)
