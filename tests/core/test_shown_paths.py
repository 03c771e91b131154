"""The paths by which other registries' clients know the files of a version."""

from holdfast.core.manifest import Artifact, File, Manifest
from holdfast.core.shown_paths import shown_files


def manifest(**artifacts: tuple[str, ...]) -> Manifest:
    """Make a manifest whose artifacts have files of these paths."""
    made = {
        role: Artifact(
            paths[0] if len(paths) == 1 and "/" not in paths[0] else role,
            "folder",
            tuple(File(path, f"{number:064x}", number) for number, path in enumerate(paths, 1)),
        )
        for role, paths in artifacts.items()
    }
    return Manifest(
        name="iris",
        version="1.0.0",
        number=1,
        registered_at="2026-03-03T14:00:00.000000Z",
        registered_by="ana",
        artifacts=made,
    )


def test_files_keep_the_paths_of_the_versions_folder() -> None:
    shown = shown_files(manifest(model=("model.joblib",), preprocessor=("preprocessor.joblib",)))

    assert list(shown) == ["model.joblib", "preprocessor.joblib"]


def test_a_folder_that_is_the_model_stands_at_the_top() -> None:
    shown = shown_files(
        manifest(model=("model/config.json", "model/onnx/a.onnx"), code=("code/a",))
    )

    assert list(shown) == ["code/a", "config.json", "onnx/a.onnx"]
    assert shown["config.json"].path == "model/config.json"


def test_a_folder_stays_where_it_is_if_it_would_cover_another_file() -> None:
    colliding = manifest(model=("model/Code/a", "model/b"), code=("code/a",))
    own = manifest(model=("model/manifest.json", "model/b"))

    assert list(shown_files(colliding)) == ["code/a", "model/Code/a", "model/b"]
    assert list(shown_files(own)) == ["model/b", "model/manifest.json"]


def test_documents_that_were_pushed_are_not_shown() -> None:
    shown = shown_files(
        manifest(model=("model.onnx",), oci=("oci/config.json", "oci/manifest.json"))
    )

    assert list(shown) == ["model.onnx"]
