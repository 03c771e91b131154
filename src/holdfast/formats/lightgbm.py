"""LightGBM boosters in LightGBM's own text."""

import re
from pathlib import Path
from typing import Any

from holdfast.core.manifest import plain
from holdfast.errors import InvalidInputError, UnsupportedError
from holdfast.formats.contract import Description
from holdfast.formats.describing import packages
from holdfast.formats.health.boosters import lightgbm_problem
from holdfast.formats.libraries import library, loading, writing
from holdfast.formats.scanner import kind_of

_EXAMINED = 1 << 16
_STATED = re.compile(
    rb"^\[(objective|boosting|num_iterations|learning_rate|num_leaves|max_depth|min_data_in_leaf"
    rb"|lambda_l1|lambda_l2|feature_fraction|bagging_fraction): ([^\]\r\n]+)\]",
    re.MULTILINE,
)


class LightGBM:
    """Boosters; the scikit-learn estimators around them keep more, and go to joblib."""

    name = "lightgbm"

    def takes(self, model: object) -> bool:
        """Take a Booster; the code of a subclass would be lost."""
        return f"{type(model).__module__}.{type(model).__name__}" == "lightgbm.basic.Booster"

    def recognises(self, path: Path) -> bool:
        """Recognise the first two lines."""
        return path.is_file() and kind_of(path) == "lightgbm"

    def dump(self, model: object, folder: Path, stem: str) -> Path:
        """Write text."""
        path = folder / f"{stem}.txt"
        saved: Any = model
        subject = f"{type(model).__name__} object"
        if not self.takes(model):
            problem = "is not a Booster of LightGBM, the only kind that its text format keeps whole"
            raise InvalidInputError(subject, problem, "name the format joblib")
        with writing(subject):
            saved.save_model(path)
        return path

    def load(self, path: Path) -> object:
        """Read a Booster, whose `predict` takes rows."""
        lightgbm = library("lightgbm", "lightgbm")
        problem = lightgbm_problem(path)
        if problem:  # LightGBM would end the process
            raise UnsupportedError(path.name, problem, "register another version")
        with loading(path.name):
            return lightgbm.Booster(model_file=path)

    def describe(self, source: object) -> Description:
        """Describe by the parameters of the training."""
        used = packages("lightgbm", "numpy")
        if not isinstance(source, Path):
            params = getattr(source, "params", {})
            return Description("lightgbm", type(source).__name__, plain(params), used)
        with source.open("rb") as stream:
            stream.seek(max(0, source.stat().st_size - _EXAMINED))
            stated = _STATED.findall(stream.read())
        parameters = {
            name.decode(): _number(value.decode("utf-8", "replace")) for name, value in stated
        }
        return Description("lightgbm", "Booster", parameters, used)


def _number(text: str) -> str | float:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
