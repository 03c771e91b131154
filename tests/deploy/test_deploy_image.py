"""The image, built for real over a base that is made here, and a team's server run from it."""

import os
import re
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.deploy.test_deploy import tool
from tests.servers.running import free_port
from tests.serving.facing import until

ROOT = Path(__file__).parent.parent.parent
PACKAGES = "python3,python3-venv,ca-certificates"
CERTIFICATES = Path("/etc/ssl/certs")
KEY = ("--server-key", "/etc/holdfast/server.key")

pytestmark = pytest.mark.long


class Images:
    """Images and containers in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        place = ("--root", str(folder / "root"), "--runroot", str(folder / "run"))
        self.buildah = (tool("buildah"), *place)

    def call(self, *words: str) -> str:
        command = [*self.buildah, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def build(self, file: Path, tag: str, context: Path, *options: str) -> None:
        named = ("--isolation", "chroot", "--format", "docker", "--network", "host")
        self.call("build", *named, *options, "-f", str(file), "-t", tag, str(context))

    def running(self, container: str, *words: str, health: str = "") -> list[str]:
        named = ("--isolation", "chroot", "--network", "host", "--env", f"HEALTH_URL={health}")
        return [*self.buildah, "run", *named, container, "--", *words]

    def run(
        self, container: str, *words: str, health: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        command = self.running(container, *words, health=health)
        return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    """The image `holdfast`, over Debian with its Python."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("a base is made by root alone")
    folder = tmp_path_factory.mktemp("images")
    kept = Images(folder)
    base = folder / "base"
    command = [
        tool("debootstrap"),
        "--variant=minbase",
        f"--include={PACKAGES}",
        "bookworm",
        str(base),
    ]
    try:
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            pytest.skip(f"no base could be made: {made.stdout[-200:]}")
        (folder / "Base").write_text("FROM scratch\nCOPY base /\n")
        kept.build(folder / "Base", "localhost/base", folder)
        options = ("--build-arg", "BASE=localhost/base", "--build-arg", "EXTRAS=web serve")
        trusted = [path for path in (CERTIFICATES, Path("/etc/pip.conf")) if path.exists()]
        mounted = [word for path in trusted for word in ("-v", f"{path}:{path}:ro")]
        containerfile = ROOT / "deploy" / "Containerfile"
        kept.build(containerfile, "localhost/holdfast", ROOT, *options, *mounted)
        yield kept
    finally:
        subprocess.run([*kept.buildah, "rm", "--all"], capture_output=True, check=False)
        subprocess.run([*kept.buildah, "rmi", "--all"], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def innermost(pid: int) -> int:
    """Return the process that a chain of processes was begun for."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return innermost(int(children[-1])) if children else pid


@pytest.fixture
def container(images: Images) -> str:
    return images.call("from", "localhost/holdfast").strip()


def test_it_runs_as_a_user_who_can_change_nothing_of_it(images: Images, container: str) -> None:
    assert "uid=10001(holdfast)" in images.run(container, "id").stdout
    for folder in ("/opt/holdfast", "/etc", "/usr/bin"):
        assert images.run(container, "touch", f"{folder}/x").returncode != 0
    for folder in ("/srv/models", "/etc/holdfast", "/var/lib/holdfast"):
        assert images.run(container, "touch", f"{folder}/x").returncode == 0
    count = (
        "find /opt/holdfast/lib -name '*.py' | wc -l; find /opt/holdfast/lib -name '*.pyc' | wc -l"
    )
    sources, compiled = map(int, images.run(container, "sh", "-c", count).stdout.split())
    assert sources > 500
    assert compiled >= sources - 5  # compiled before: nobody can write bytecode later


def test_a_team_is_served_from_it_and_its_health_is_told(images: Images, container: str) -> None:
    made = images.run(container, "holdfast", "access", "init", "--admin", "ana", *KEY)
    assert "hft_p_" in made.stdout, made.stderr
    port = free_port()
    health = f"http://127.0.0.1:{port}/livez"
    (probe,) = re.findall(
        r'CMD \["python", "-c", "(.*?)"\]', (ROOT / "deploy" / "Containerfile").read_text()
    )
    assert images.run(container, "python", "-c", probe, health=health).returncode != 0

    command = images.running(container, "holdfast", "web", "--port", str(port), *KEY)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            assert any("serving the registry" in line for line in server.stderr)
            healthy = images.run(container, "python", "-c", probe, health=health)
            assert healthy.returncode == 0, healthy.stderr
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/static/app.css") as answer:
                assert len(answer.read()) > 1000
        finally:
            os.kill(innermost(server.pid), signal.SIGTERM)
    until(lambda: images.run(container, "python", "-c", probe, health=health).returncode != 0)
