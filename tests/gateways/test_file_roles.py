"""The artifacts that clients' files make."""

import hashlib

import pytest

from holdfast.core.manifest import Artifact, File, Manifest
from holdfast.gateways.file_roles import artifacts_of


def file(path: str) -> File:
    return File(path, hashlib.sha256(path.encode()).hexdigest(), len(path))


def made(*paths: str, base: Manifest | None = None) -> dict[str, tuple[str, list[str]]]:
    artifacts = artifacts_of({path: file(path) for path in paths}, base)
    return {
        role: (artifact.path, [item.path for item in artifact.files])
        for role, artifact in artifacts.items()
    }


def manifest(**artifacts: Artifact) -> Manifest:
    return Manifest(
        name="iris", version="1.0.0", number=1, registered_at="2026-03-03T14:00:00.000000Z",
        registered_by="ana", artifacts=artifacts,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("paths", "roles"),
    [
        (["w.onnx"], {"model": ("w.onnx", ["w.onnx"])}),
        (
            ["README.md", ".gitattributes", "LICENSE", "w.onnx"],
            {
                "gitattributes": (".gitattributes", [".gitattributes"]),
                "license": ("LICENSE", ["LICENSE"]),
                "model": ("w.onnx", ["w.onnx"]),
                "readme": ("README.md", ["README.md"]),
            },
        ),
        (
            ["model.joblib", "preprocessor.joblib"],
            {
                "model": ("model.joblib", ["model.joblib"]),
                "preprocessor": ("preprocessor.joblib", ["preprocessor.joblib"]),
            },
        ),
        (
            ["config.json", "model.safetensors"],
            {"model": ("model", ["model/config.json", "model/model.safetensors"])},
        ),
        (["deep/w.bin"], {"model": ("model", ["model/deep/w.bin"])}),
        (["README.md"], {"model": ("model", ["model/README.md"])}),
    ],
)
def test_files_make_artifacts(paths: list[str], roles: dict[str, tuple[str, list[str]]]) -> None:
    assert made(*paths) == roles


def test_what_a_version_had_keeps_its_role() -> None:
    base = manifest(
        model=Artifact("model.joblib", "joblib", (file("model.joblib"),)),
        tokenizer=Artifact("tokenizer", "folder", (file("tokenizer/a"), file("tokenizer/b"))),
    )
    paths = "model.joblib", "tokenizer/a", "tokenizer/c", "notes.txt", "more/x", "more/y", "code.py"

    assert made(*paths, base=base) == {
        "model": ("model.joblib", ["model.joblib"]),
        "tokenizer": ("tokenizer", ["tokenizer/a", "tokenizer/c"]),
        "notes": ("notes.txt", ["notes.txt"]),
        "more": ("more", ["more/x", "more/y"]),
        "code-files": ("code.py", ["code.py"]),
    }
    kept = artifacts_of({"model.joblib": file("model.joblib")}, base)
    assert kept["model"].format == "joblib"


def test_roles_of_like_names_are_told_apart() -> None:
    base = manifest(model=Artifact("model.bin", "file", (file("model.bin"),)))

    roles = made("model.bin", "a.txt", "a.json", "1.txt", "manifest.txt", "oci.txt", base=base)

    assert set(roles) == {"model", "a", "a-2", "file-1", "manifest-files", "oci-files"}
