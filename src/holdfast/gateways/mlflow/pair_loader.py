"""What MLflow calls to load a folder that `pair_folder` wrote."""

import hashlib
from pathlib import Path
from typing import Any

from holdfast import formats
from holdfast.core.manifest import Manifest, decode, digest_of
from holdfast.errors import DamagedError, UntrustedError
from holdfast.formats.pair import Pair
from holdfast.gateways.mlflow.pair_folder import MANIFEST


class ServedPair:
    """A pair with the method that MLflow calls."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair

    def predict(self, model_input: Any, params: Any = None) -> Any:
        """Preprocess, predict and postprocess."""
        del params
        return self.pair.predict(model_input)


def read(folder: Path) -> Manifest:
    """Return the manifest of such a folder, every file checked against it.

    Raises:
        DamagedError: If a file is missing or changed.
    """
    raw = (folder / MANIFEST).read_bytes()
    manifest = decode(raw, digest_of(raw))
    for file in manifest.files:
        path = folder / file.path
        if not path.is_file():
            raise DamagedError(str(path), "is missing", "push the version again")
        with path.open("rb") as opened:
            if hashlib.file_digest(opened, "sha256").hexdigest() != file.sha256:
                raise DamagedError(str(path), "has changed", "push the version again")
    return manifest


def _load_pyfunc(path: str) -> ServedPair:
    """Load the pair, unless a file would run what nobody trusted when it was registered."""
    folder = Path(path)
    manifest = read(folder)
    paths = {role: folder / artifact.path for role, artifact in manifest.artifacts.items()}
    for role, place in paths.items():
        form = manifest.artifacts[role].format
        unknown = formats.judged(form, place, formats.scan(place, ())).unknown
        told = manifest.scan.get(role)
        if unknown and (told is None or told.trusted is None or set(unknown) - set(told.unknown)):
            raise UntrustedError(str(place), unknown)
    kinds = {role: artifact.format for role, artifact in manifest.artifacts.items()}
    ref = f"{manifest.name}@{manifest.version}"
    return ServedPair(Pair(ref, manifest, formats.load_parts(kinds, paths)))
