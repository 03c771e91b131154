"""PyTorch: weights alone, or programs that run without the class they came from."""

import importlib
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from holdfast.formats import training_mode
from holdfast.formats.contract import Description
from holdfast.formats.describing import packages
from holdfast.formats.libraries import library, unpickling, writing
from holdfast.formats.scanner import globals_of, kind_of

_MODULE = "torch.nn.modules.module.Module"
_KERAS = "keras.src.models.model.Model"  # with PyTorch behind it, also a module
_SCRIPT = "torch.jit._script.ScriptModule"
_PROGRAM = "torch.export.exported_program.ExportedProgram"
_TENSORS = {"torch.Tensor", "torch.nn.parameter.Parameter"}


def _is_a(model: object, *types: str) -> bool:
    return any(f"{cls.__module__}.{cls.__name__}" in types for cls in type(model).__mro__)


def is_network(model: object) -> bool:
    """Tell whether an object is a module whose class no file of PyTorch's keeps."""
    return _is_a(model, _MODULE) and not _is_a(model, _SCRIPT, _KERAS)


class TorchState:
    """What `torch.save` writes: dictionaries of tensors, and objects that a scan let in."""

    name = "torch-state"

    def takes(self, model: object) -> bool:
        """Take a dictionary of tensors."""
        if not isinstance(model, dict):  # whose truth may be nothing that one can ask
            return False
        return bool(model) and all(_is_a(item, *_TENSORS) for item in model.values())

    def recognises(self, path: Path) -> bool:
        """Recognise archives and older files of `torch.save`."""
        return path.is_file() and kind_of(path) == "torch"

    def dump(self, model: object, folder: Path, stem: str) -> Path:
        """Write the state dictionary; the module's class is not kept."""
        torch = library("torch", "torch")
        path = folder / f"{stem}.pt"
        saved: Any = model
        with writing(f"{type(model).__name__} object"):
            torch.save(saved if isinstance(model, dict) else saved.state_dict(), path)
        return path

    def load(self, path: Path) -> object:
        """Read what was saved, on the CPU.

        PyTorch's own unpickler reads it, which knows tensors; beside these it is let read the very
        classes and functions that the scan lists, for these were judged before the file came here.
        """
        torch = library("torch", "torch")
        with unpickling(path.name):
            try:
                return torch.load(path, map_location="cpu", weights_only=True)
            except pickle.UnpicklingError:
                with torch.serialization.safe_globals(_judged(globals_of(path))):
                    return torch.load(path, map_location="cpu", weights_only=True)

    def describe(self, source: object) -> Description:
        """Describe by class; a file does not name it."""
        return _described(source)


class TorchScript:
    """TorchScript modules."""

    name = "torchscript"

    def takes(self, model: object) -> bool:
        """Take a scripted or traced module."""
        return _is_a(model, _SCRIPT)

    def recognises(self, path: Path) -> bool:
        """Recognise archives with TorchScript code in them."""
        return path.is_file() and kind_of(path) == "torchscript"

    def dump(self, model: object, folder: Path, stem: str) -> Path:
        """Write the module with its code."""
        torch = library("torch", "torch")
        training_mode.check(model)
        path = folder / f"{stem}.pt"
        with writing(f"{type(model).__name__} object"):
            torch.jit.save(model, path)
        return path

    def load(self, path: Path) -> object:
        """Read the module, on the CPU, to predict and not to be trained."""
        torch = library("torch", "torch")
        with unpickling(path.name):
            return TorchModel(torch.jit.load(path, map_location="cpu").eval())

    def face(self, model: object) -> object:
        """Return a module in memory with a `predict` for rows."""
        return TorchModel(model)

    def describe(self, source: object) -> Description:
        """Describe by class; a file does not name it plainly."""
        return _described(source)


class TorchExport:
    """Exported programs (`.pt2`)."""

    name = "torch-export"

    def takes(self, model: object) -> bool:
        """Take an ExportedProgram."""
        return _is_a(model, _PROGRAM)

    def recognises(self, path: Path) -> bool:
        """Recognise archives of `torch.export.save`."""
        return path.is_file() and kind_of(path) == "torch-export"

    def dump(self, model: object, folder: Path, stem: str) -> Path:
        """Write the program with its weights."""
        torch = library("torch", "torch")
        training_mode.check(model)
        path = folder / f"{stem}.pt2"
        with writing(f"{type(model).__name__} object"):
            torch.export.save(model, path)
        return path

    def load(self, path: Path) -> object:
        """Read the program as a module."""
        torch = library("torch", "torch")
        with unpickling(path.name):
            return TorchModel(torch.export.load(path).module())

    def face(self, model: object) -> object:
        """Return a program in memory with a `predict` for rows."""
        program: Any = model
        return TorchModel(program.module())

    def describe(self, source: object) -> Description:
        """Describe by framework; neither program nor file names a class."""
        return _described(source)


def _judged(names: Iterable[str]) -> list[Any]:
    """Import what a scan lists, each with the name that the file has for it."""
    judged: list[Any] = []
    for path in names:
        module, _, name = path.rpartition(".")
        if module.partition(".")[0] == "torch" and hasattr(_imported("torch"), name):
            continue  # storages and dtypes, which PyTorch has names of its own for
        definition = getattr(_imported(module), name, None)
        if callable(definition):
            judged.append((definition, path))
        if path == "numpy.dtype":  # whose instances are of classes for each type
            types = _imported("numpy.dtypes")
            judged += [
                getattr(types, type_name)
                for type_name in types.__all__
                if type_name.endswith("DType")
            ]
    return judged


def _imported(module: str) -> Any:
    return importlib.import_module(module)


def _described(source: object) -> Description:
    used = packages("torch")
    if isinstance(source, Path | dict) or _is_a(source, _PROGRAM):
        return Description("pytorch", packages=used)
    name = getattr(source, "original_name", type(source).__name__)
    return Description("pytorch", str(name), packages=used)


class TorchModel:
    """A loaded module that predicts from rows.

    Attributes:
        module: The module itself, for everything else.
    """

    def __init__(self, module: Any) -> None:
        self.module = module

    def __call__(self, *tensors: Any) -> Any:
        """Run the module on tensors, as it stands."""
        return self.module(*tensors)

    def predict(self, rows: Any) -> Any:
        """Run the module without gradients and return numpy arrays.

        Args:
            rows: An array or nested lists, shape (n, ...). Whole numbers stay whole; others get
                the type of the module's weights.
        """
        torch = library("torch", "torch")
        tensor = torch.as_tensor(rows)
        if tensor.is_floating_point():
            tensor = tensor.to(self._dtype(torch))
        with torch.no_grad():
            result = self.module(tensor)
        return _arrays(result)

    def _dtype(self, torch: Any) -> Any:
        weights = (item.dtype for item in self.module.parameters() if item.is_floating_point())
        return next(weights, torch.float32)


def _arrays(result: Any) -> Any:
    if isinstance(result, tuple | list):
        return type(result)(map(_arrays, result))
    if isinstance(result, dict):
        return {name: _arrays(value) for name, value in result.items()}
    return result.numpy() if hasattr(result, "numpy") else result
