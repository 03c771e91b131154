"""Plain pickle files, as `pickle.dump` writes them."""

import pickle
from pathlib import Path
from typing import Any

from holdfast.errors import UnsupportedError
from holdfast.formats import index_bounds
from holdfast.formats.contract import Description
from holdfast.formats.describing import describe_object, describe_pickle
from holdfast.formats.libraries import unpickling, writing
from holdfast.formats.scanner import kind_of


class Pickle:
    """Files that `pickle.load` reads."""

    name = "pickle"

    def takes(self, model: object) -> bool:
        """Take nothing unasked: joblib keeps arrays better."""
        del model
        return False

    def recognises(self, path: Path) -> bool:
        """Recognise pickles without array bytes between their instructions."""
        return path.is_file() and kind_of(path) == "pickle"

    def dump(self, model: object, folder: Path, stem: str) -> Path:
        """Write with protocol 5, which every Python that Holdfast runs on reads."""
        path = folder / f"{stem}.pkl"
        with writing(f"{type(model).__name__} object"), path.open("wb") as stream:
            pickle.dump(model, stream, protocol=5)
        return path

    def load(self, path: Path) -> object:
        """Unpickle the object, which runs the constructors that the scan lists."""
        with unpickling(path.name), path.open("rb") as stream:
            model: object = _Unpickler(stream).load()
            index_bounds.check(model, path.name)
        return model

    def describe(self, source: object) -> Description:
        """Describe by class and parameters."""
        if isinstance(source, Path):
            return describe_pickle(source)
        return describe_object(source, "numpy")


class _Unpickler(pickle.Unpickler):
    """Refuses joblib's note of an array: the scan passed over the bytes that follow it."""

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("joblib.numpy_pickle"):
            raise UnsupportedError(
                "pickle file", "was written by joblib", "register it with the format joblib"
            )
        return super().find_class(module, name)
