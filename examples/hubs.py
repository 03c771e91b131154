"""One model, every client: `make demo-hubs`.

A tiny model of transformers is pushed with huggingface_hub, pulled with skopeo, imported with DVC,
loaded with transformers and promoted with Holdfast; every client follows, and GTO shows it. No
byte is stored twice. A client that is not installed is left out, and the demo says so. All is in
./demo-hubs; the clients are in .venv/clients.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import holdfast
from holdfast.core.wording import size
from holdfast.gateways.gto import gto_export
from holdfast.gateways.gto.git_repository import GitRepository

HERE: Final = Path("demo-hubs").absolute()
STORE: Final = HERE / "store"
REPO: Final = "team/tiny"
TOKEN: Final = "only-for-this-demo-on-this-machine"  # noqa: S105 - of a server that ends with it
CLIENTS: Final = Path(sys.prefix, "clients", "bin").absolute()
PROGRAM: Final = Path(__file__).with_name("hubs_client.py")
FOUND: Final = f"{CLIENTS}{os.pathsep}{os.environ.get('PATH', '')}"


def main() -> int:
    """Play the story; return 0 if every chapter that could be played ended as it should."""
    shutil.rmtree(HERE, ignore_errors=True)  # what the last run left
    HERE.mkdir()
    holdfast.open(STORE).init()
    missing = [name for name in ("skopeo", "git", "dvc", "gto") if tool(name) is None]
    missing += [name for name in ("huggingface_hub", "transformers") if not has(name)]
    for name in missing:
        print(f"{name} is not installed here: its part is left out")
    print(f"The store has {size(stored())}")
    with server() as port:
        story = Story(port, set(missing))
        told = [story.first(), story.read("1.0.0"), story.second(), story.read("1.1.0")]
        told += [story.named(), story.kept()]
    print(
        "\nEvery client saw the same bytes" if all(told) else "\nSomething is not as it should be"
    )
    return 0 if all(told) else 1


class Story:
    """The chapters, for clients of the server at one port."""

    def __init__(self, port: int, missing: set[str]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.host = f"127.0.0.1:{port}"
        self.missing = missing
        self.answers: dict[str, str] = {}
        self.registry = holdfast.open(STORE, by="ana")

    def first(self) -> bool:
        """Push the first version, and promote it."""
        print("\n1. Made, pushed with huggingface_hub, promoted with Holdfast")
        return self.push("1.0.0", seed=1)

    def second(self) -> bool:
        """Push and promote the next one."""
        print("\n3. A second version goes the same way")
        return self.push("1.1.0", seed=2)

    def push(self, version: str, seed: int) -> bool:
        """Push a version and make it live; say how the store grew."""
        before = stored()
        folder = HERE / f"made-{seed}"
        kind = self.client("made", str(folder), str(seed))["kind"]
        files = sum(path.stat().st_size for path in folder.iterdir())
        print(f"   {kind}: {size(files)}")
        if "huggingface_hub" in self.missing:
            print("   registered with Holdfast instead")
            self.registry.register(REPO, folder)
        else:
            done = self.client("pushed", str(folder), REPO)
            print(f"   huggingface_hub {done['client']} pushed commit {done['commit'][:12]}")
        self.registry.promote(f"{REPO}@{version}", reason="the demo says so")
        after = stored()
        print(f"   {REPO}@{version} is live; the store has {size(after)}, {size(before)} before")
        return self.live() == version and after - before < files + 100_000

    def read(self, version: str) -> bool:
        """Read what is live by each client; all see one version's bytes."""
        print(f"\n{2 if version == '1.0.0' else 4}. Every client reads `production`")
        before = stored()
        truth = {
            file.path.removeprefix("model/"): file.sha256
            for file in self.registry.manifest(f"{REPO}@{version}").files
        }
        told = [self.hub(truth), self.load(version), self.skopeo(truth), self.dvc(truth)]
        print(f"   the store has {size(stored())}, {size(before)} before they read")
        return all(told)

    def hub(self, truth: dict[str, str]) -> bool:
        """Download by the Hub's client."""
        if "huggingface_hub" in self.missing:
            return True
        seen = self.client("pulled", REPO, "production")
        commit = seen.pop("commit")
        same = truth.items() <= seen.items()
        print(f"   huggingface_hub  commit {commit[:12]}, {answer(same)}")
        return same

    def load(self, version: str) -> bool:
        """Load and ask by transformers: the alias answers as the version does."""
        if not self.missing.isdisjoint(("transformers", "huggingface_hub")):
            return True
        live, exact = (self.client("loaded", REPO, name) for name in ("production", version))
        others = [told for name, told in self.answers.items() if name != version]
        self.answers[version] = live["sum"]
        same = live["sum"] == exact["sum"] and live["sum"] not in others
        print(f"   transformers     {live['client']} answers {live['sum']}, {answer(same)}")
        return same

    def skopeo(self, truth: dict[str, str]) -> bool:
        """Pull as an OCI artifact."""
        if "skopeo" in self.missing:
            return True
        target = HERE / "pulled-by-skopeo"
        shutil.rmtree(target, ignore_errors=True)
        options = ("--insecure-policy", "copy", "--quiet", "--src-tls-verify=false")
        source = f"docker://{self.host}/{REPO}:production"
        run(tool("skopeo"), *options, f"--src-creds=me:{TOKEN}", source, f"dir:{target}")
        document = json.loads((target / "manifest.json").read_text())
        files = {layer["digest"].partition(":")[2] for layer in document["layers"]}
        same = set(truth.values()) <= files and all(digest(target / name) == name for name in files)
        print(f"   skopeo           {len(files)} layers, {answer(same)}")
        return same

    def dvc(self, truth: dict[str, str]) -> bool:
        """Import by DVC, and update what was imported before."""
        if not self.missing.isdisjoint(("dvc", "git")):
            return True
        project, name = HERE / "project", next(name for name in truth if name != "config.json")
        if project.exists():
            self.ask_dvc("update", f"{name}.dvc")
        else:
            project.mkdir()
            run(tool("git"), "init", "--quiet", cwd=project)
            self.ask_dvc("init", "--quiet")
            settings = {"auth": "custom", "custom_auth_header": "Authorization"}
            self.ask_dvc("remote", "add", "holdfast", self.url)
            for key, text in (settings | {"password": f"Bearer {TOKEN}"}).items():
                self.ask_dvc("remote", "modify", "--local", "holdfast", key, text)
            self.ask_dvc("import-url", f"remote://holdfast/{REPO}/resolve/production/{name}")
        same = digest(project / name) == truth[name]
        print(f"   DVC              {name}, {answer(same)}")
        return same

    def ask_dvc(self, *words: str) -> None:
        """Run DVC in the project."""
        run(tool("dvc"), *words, cwd=HERE / "project")

    def named(self) -> bool:
        """Show what GTO makes of the history."""
        if not self.missing.isdisjoint(("git", "gto")):
            return True
        print("\n5. The same history as a GTO registry")
        folder = HERE / "registry"
        run(tool("git"), "init", "--quiet", str(folder))
        done = gto_export.export(self.registry, REPO, GitRepository(folder), self.url)
        shown = run(tool("gto"), "show", cwd=folder)
        print("\n".join(f"   {line}" for line in shown.splitlines()))
        return done.versions == 2 and "v1.1.0" in shown  # noqa: PLR2004 - as many as were pushed

    def kept(self) -> bool:
        """Say what is stored: each content once, every byte as it was written."""
        blobs = [path for path in (STORE / "blobs" / "sha256").iterdir() if path.is_file()]
        same = all(digest(path) == path.name for path in blobs)
        print(f"\nThe store has {size(stored())}: {len(blobs)} contents, each once")
        return same and self.registry.verify().whole

    def live(self) -> str:
        """Return the version that is live."""
        return self.registry.resolve(f"{REPO}@production").version

    def client(self, *words: str) -> dict[str, str]:
        """Have the Hub's clients do something in their own environment."""
        python = CLIENTS / "python"
        command = [str(python) if python.exists() else sys.executable, str(PROGRAM), *words]
        told: dict[str, str] = json.loads(run(*command, env=environment(self.url)))
        return told


def run(*command: str | None, cwd: Path = HERE, env: dict[str, str] | None = None) -> str:
    """Run a client and return what it printed; what it complained of is shown if it failed."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=env or environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        shown = " ".join(str(word).replace(TOKEN, "…") for word in command)
        raise SystemExit(f"{shown} failed:\n{done.stderr}")
    return done.stdout


def environment(url: str | None = None) -> dict[str, str]:
    """Return what clients are told: no telemetry, and caches that go with the demo."""
    quiet = {"DVC_NO_ANALYTICS": "1", "DO_NOT_TRACK": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    quiet |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HOME": str(HERE / "hf"), "PATH": FOUND}
    hub = {"HF_ENDPOINT": url, "HF_TOKEN": TOKEN} if url is not None else {}
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("HF_", "GIT_"))}
    return kept | quiet | hub


def tool(name: str) -> str | None:
    """Return where a program is, among the clients first."""
    return shutil.which(name, path=FOUND)


def has(package: str) -> bool:
    """Tell whether the clients' environment has a package."""
    python = CLIENTS / "python"
    words = [str(python) if python.exists() else sys.executable, "-c", f"import {package}"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def answer(same: bool) -> str:  # noqa: FBT001 - one question
    """Say whether bytes are those that were pushed."""
    return "the same bytes" if same else "OTHER BYTES"


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def stored() -> int:
    """Count the bytes of the store; a file that has several names is counted once."""
    files: dict[tuple[int, int], int] = {}
    for path in STORE.rglob("*"):
        about: Any = path.lstat()
        if path.is_file():
            files[about.st_dev, about.st_ino] = about.st_size
    return sum(files.values())


@contextlib.contextmanager
def server() -> Iterator[int]:
    """Run `holdfast web` for the store; give its port."""
    command = [sys.executable, "-m", "holdfast", "web", "--store", str(STORE), "--port", "0"]
    started = subprocess.Popen(
        command, env=environment() | {"HOLDFAST_TOKEN": TOKEN}, stderr=subprocess.PIPE, text=True
    )
    try:
        assert started.stderr is not None  # noqa: S101 - as asked
        for line in started.stderr:
            found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
            if found:
                break
        else:
            raise SystemExit("holdfast web did not start")
        yield int(found[1])
    finally:
        started.terminate()
        started.communicate(timeout=60)


if __name__ == "__main__":
    raise SystemExit(main())
