"""A version as a container image: layers that are real archives, digests that stay."""

import io
import json
import tarfile

import pytest

from holdfast.core.manifest import digest_of
from holdfast.gateways.oci.image_view import ImageLayer, documents, ends


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513])
@pytest.mark.parametrize("path", ["model.bin", "a/b/c.bin", "n" * 120, "é/ü.bin", "x/" * 90 + "y"])
def test_a_layer_is_an_archive_of_one_file_below_models(path: str, size: int) -> None:
    before, after = ends(path, size)
    raw = before + b"x" * size + after
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        members = archive.getmembers()
        content = archive.extractfile(members[-1])
        assert content is not None
        assert content.read() == b"x" * size

    assert members[-1].name == f"models/{path}"
    assert all(member.isdir() for member in members[:-1])
    assert {member.mtime for member in members} == {0}
    assert len(raw) % 512 == 0
    assert len(raw) == ImageLayer(path, "a" * 64, size, "b" * 64).length


def test_equal_versions_give_equal_images_for_ever() -> None:
    layers = [ImageLayer("model.bin", "a" * 64, 3, "b" * 64)]
    made = documents(layers, "2026-03-03T14:00:00Z", {})

    assert made == documents(layers, "2026-03-03T14:00:00Z", {})
    # people pin this digest
    assert (
        digest_of(made.index) == "207ca89afb2aecedcf443e5db6499fb8583ba75ada443b81d5f0ed6d00595fb7"
    )
    platforms = [entry["platform"] for entry in json.loads(made.index)["manifests"]]
    assert platforms == [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm64", "os": "linux"},
    ]
    for raw in made.manifests.values():
        document = json.loads(raw)
        config = json.loads(made.configs[document["config"]["digest"].removeprefix("sha256:")])
        assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in document["layers"]]
