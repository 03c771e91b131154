import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast import formats
from holdfast.errors import InvalidInputError

_EDITS = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 12),
        st.one_of(st.binary(max_size=8), st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\x7f" * 8])),
    ),
    min_size=1,
    max_size=8,
)


@settings(
    max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0), _EDITS)
def test_no_damage_to_a_file_breaks_the_scan(
    small_files: list[tuple[str, bytes]],
    tmp_path: Path,
    number: int,
    edits: list[tuple[float, int, bytes]],
) -> None:
    name, content = small_files[number % len(small_files)]
    for fraction, removed, added in edits:
        at = int(fraction * len(content))
        content = content[:at] + added + content[at + removed :]
    path = tmp_path / name
    path.write_bytes(content or b"x")

    scan = formats.scan(path)

    assert scan.executes_code or not scan.unknown


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9, 0.99])
def test_no_cut_file_breaks_packaging(
    small_files: list[tuple[str, bytes]], tmp_path: Path, cut: float
) -> None:
    taken = set()
    for name, content in small_files:
        path = tmp_path / name
        path.write_bytes(content[: int(len(content) * cut)] or b"x")
        with contextlib.suppress(InvalidInputError):  # an onnx file that refers to another file
            taken.add(formats.package(path, "model", tmp_path).format)

    assert taken <= set(formats.names())
