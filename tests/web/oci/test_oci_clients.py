"""Real clients over the distribution API: skopeo, umoci and oras, unmodified."""

import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.web.facing import TOKEN, Served, running

import holdfast

SKOPEO, UMOCI = shutil.which("skopeo"), shutil.which("umoci")
needs_skopeo = pytest.mark.skipif(SKOPEO is None, reason="skopeo is not installed")
needs_umoci = pytest.mark.skipif(UMOCI is None, reason="umoci is not installed")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("clients")
    registry = holdfast.open(folder / "store", by="ana")
    for text in ("one", "two"):
        (folder / "model.txt").write_text(text)
        registry.register("team/iris", folder / "model.txt", metrics={"auc": 0.9})
    registry.promote("team/iris@1.0.0")
    with running(folder / "store") as served:
        yield served


def skopeo(*words: str, token: str | None = TOKEN) -> subprocess.CompletedProcess[str]:
    """Run one command; a copy takes the token on the side that is a registry."""
    command, *rest = words
    source = rest[0].startswith("docker://")
    side = "" if command != "copy" else "src-" if source else "dest-"
    options = [f"--{side}tls-verify=false"]
    options += [f"--{side}creds=anybody:{token}"] if token is not None else []
    done = [str(SKOPEO), "--insecure-policy", command, *options, *rest]
    return subprocess.run(done, capture_output=True, text=True, check=False, timeout=120)


def files_in(folder: Path) -> dict[str, bytes]:
    """Return what `skopeo copy … dir:` wrote, by title."""
    document = json.loads((folder / "manifest.json").read_text())
    return {
        layer["annotations"]["org.opencontainers.image.title"]: (
            folder / layer["digest"].removeprefix("sha256:")
        ).read_bytes()
        for layer in document["layers"]
    }


@needs_skopeo
def test_skopeo_pulls_what_is_in_production(served: Served, tmp_path: Path) -> None:
    at = f"docker://127.0.0.1:{served.port}"
    done = skopeo("copy", f"{at}/team/iris:production", f"dir:{tmp_path / 'out'}")
    tags = skopeo("list-tags", f"{at}/team/iris")

    assert done.returncode == 0, done.stderr
    assert files_in(tmp_path / "out")["model.txt"] == b"one"
    assert json.loads(tags.stdout)["Tags"] == ["1.0.0", "1.1.0", "latest", "production"]


@needs_skopeo
@pytest.mark.parametrize("token", [None, "wrong"])
def test_skopeo_without_a_token_is_refused(
    served: Served, tmp_path: Path, token: str | None
) -> None:
    source = f"docker://127.0.0.1:{served.port}/team/iris:production"
    done = skopeo("copy", source, f"dir:{tmp_path / 'out'}", token=token)

    assert done.returncode != 0
    assert "unauthorized" in done.stderr


@needs_skopeo
def test_skopeo_carries_a_version_from_one_registry_to_another(
    served: Served, tmp_path: Path
) -> None:
    source = f"docker://127.0.0.1:{served.port}/team/iris:1.1.0"
    assert skopeo("copy", source, f"dir:{tmp_path / 'out'}").returncode == 0
    holdfast.open(tmp_path / "store", by="bo").init()
    with running(tmp_path / "store") as other:
        target = f"docker://127.0.0.1:{other.port}/copied/iris"
        for tag in ("1.1.0", "1.1.0", "production"):
            done = skopeo("copy", f"dir:{tmp_path / 'out'}", f"{target}:{tag}")
            assert done.returncode == 0, done.stderr
        refused = skopeo("copy", f"dir:{tmp_path / 'out'}", f"{target}:latest")
        back = skopeo("copy", f"{target}:production", f"dir:{tmp_path / 'back'}")

        assert (refused.returncode != 0, back.returncode) == (True, 0)
        assert "is set by Holdfast alone" in refused.stderr
        here, there = other.registry, served.registry
        assert here.manifest("copied/iris@1.1.0").metrics == {"auc": 0.9}
        assert [info.version for info in here.versions("copied/iris")] == ["1.1.0"]
        first, second = (
            folder / "manifest.json" for folder in (tmp_path / "out", tmp_path / "back")
        )
        assert first.read_bytes() == second.read_bytes()
        assert (
            here.manifest("copied/iris@1.1.0").artifacts["model"]
            == there.manifest("team/iris@1.1.0").artifacts["model"]
        )
        here.keep_layout()
        layout = f"oci:{tmp_path / 'store'}:copied/iris:production"
        assert skopeo("copy", layout, f"dir:{tmp_path / 'again'}").returncode == 0
        assert here.verify().damages == ()


@needs_skopeo
def test_skopeo_is_told_why_a_container_image_is_refused(served: Served, tmp_path: Path) -> None:
    if UMOCI is None:
        pytest.skip("umoci, which makes the image, is not installed")
    image = str(tmp_path / "image")
    subprocess.run([UMOCI, "init", "--layout", image], check=True)
    subprocess.run([UMOCI, "new", "--image", f"{image}:one"], check=True)
    (tmp_path / "file").write_text("x")
    with tarfile.open(tmp_path / "layer.tar", "w") as tar:
        tar.add(tmp_path / "file", "file")
    added = [UMOCI, "raw", "add-layer", "--image", f"{image}:one", str(tmp_path / "layer.tar")]
    subprocess.run(added, check=True)
    done = skopeo("copy", f"oci:{image}:one", f"docker://127.0.0.1:{served.port}/image:1.0.0")

    assert done.returncode != 0
    assert "container image" in done.stderr


def oras(served: Served) -> Any:
    """Return the client, signed in."""
    library = pytest.importorskip("oras.client", reason="oras-py is not installed")
    client = library.OrasClient(hostname=f"127.0.0.1:{served.port}", insecure=True)
    client.auth.set_basic_auth("anybody", TOKEN)
    return client


@pytest.mark.filterwarnings("ignore")
def test_oras_pushes_and_pulls(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, at = oras(served), f"127.0.0.1:{served.port}"
    monkeypatch.chdir(tmp_path)
    Path("model.txt").write_text("pushed by oras")
    client.push(target=f"{at}/oras/model:1.0.0", files=["model.txt"])
    pulled = client.pull(target=f"{at}/oras/model:1.x", outdir=str(tmp_path / "out"))

    assert [Path(path).read_text() for path in pulled] == ["pushed by oras"]
    assert served.registry.manifest("oras/model@1.0.0").artifacts["model"].path == "model.txt"
    assert client.get_tags(f"{at}/oras/model") == ["1.0.0", "latest"]


@pytest.mark.filterwarnings("ignore")
def test_oras_pulls_a_version_with_its_facts(served: Served, tmp_path: Path) -> None:
    client = oras(served)
    target = f"127.0.0.1:{served.port}/team/iris:1.1.0"
    client.pull(target=target, outdir=str(tmp_path))

    assert (tmp_path / "model.txt").read_text() == "two"
    assert json.loads((tmp_path / "manifest.json").read_text())["metrics"] == {"auc": 0.9}


@pytest.mark.filterwarnings("ignore")
def test_oras_which_checks_no_digest_gets_no_flipped_bit(tmp_path: Path) -> None:
    registry = holdfast.open(tmp_path / "store", by="ana")
    (tmp_path / "model.bin").write_bytes(b"x" * (9 << 20))
    registry.register("iris", tmp_path / "model.bin")
    sha256 = registry.manifest("iris@1.0.0").files[0].sha256
    blob = tmp_path / "store" / "blobs" / "sha256" / sha256
    blob.chmod(0o600)
    blob.write_bytes(b"x" * ((9 << 20) - 1) + b"y")
    with running(tmp_path / "store") as served:
        client = oras(served)
        with pytest.raises(Exception, match=r"IncompleteRead|ended|has changed|500|broken"):
            client.pull(target=f"127.0.0.1:{served.port}/iris:1.0.0", outdir=str(tmp_path / "out"))
