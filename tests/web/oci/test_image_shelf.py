"""Container images of versions: put together from blobs, whole or not at all."""

import http.client
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.web.facing import TOKEN, Served, running
from tests.web.oci.docker_api import Pusher, code, digest

import holdfast
from holdfast.store import layout

DATA = b"weights" * 500_000


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    registry = holdfast.open(tmp_path / "store", by="ana")
    model = tmp_path / "bert"
    (model / "onnx").mkdir(parents=True)
    (model / "config.json").write_text("{}")
    (model / "onnx" / "weights.bin").write_bytes(DATA)
    registry.promote(registry.register("team/bert", model).ref)
    with running(tmp_path / "store") as served:
        yield served


def image(pusher: Pusher, tag: str) -> dict[str, str]:
    """Return the digests of an image's layers, once all its documents were pulled and checked."""
    index = pusher.ask("GET", f"/manifests/{tag}")
    assert index.status == 200, index.body
    assert pusher.ask("GET", f"/manifests/{digest(index.body)}").body == index.body
    layers = {}
    for entry in index.json["manifests"]:
        manifest = pusher.ask("GET", f"/manifests/{entry['digest']}")
        assert digest(manifest.body) == entry["digest"]
        config = pusher.ask("GET", f"/blobs/{manifest.json['config']['digest']}")
        assert digest(config.body) == manifest.json["config"]["digest"]
        for layer, past in zip(manifest.json["layers"], config.json["history"], strict=True):
            head = pusher.ask("HEAD", f"/blobs/{layer['digest']}")
            assert head.headers["content-length"] == str(layer["size"])
            layers[past["created_by"].removeprefix("holdfast: ")] = layer["digest"]
    return layers


def test_a_layer_has_the_digest_that_it_is_said_to_have(served: Served) -> None:
    pusher = Pusher(served, "team/bert")
    layers = image(pusher, "Image-production")

    assert sorted(layers) == ["config.json", "onnx/weights.bin"]
    for wanted in layers.values():
        pulled = pusher.ask("GET", f"/blobs/{wanted}")
        assert digest(pulled.body) == pulled.headers["docker-content-digest"] == wanted
    assert image(pusher, "Image-1.x") == layers


def test_another_server_knows_an_image_by_digest(served: Served, tmp_path: Path) -> None:
    index = Pusher(served, "team/bert").ask("GET", "/manifests/Image-1.0.0").body
    with running(tmp_path / "store") as again:
        other = Pusher(again, "team/bert")

        assert other.ask("GET", f"/manifests/{digest(index)}").body == index
        recipe = tmp_path / "store" / layout.image(layout.model("team/bert"), "1.0.0")
        assert set(json.loads(recipe.read_text())["layers"]) == {"config.json", "onnx/weights.bin"}
    recipe.write_text("broken")
    with running(tmp_path / "store", read_only=True) as again:
        other = Pusher(again, "team/bert")
        assert other.ask("GET", f"/manifests/{digest(index)}").status == 404
        assert other.ask("GET", "/manifests/Image-1.0.0").body == index
    recipe.write_text(json.dumps({"manifest": "a" * 64, "layers": {}}))
    with running(tmp_path / "store", read_only=True) as again:
        assert Pusher(again, "team/bert").ask("GET", f"/manifests/{digest(index)}").status == 404
    assert served.registry.verify().damages == ()


def test_images_that_are_not_there_are_not_found(served: Served) -> None:
    pusher = Pusher(served, "team/bert")

    for tag in ("Image-9.9.9", "Image-", "Image-nobody", "image-1.0.0"):
        answer = pusher.ask("GET", f"/manifests/{tag}")
        assert (answer.status, code(answer)) == (404, "MANIFEST_UNKNOWN")
    assert pusher.put("Image-1.0.0", pusher.manifest({"a": b"a"})).status == 404


def blob(tmp_path: Path, served: Served) -> Path:
    files = served.registry.manifest("team/bert@1.0.0").files
    sha256 = max(files, key=lambda file: file.size_bytes).sha256
    return tmp_path / "store" / "blobs" / "sha256" / sha256


def test_a_flipped_bit_gets_no_digest_and_is_not_handed_out(served: Served, tmp_path: Path) -> None:
    pusher = Pusher(served, "team/bert")
    file = blob(tmp_path, served)
    file.chmod(0o600)
    file.write_bytes(DATA[:-1] + b"x")
    refused = pusher.ask("GET", "/manifests/Image-1.0.0")
    assert (refused.status, "has changed" in refused.body.decode()) == (500, True)
    file.write_bytes(DATA)
    layers = image(pusher, "Image-1.0.0")
    file.write_bytes(DATA[:-1] + b"x")

    with pytest.raises(http.client.IncompleteRead):
        pusher.ask("GET", f"/blobs/{layers['onnx/weights.bin']}")
    file.unlink()
    assert pusher.ask("GET", f"/blobs/{layers['onnx/weights.bin']}").status == 404


def test_a_file_that_is_missing_is_said(served: Served, tmp_path: Path) -> None:
    blob(tmp_path, served).unlink()

    answer = Pusher(served, "team/bert").ask("GET", "/manifests/Image-1.0.0")
    assert (answer.status, "is missing" in answer.body.decode()) == (500, True)


SKOPEO, UMOCI = shutil.which("skopeo"), shutil.which("umoci")


@pytest.mark.skipif(SKOPEO is None or UMOCI is None, reason="skopeo or umoci is not installed")
def test_umoci_unpacks_what_skopeo_pulled(served: Served, tmp_path: Path) -> None:
    source = f"docker://127.0.0.1:{served.port}/team/bert:Image-production"
    at = f"{tmp_path / 'image'}:one"
    signed_in = ["--src-tls-verify=false", f"--src-creds=anybody:{TOKEN}"]
    copy = [str(SKOPEO), "--insecure-policy", "--override-arch=arm64", "copy", *signed_in]
    subprocess.run([*copy, source, f"oci:{at}"], check=True)
    unpack = [str(UMOCI), "unpack", "--rootless", "--image", at, str(tmp_path / "bundle")]
    subprocess.run(unpack, check=True)

    models = tmp_path / "bundle" / "rootfs" / "models"
    assert (models / "onnx" / "weights.bin").read_bytes() == DATA
    assert (models / "config.json").read_text() == "{}"
