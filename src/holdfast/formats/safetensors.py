"""safetensors files: named tensors and nothing else."""

import math
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from holdfast.formats.contract import Description
from holdfast.formats.describing import packages
from holdfast.formats.health.shards import INDEX, read_index
from holdfast.formats.libraries import library, loading, writing
from holdfast.formats.scanner import kind_of
from holdfast.formats.scanner.byte_sources import of_file
from holdfast.formats.scanner.contents import safetensors_header
from holdfast.formats.scanner.findings import UnreadableError

_TORCH = {"holdfast": "torch"}
"""What the header of a file says that was written from tensors of PyTorch's."""

_FOREIGN = {
    "BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu", "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
}  # fmt: skip
"""Types that numpy has not, by their names in ml_dtypes."""

_NATIVE = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "I16": "<i2", "U16": "<u2", "F16": "<f2", "I32": "<i4",
    "U32": "<u4", "F32": "<f4", "I64": "<i8", "U64": "<u8", "F64": "<f8", "C64": "<c8",
}  # fmt: skip
_WRITERS = {"pt": "pytorch", "tf": "tensorflow", "np": None}


class Safetensors:
    """Dictionaries of arrays, in a file or in the shards of a folder.

    They come back as numpy arrays, the short floats of networks as ml_dtypes adds them to numpy;
    what was given as tensors of PyTorch's comes back as such.
    """

    name = "safetensors"

    def takes(self, model: object) -> bool:
        """Take a dictionary of numpy arrays by name; torch tensors have a home of their own."""
        return _is_table(model, "numpy.ndarray")

    def recognises(self, path: Path) -> bool:
        """Recognise the header, even one that lies, or an index beside shards."""
        return kind_of(path) == "safetensors" if path.is_file() else bool(_shards(path))

    def dump(self, model: object, folder: Path, stem: str) -> Path:
        """Write a dictionary of numpy arrays or of torch tensors."""
        tensors = _is_table(model, "torch.Tensor", "torch.nn.parameter.Parameter")
        library("safetensors", "safetensors")
        writer = library(f"safetensors.{'torch' if tensors else 'numpy'}", "safetensors")
        path = folder / f"{stem}.safetensors"
        with writing(f"{type(model).__name__} object"):
            if tensors:
                writer.save_file(model, path, metadata=_TORCH)
            else:
                writer.save_file(_contiguous(model), path)
        return path

    def load(self, path: Path) -> object:
        """Read a dictionary of arrays."""
        library("safetensors", "safetensors")
        merged: dict[str, Any] = {}
        with loading(path.name):
            for file in [path] if path.is_file() else _shards(path):
                merged |= _read(file)
        return merged

    def describe(self, source: object) -> Description:
        """Count tensors and their numbers; the header may name the library that wrote them."""
        used = packages("safetensors", "numpy")
        if isinstance(source, Path):
            return _described([source] if source.is_file() else _shards(source), used)
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


def _shards(folder: Path) -> list[Path]:
    """Return the files that the index of a folder names; of one file alone, it needs no index."""
    indexes = sorted(folder.glob(f"*.safetensors{INDEX}")) if folder.is_dir() else []
    if len(indexes) == 1:
        names = sorted(set(read_index(indexes[0]).values()))
        inside = [name for name in names if PurePosixPath(name).name == name]
        return [folder / name for name in inside if (folder / name).is_file()]
    return []


def _read(path: Path) -> dict[str, Any]:
    header = safetensors_header(of_file(path))
    about = header.pop("__metadata__", {})
    if about == _TORCH:
        tensors: dict[str, Any] = library("safetensors.torch", "torch").load_file(path)
        return tensors
    if {str(item["dtype"]) for item in header.values()}.isdisjoint(_FOREIGN):
        arrays: dict[str, Any] = library("safetensors.numpy", "safetensors").load_file(path)
        return arrays
    return _with_short_floats(path, header)


def _with_short_floats(path: Path, header: dict[str, dict[str, object]]) -> dict[str, Any]:
    """Read what safetensors' own reader for numpy refuses."""
    np, types = library("numpy", "safetensors"), library("ml_dtypes", "safetensors")
    raw = np.memmap(path, dtype=np.uint8, mode="r")
    start = 8 + int.from_bytes(raw[:8].tobytes(), "little")
    arrays = {}
    for name, item in header.items():
        code: Any = item["dtype"]
        offsets: Any = item["data_offsets"]
        foreign = _FOREIGN.get(code)
        dtype = np.dtype(getattr(types, foreign) if foreign else _NATIVE[code])
        part = raw[start + offsets[0] : start + offsets[1]]
        arrays[name] = np.frombuffer(part.tobytes(), dtype=dtype).reshape(item["shape"])
    return arrays


def _described(paths: Sequence[Path], used: tuple[str, ...]) -> Description:
    frameworks, tensors, parameters = set(), 0, 0
    for path in paths:
        try:
            header = safetensors_header(of_file(path))
        except UnreadableError:
            return Description(packages=used)
        about = header.pop("__metadata__", {})
        frameworks.add("pytorch" if about == _TORCH else _WRITERS.get(str(about.get("format"))))
        shapes = [item["shape"] for item in header.values()]
        tensors += len(shapes)
        parameters += sum(math.prod(shape) for shape in shapes if isinstance(shape, list))
    framework = frameworks.pop() if len(frameworks) == 1 else None
    return Description(framework, None, {"tensors": tensors, "parameters": parameters}, used)
