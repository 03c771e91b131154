"""safetensors files: named tensors and nothing else."""

import math
from pathlib import Path
from typing import Any

from holdfast.formats.contract import Description
from holdfast.formats.describing import packages
from holdfast.formats.libraries import library, loading, writing
from holdfast.formats.scanner import kind_of
from holdfast.formats.scanner.contents import safetensors_header
from holdfast.formats.scanner.findings import UnreadableError
from holdfast.formats.scanner.sources import of_file


class Safetensors:
    """Dictionaries of arrays, read back as numpy arrays."""

    name = "safetensors"

    def takes(self, model: object) -> bool:
        """Take a dictionary of numpy arrays by name; torch tensors have a home of their own."""
        return _is_table(model, "numpy.ndarray")

    def recognises(self, path: Path) -> bool:
        """Recognise the header, even one that lies: the scan will say so."""
        return path.is_file() and kind_of(path) == "safetensors"

    def dump(self, model: object, folder: Path, stem: str) -> Path:
        """Write a dictionary of numpy arrays or of torch tensors."""
        tensors = _is_table(model, "torch.Tensor", "torch.nn.parameter.Parameter")
        library("safetensors", "safetensors")
        writer = library(f"safetensors.{'torch' if tensors else 'numpy'}", "safetensors")
        path = folder / f"{stem}.safetensors"
        with writing(f"{type(model).__name__} object"):
            writer.save_file(model if tensors else _contiguous(model), path)
        return path

    def load(self, path: Path) -> object:
        """Read a dictionary of numpy arrays."""
        library("safetensors", "safetensors")
        reader = library("safetensors.numpy", "safetensors")
        with loading(path.name):
            return reader.load_file(path)

    def describe(self, source: object) -> Description:
        """Count tensors and their numbers; the header may name the library that wrote them."""
        used = packages("safetensors", "numpy")
        if isinstance(source, Path):
            return _described(source, used)
        tensors = dict(source) if isinstance(source, dict) else {}
        counts = [math.prod(getattr(tensor, "shape", ())) for tensor in tensors.values()]
        return Description(None, None, {"tensors": len(counts), "parameters": sum(counts)}, used)


def _is_table(model: object, *types: str) -> bool:
    return (
        isinstance(model, dict)
        and bool(model)
        and all(
            isinstance(name, str) and f"{type(item).__module__}.{type(item).__name__}" in types
            for name, item in model.items()
        )
    )


def _contiguous(model: Any) -> dict[str, Any]:
    import numpy as np

    return {name: np.ascontiguousarray(array) for name, array in model.items()}


def _described(path: Path, used: tuple[str, ...]) -> Description:
    try:
        header = safetensors_header(of_file(path))
    except UnreadableError:
        return Description(packages=used)
    writer = header.pop("__metadata__", {}).get("format")
    framework = {"pt": "pytorch", "tf": "tensorflow", "np": None}.get(str(writer))
    shapes = [item["shape"] for item in header.values()]
    parameters = sum(math.prod(shape) for shape in shapes if isinstance(shape, list))
    return Description(framework, None, {"tensors": len(shapes), "parameters": parameters}, used)
