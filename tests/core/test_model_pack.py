"""A version as an OCI artifact: the same bytes for ever."""

import json

from tests.core.test_shown_paths import manifest

from holdfast.core import model_pack
from holdfast.core.manifest import digest_of
from holdfast.core.model_pack import pack


def test_equal_manifests_give_equal_bytes_for_ever() -> None:
    version = manifest(model=("model.safetensors",), preprocessor=("preprocessor.joblib",))
    made = pack(version, "f" * 64, 7)

    assert made == pack(version, "f" * 64, 7)
    # people pin this digest: if it changes, what they pinned is no longer there
    assert made.digest == "b11adae97b005f6c7a9558e8d511a26e31af8af5425f9b4b2991039fb7f7e174"


def test_each_file_is_a_layer_under_the_path_that_clients_write() -> None:
    version = manifest(model=("model/config.json", "model/weights.bin"), code=("code/a.py",))
    document = json.loads(pack(version, "f" * 64, 7).manifest)

    layers = {
        layer["annotations"][model_pack.FILE_PATH]: layer["mediaType"].removeprefix(
            "application/vnd.cncf.model."
        )
        for layer in document["layers"]
    }
    assert layers == {
        "manifest.json": "doc.v1.raw",
        "code/a.py": "code.v1.raw",
        "config.json": "weight.config.v1.raw",
        "weights.bin": "weight.v1.raw",
    }
    assert document["layers"][0]["digest"] == f"sha256:{'f' * 64}"
    assert all(
        layer["annotations"][model_pack.TITLE] == layer["annotations"][model_pack.FILE_PATH]
        for layer in document["layers"]
    )


def test_the_config_says_what_the_model_is() -> None:
    version = manifest(model=("model.onnx",))
    made = pack(version, "f" * 64, 7)
    config = json.loads(made.config)

    assert json.loads(made.manifest)["config"]["digest"] == f"sha256:{digest_of(made.config)}"
    assert config["descriptor"]["createdAt"] == version.registered_at
    assert config["config"] == {"format": "folder"}
    assert len(config["modelfs"]["diffIds"]) == 2


def test_documents_that_were_pushed_are_found() -> None:
    pushed = manifest(model=("model.onnx",), oci=("oci/config.json", "oci/manifest.json"))
    file = model_pack.pushed_file(pushed)

    assert file is not None
    assert file.path == model_pack.MANIFEST_FILE
    assert model_pack.pushed_file(manifest(model=("model.onnx",))) is None
