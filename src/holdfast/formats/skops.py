"""skops files: scikit-learn objects as a zip of arrays and a schema, without pickle."""

from pathlib import Path

from holdfast.formats import index_bounds
from holdfast.formats.contract import Description
from holdfast.formats.describing import describe_object, packages
from holdfast.formats.libraries import framework_of, library, unpickling, writing
from holdfast.formats.scanner import globals_of, kind_of, skops_root


class Skops:
    """Files that `skops.io.load` reads."""

    name = "skops"

    def takes(self, model: object) -> bool:
        """Take nothing unasked: joblib keeps more kinds of objects."""
        del model
        return False

    def recognises(self, path: Path) -> bool:
        """Recognise zip archives with a schema of skops."""
        return path.is_file() and kind_of(path) == "skops"

    def dump(self, model: object, folder: Path, stem: str) -> Path:
        """Write a zip archive."""
        skops = library("skops.io", "skops")
        path = folder / f"{stem}.skops"
        with writing(f"{type(model).__name__} object"):
            skops.dump(model, path)
        return path

    def load(self, path: Path) -> object:
        """Rebuild the object from what its schema names.

        What skops itself would ask about is trusted here: the registry judged every name in the
        schema before the file was let in, by one list for all formats or by a stated reason.
        """
        skops = library("skops.io", "skops")
        with unpickling(path.name):
            model: object = skops.load(path, trusted=skops.get_untrusted_types(file=path))
            index_bounds.check(model, path.name)
        return model

    def describe(self, source: object) -> Description:
        """Describe by class and parameters; from a file, by the class alone."""
        if not isinstance(source, Path):
            return describe_object(source, "skops", "numpy")
        used = packages(*globals_of(source), "skops")
        module, name = skops_root(source) or ("", None)
        return Description(framework_of(module), name, packages=used)
