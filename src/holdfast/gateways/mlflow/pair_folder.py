"""A version of Holdfast's as a folder that MLflow loads: model and preprocessor answer as one.

`MLmodel` names `pair_loader` below, which checks every byte against the manifest beside the files.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from holdfast.core.manifest import Manifest, encode

FOLDER: Final = "holdfast"
MANIFEST: Final = "manifest.json"
_LOADER: Final = "holdfast.gateways.mlflow.pair_loader"


def write(folder: Path, manifest: Manifest, paths: Mapping[str, Path], run_id: str | None) -> None:
    """Write a version's files, its manifest and an `MLmodel` to a new folder.

    Args:
        paths: Where the files of each role are.
        run_id: Of the run that it is logged by.
    """
    inner = folder / FOLDER
    inner.mkdir(parents=True)
    for role, artifact in manifest.artifacts.items():
        place = inner / artifact.path
        if paths[role].is_dir():
            shutil.copytree(paths[role], place, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(paths[role], place)
    for path, content in texts(manifest, run_id).items():
        (folder / path).write_bytes(content)


def texts(manifest: Manifest, run_id: str | None) -> dict[str, bytes]:
    """Return what is written beside a version's files, by its path."""
    flavor = {"loader_module": _LOADER, "data": FOLDER}
    if manifest.environment.python:
        flavor["python_version"] = manifest.environment.python
    about = {
        "artifact_path": "model",
        "flavors": {"python_function": flavor},
        "run_id": run_id,
        "metadata": {"holdfast": f"{manifest.name}@{manifest.version}"},
    }
    packages = {"holdfast": "", **manifest.environment.packages}
    lines = [f"{name}=={version}" if version else name for name, version in packages.items()]
    return {
        "MLmodel": msgspec.json.format(msgspec.json.encode(about)),  # which is YAML, too
        "requirements.txt": "\n".join([*lines, ""]).encode(),
        f"{FOLDER}/{MANIFEST}": encode(manifest),
    }
