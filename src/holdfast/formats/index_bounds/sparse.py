"""Sparse matrices and arrays of scipy: rows and columns within the shape."""

import sys
from typing import Any

__all__ = ["problem_of"]


def problem_of(item: object) -> str | None:
    """Return what is wrong with the indices of a sparse matrix, None for anything else."""
    scipy_sparse = sys.modules.get("scipy.sparse")
    if scipy_sparse is None:
        return None
    kinds = (scipy_sparse.spmatrix, scipy_sparse.sparray)
    if not issubclass(type(item), kinds) or not hasattr(item, "data"):
        return None
    return _problem(item)


def _problem(matrix: Any) -> str | None:
    try:
        match matrix.format:
            case "csr" | "csc" | "bsr":
                matrix.check_format(full_check=True)
            case "coo":
                _check_coordinates(matrix)
            case "dia":
                _check_diagonals(matrix)
    except (ValueError, IndexError) as error:
        return f"indices lie: {error}"
    return None


def _check_coordinates(matrix: Any) -> None:
    for axis, (coordinates, length) in enumerate(zip(matrix.coords, matrix.shape, strict=True)):
        if len(coordinates) != len(matrix.data):
            raise ValueError(f"axis {axis} has {len(coordinates)} for {len(matrix.data)} values")
        if len(coordinates) and not 0 <= coordinates.min() <= coordinates.max() < length:
            raise ValueError(f"axis {axis} of length {length} does not have all of them")


def _check_diagonals(matrix: Any) -> None:
    offsets, data = matrix.offsets, matrix.data
    if offsets.ndim != 1 or data.ndim != 2 or len(data) != len(offsets):  # noqa: PLR2004 - rows, columns
        raise ValueError(f"{offsets.shape} offsets for diagonals of shape {data.shape}")
