"""ONNX models: graphs that onnxruntime computes, whatever library they were trained in."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from holdfast.errors import InvalidInputError, UnsupportedError
from holdfast.formats.contract import Description
from holdfast.formats.describing import packages
from holdfast.formats.libraries import library, loading
from holdfast.formats.onnx_header import read_header
from holdfast.formats.scanner import is_onnx, kind_of

_DTYPES = {
    "tensor(bool)": "bool", "tensor(double)": "float64", "tensor(float)": "float32",
    "tensor(float16)": "float16", "tensor(int16)": "int16", "tensor(int32)": "int32",
    "tensor(int64)": "int64", "tensor(int8)": "int8", "tensor(string)": "object",
    "tensor(uint16)": "uint16", "tensor(uint32)": "uint32", "tensor(uint64)": "uint64",
    "tensor(uint8)": "uint8",
}  # fmt: skip


class Onnx:
    """One `.onnx` file, or a folder with one and the files that hold its weights."""

    name = "onnx"

    def takes(self, model: object) -> bool:
        """Take a ModelProto, or its bytes."""
        if isinstance(model, bytes):
            return is_onnx(model)
        return type(model).__name__ == "ModelProto" and hasattr(model, "SerializeToString")

    def recognises(self, path: Path) -> bool:
        """Recognise a model by its protocol-buffer fields."""
        return kind_of(path) == "onnx" if path.is_file() else _model_in(path) is not None

    def dump(self, model: object, folder: Path, stem: str) -> Path:
        """Write the message; needs no library."""
        path = folder / f"{stem}.onnx"
        if not self.takes(model):
            raise InvalidInputError(
                f"{type(model).__name__} object", "is not an ONNX model", "convert it first"
            )
        path.write_bytes(model if isinstance(model, bytes) else _serialised(model))
        return path

    def load(self, path: Path) -> object:
        """Open a session on the CPU."""
        runtime = library("onnxruntime", "onnx")
        library("numpy", "onnx")
        file = _model_in(path) if path.is_dir() else path
        with loading(path.name):
            return OnnxModel(
                runtime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
            )

    def face(self, model: object) -> object:
        """Return a model in memory as a session."""
        runtime = library("onnxruntime", "onnx")
        raw = model if isinstance(model, bytes) else _serialised(model)
        return OnnxModel(runtime.InferenceSession(raw, providers=["CPUExecutionProvider"]))

    def describe(self, source: object) -> Description:
        """Describe by producer, operator sets, inputs and outputs."""
        used = packages("onnxruntime", "numpy")
        if not isinstance(source, Path):
            raw = source if isinstance(source, bytes) else _serialised(source)
            header = read_header(raw)
        else:
            header = read_header(_model_in(source) if source.is_dir() else source)
        return Description("onnx", header.algorithm, header.facts, used)


def _serialised(model: object) -> bytes:
    raw = getattr(model, "SerializeToString", bytes)()
    return bytes(raw)


def _model_in(folder: Path) -> Path | None:
    """Return the one model of a folder: weights beside it may be thousands of files."""
    if not folder.is_dir():
        return None
    files = sorted(path for path in folder.iterdir() if path.is_file())
    onnx_files = [path for path in files if path.suffix.lower() == ".onnx"]
    models = [path for path in onnx_files or files if kind_of(path) == "onnx"]
    return models[0] if len(models) == 1 else None


class OnnxModel:
    """A graph with the faces of an estimator.

    Args:
        session: An `onnxruntime.InferenceSession`.

    Attributes:
        session: For what `predict` does not cover.
        inputs: Names of the graph's inputs.
        outputs: Names of its outputs.
    """

    def __init__(self, session: Any) -> None:
        self.session = session
        self.inputs: tuple[str, ...] = tuple(item.name for item in session.get_inputs())
        self.outputs: tuple[str, ...] = tuple(item.name for item in session.get_outputs())

    def __repr__(self) -> str:
        """Name inputs and outputs."""
        return f"OnnxModel({', '.join(self.inputs)} -> {', '.join(self.outputs)})"

    def run(self, rows: Any) -> list[Any]:
        """Compute every output of the graph.

        Args:
            rows: An array, shape (n, d), for a graph of one input; a DataFrame or a mapping of
                arrays for one of several.
        """
        return list(self.session.run(None, self._fed(rows)))

    def predict(self, rows: Any) -> Any:
        """Compute the first output: labels or values, one per row where they are scalars."""
        first = self.run(rows)[0]
        column = getattr(first, "ndim", 0) == 2 and first.shape[1] == 1  # noqa: PLR2004
        return first[:, 0] if column else first

    def predict_proba(self, rows: Any) -> Any:
        """Compute the probabilities of the classes, shape (n, classes), in the graph's order.

        Raises:
            UnsupportedError: If the graph has no such output.
        """
        import numpy as np

        for output in self.run(rows)[1:]:
            if isinstance(output, list) and output and isinstance(output[0], Mapping):
                return np.asarray([list(row.values()) for row in output])
            if getattr(output, "ndim", 0) == 2 and output.dtype.kind == "f":  # noqa: PLR2004
                return output
        raise UnsupportedError("this ONNX graph", "has no probabilities", "call predict")

    def _fed(self, rows: Any) -> dict[str, Any]:
        import numpy as np

        inputs = self.session.get_inputs()
        parts = [rows] if len(inputs) == 1 else [_part(rows, item.name) for item in inputs]
        return {
            item.name: _shaped(np.asarray(part, dtype=_DTYPES.get(item.type)), item.shape)
            for item, part in zip(inputs, parts, strict=True)
        }


def _part(rows: Any, name: str) -> Any:
    try:
        return rows[name]
    except (KeyError, IndexError, TypeError) as error:
        raise InvalidInputError(
            f"input {name!r}", "is missing", "give a DataFrame or a mapping with every input"
        ) from error


def _shaped(values: Any, shape: Sequence[object]) -> Any:
    """Give a column of values the second axis that the graph wants."""
    return values.reshape(-1, 1) if values.ndim == 1 and len(shape) == 2 else values  # noqa: PLR2004
