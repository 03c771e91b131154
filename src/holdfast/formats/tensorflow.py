"""TensorFlow SavedModels: folders, kept as they are."""

from pathlib import Path
from typing import Any

from holdfast.errors import UnsupportedError
from holdfast.formats.contract import Description
from holdfast.formats.describing import packages
from holdfast.formats.libraries import library, unpickling, writing
from holdfast.formats.scanner import SAVED_MODEL

_MODULE = "tensorflow.python.module.module.Module"
_SERVING = "serving_default"


class TensorFlow:
    """Folders with a `saved_model.pb`."""

    name = "tensorflow-savedmodel"

    def takes(self, model: object) -> bool:
        """Take a `tf.Module`; Keras models have a home of their own."""
        homes = {f"{cls.__module__}.{cls.__name__}" for cls in type(model).__mro__}
        return _MODULE in homes

    def recognises(self, path: Path) -> bool:
        """Recognise the folder by the file in it."""
        return any((path / name).is_file() for name in SAVED_MODEL)

    def dump(self, model: object, folder: Path, stem: str) -> Path:
        """Write a folder."""
        tensorflow = library("tensorflow", "tensorflow")
        path = folder / stem
        saved: Any = model
        with writing(f"{type(model).__name__} object"):
            if hasattr(model, "export"):
                saved.export(str(path), verbose=False)
            else:
                tensorflow.saved_model.save(model, str(path))
        return path

    def load(self, path: Path) -> object:
        """Read the graph."""
        tensorflow = library("tensorflow", "tensorflow")
        with unpickling(path.name):
            return TensorFlowModel(tensorflow.saved_model.load(str(path)))

    def describe(self, source: object) -> Description:
        """Describe by class; a folder does not name it plainly."""
        algorithm = None if isinstance(source, Path) else type(source).__name__
        return Description("tensorflow", algorithm, packages=packages("tensorflow"))


class TensorFlowModel:
    """A loaded SavedModel that predicts from rows.

    Attributes:
        module: The loaded object itself, for everything else.
    """

    def __init__(self, module: Any) -> None:
        self.module = module

    def predict(self, rows: Any) -> Any:
        """Run the signature `serving_default` and return numpy arrays.

        Args:
            rows: An array or nested lists, shape (n, ...), for a signature of one input.

        Raises:
            UnsupportedError: If the model has no such signature, or one of several inputs.
        """
        tensorflow = library("tensorflow", "tensorflow")
        signature = self.module.signatures.get(_SERVING)
        inputs = signature.structured_input_signature[1] if signature else {}
        if len(inputs) != 1:
            raise UnsupportedError(
                "this SavedModel", "has no signature of one input", "call its module's own"
            )
        ((name, spec),) = inputs.items()
        tensors = signature(**{name: tensorflow.constant(rows, dtype=spec.dtype)})
        outputs = {key: value.numpy() for key, value in tensors.items()}
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs
