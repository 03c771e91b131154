"""CatBoost models in CatBoost's own binary form (`.cbm`): data, unlike a pickle of the same."""

from pathlib import Path
from typing import Any

from holdfast.errors import InvalidInputError
from holdfast.formats.contract import Description
from holdfast.formats.describing import describe_object, packages
from holdfast.formats.libraries import library, loading, writing
from holdfast.formats.scanner import kind_of

_CLASSES = ("CatBoost", "CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker")
_RECORD = "holdfast"
"""Key of the model's own metadata that holds the name of its class."""


class CatBoost:
    """Models and the estimators around them."""

    name = "catboost"

    def takes(self, model: object) -> bool:
        """Take CatBoost's own classes; the code of a subclass would be lost."""
        kind = type(model)
        return kind.__module__ == "catboost.core" and kind.__name__ in _CLASSES

    def recognises(self, path: Path) -> bool:
        """Recognise the mark at the start."""
        return path.is_file() and kind_of(path) == "catboost"

    def dump(self, model: object, folder: Path, stem: str) -> Path:
        """Write the binary form, with the name of the class in the model's metadata."""
        path = folder / f"{stem}.cbm"
        subject = f"{type(model).__name__} object"
        if not self.takes(model):
            raise InvalidInputError(
                subject, "is not one of CatBoost's own", "name the format joblib"
            )
        saved: Any = model
        with writing(subject):
            saved.get_metadata()[_RECORD] = type(model).__name__
            saved.save_model(str(path), format="cbm")
        return path

    def load(self, path: Path) -> object:
        """Read the model as the class that it was; from others' files, as its objective tells."""
        catboost = library("catboost", "catboost")
        with loading(path.name):
            model = catboost.CatBoost().load_model(str(path), format="cbm")
            name = dict(model.get_metadata()).get(_RECORD)
            if name is None and "class_params" in dict(model.get_metadata()):
                name = "CatBoostClassifier"
            if name not in _CLASSES[1:]:
                return model
            return getattr(catboost, name)().load_model(str(path), format="cbm")

    def describe(self, source: object) -> Description:
        """Describe by class and parameters; a file, by the framework alone."""
        if isinstance(source, Path):
            return Description("catboost", packages=packages("catboost", "numpy"))
        return describe_object(source, "catboost", "numpy")
