"""The real `git-lfs` with a Holdfast as its server: what is pushed, registered, and pulled."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.web.facing import Served
from tests.web.teams import Team

import holdfast

pytestmark = pytest.mark.skipif(
    shutil.which("git-lfs") is None, reason="git-lfs is not installed (apt-get install git-lfs)"
)
WEIGHTS = bytes(range(256)) * 5_000


@dataclass
class Work:
    """A team's server, and a Git repository whose large files are to be there."""

    folder: Path
    team: Team
    served: Served

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.served.port}/team/bert.git/info/lfs"

    def git(self, where: str, *words: str, token: str | None = None) -> str | None:
        """Run git; return what it printed, `None` if it failed."""
        secret = f'!f() {{ echo username=me; echo "password={token}"; }}; f' if token else ""
        options = ("-c", f"credential.helper={secret}", "-c", "user.name=A", "-c", "user.email=a@x")
        place = str(self.folder / where)
        done = subprocess.run(
            ["git", "-c", "init.defaultBranch=main", *options, "-C", place, *words],
            env=os.environ | {"GIT_TERMINAL_PROMPT": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return None if done.returncode else done.stdout + done.stderr

    def clone(self, where: str, token: str | None) -> Path:
        """Clone the repository, its large files too; those that do not come are missing."""
        shutil.rmtree(self.folder / where, ignore_errors=True)
        self.git(".", "clone", "--quiet", "remote.git", where, token=token)
        return self.folder / where / "model" / "w.bin"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Work]:
    folder = tmp_path_factory.mktemp("lfs")
    team = Team(folder / "team")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        with team.served() as served:
            made = Work(folder, team, served)
            (folder / "mine" / "model").mkdir(parents=True)
            (folder / "mine" / "model" / "w.bin").write_bytes(WEIGHTS)
            (folder / "mine" / "model" / "config.json").write_text("{}")
            made.git(".", "lfs", "install")
            made.git(".", "init", "--quiet", "--bare", "remote.git")
            made.git("mine", "init", "--quiet")
            made.git("mine", "lfs", "track", "*.bin")
            made.git("mine", "config", "-f", ".lfsconfig", "lfs.url", made.url)
            made.git("mine", "add", "--all")
            made.git("mine", "commit", "--quiet", "--message", "one")
            made.git("mine", "remote", "add", "origin", "../remote.git")
            yield made


def test_what_is_pushed_is_pulled_once_a_version_has_it(work: Work) -> None:
    registrar = work.team.member("rolf", "registrar", "team/*")
    viewer = work.team.member("vera", "viewer", "team/*")
    stranger = work.team.member("sten", "viewer", "other/*")
    blobs = work.folder / "team" / "store" / "blobs" / "sha256"

    assert work.git("mine", "push", "origin", "main", token=None) is None
    assert work.git("mine", "push", "origin", "main", token=viewer) is None
    assert not blobs.exists() or not list(blobs.iterdir())
    assert work.git("mine", "push", "origin", "main", token=registrar) is not None

    assert len(list(blobs.iterdir())) == 1
    assert not work.clone("early", viewer).exists()  # no version has it yet
    before = sum(path.stat().st_size for path in blobs.iterdir())
    registry = holdfast.open(work.folder / "team" / "store", by="rolf")
    registry.register("team/bert", work.folder / "mine" / "model")
    after = sum(path.stat().st_size for path in blobs.iterdir())
    assert after - before < 10_000  # a manifest and a small file: no byte twice
    assert work.clone("late", viewer).read_bytes() == WEIGHTS
    assert not work.clone("strange", stranger).exists()
    assert not work.clone("nobody", None).exists()

    blob = next(path for path in blobs.iterdir() if path.stat().st_size == len(WEIGHTS))
    blob.chmod(0o600)
    blob.write_bytes(b"\xff" + WEIGHTS[1:])
    assert not work.clone("flipped", viewer).exists()
