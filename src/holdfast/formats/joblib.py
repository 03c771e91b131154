"""joblib files: the home of scikit-learn objects and of anything else that can be pickled."""

from pathlib import Path

from holdfast.formats import index_bounds
from holdfast.formats.contract import Description
from holdfast.formats.describing import describe_object, describe_pickle
from holdfast.formats.libraries import library, unpickling, writing
from holdfast.formats.scanner import kind_of


class Joblib:
    """Pickles with array bytes between their instructions, compressed or not."""

    name = "joblib"

    def takes(self, model: object) -> bool:
        """Take whatever no other format is the home of."""
        return not isinstance(model, Path)

    def recognises(self, path: Path) -> bool:
        """Recognise any pickle: joblib reads plain ones too."""
        return path.is_file() and kind_of(path) in ("joblib", "pickle")

    def dump(self, model: object, folder: Path, stem: str) -> Path:
        """Write an uncompressed file, so that equal arrays stay equal bytes."""
        joblib = library("joblib", "joblib")
        path = folder / f"{stem}.joblib"
        with writing(f"{type(model).__name__} object"):
            joblib.dump(model, path)
        return path

    def load(self, path: Path) -> object:
        """Unpickle the object, which runs the constructors that the scan lists."""
        joblib = library("joblib", "joblib")
        with unpickling(path.name):
            model: object = joblib.load(path)
            index_bounds.check(model, path.name)
        return model

    def describe(self, source: object) -> Description:
        """Describe by class and parameters."""
        if isinstance(source, Path):
            return describe_pickle(source, "joblib")
        return describe_object(source, "joblib", "numpy")
