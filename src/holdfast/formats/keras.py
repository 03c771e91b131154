"""Keras models as Keras keeps them whole (`.keras`): layers, weights and the optimizer's state."""

from pathlib import Path
from typing import Any

from holdfast.formats.contract import Description
from holdfast.formats.describing import packages
from holdfast.formats.libraries import library, unpickling, writing
from holdfast.formats.scanner import kind_of

_MODEL = "keras.src.models.model.Model"


class Keras:
    """`.keras` archives of Keras 3, which are loaded with the backend that is set."""

    name = "keras"

    def takes(self, model: object) -> bool:
        """Take a Keras model."""
        return _MODEL in {f"{cls.__module__}.{cls.__name__}" for cls in type(model).__mro__}

    def recognises(self, path: Path) -> bool:
        """Recognise the archive by its members."""
        return path.is_file() and kind_of(path) == "keras"

    def dump(self, model: object, folder: Path, stem: str) -> Path:
        """Write an archive."""
        path = folder / f"{stem}.keras"
        saved: Any = model
        with writing(f"{type(model).__name__} object"):
            saved.save(str(path))
        return path

    def load(self, path: Path) -> object:
        """Read the model.

        Code in its layers is not asked about again: the scan finds that every archive may hold
        some, so somebody has trusted this one, or it would not have come here.
        """
        keras = library("keras", "keras")
        with unpickling(path.name):
            return keras.saving.load_model(str(path), safe_mode=False)

    def describe(self, source: object) -> Description:
        """Describe by class and backend; a file, by the framework alone."""
        used = packages("keras", "numpy")
        if isinstance(source, Path):
            return Description("keras", packages=used)
        backend = library("keras", "keras").backend.backend()
        used = packages("keras", "numpy", str(backend))
        return Description("keras", type(source).__name__, {"backend": backend}, used)
