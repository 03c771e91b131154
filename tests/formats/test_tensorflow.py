from pathlib import Path
from typing import Any

import pytest

from holdfast import formats
from holdfast.errors import UnsupportedError

tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")


def _module(*shapes: tuple[int | None, int]) -> Any:
    specs = [tensorflow.TensorSpec(shape, tensorflow.float32) for shape in shapes]

    class Doubles(tensorflow.Module):  # type: ignore[misc, name-defined]
        @tensorflow.function(input_signature=specs)  # type: ignore[untyped-decorator]
        def __call__(self, *parts: Any) -> Any:
            return {"doubled": parts[0] * 2, "same": parts[0]}

    return Doubles()


def test_a_module_of_several_outputs_gives_several_arrays(tmp_path: Path) -> None:
    packaged = formats.package(_module((None, 2)), "model", tmp_path)
    loaded: Any = formats.load(packaged.format, packaged.path)
    outputs = loaded.predict([[1.0, 2.0]])

    assert outputs["doubled"].tolist() == [[2.0, 4.0]]
    assert outputs["same"].tolist() == [[1.0, 2.0]]


def test_a_signature_of_several_inputs_is_left_to_the_module(tmp_path: Path) -> None:
    packaged = formats.package(_module((None, 2), (None, 1)), "model", tmp_path)
    loaded: Any = formats.load(packaged.format, packaged.path)

    with pytest.raises(UnsupportedError, match="no signature of one input"):
        loaded.predict([[1.0, 2.0]])
