"""Objects whose indices lead beyond their arrays, found before a library follows them.

Compiled code of scipy and scikit-learn believes the indices that a file sets: a tree whose child
is node 2**40 crashes the process, or reads whatever lies there. `sparse` knows the matrices,
`decision_nodes` trees of any kind, `fitted_indices` estimators of lengths or columns for others.
What is checked is exact for these; other classes are left to the trial of a version, which is a
process that may crash.
"""

import gc
import sys
import types
from collections.abc import Iterator
from typing import Final

from holdfast.errors import UnsupportedError
from holdfast.formats.index_bounds import decision_nodes, fitted_indices, sparse

__all__ = ["check"]

_LEAVES: Final = frozenset(
    (int, float, complex, bool, str, bytes, bytearray, types.NoneType, types.ModuleType,
     types.FunctionType, types.BuiltinFunctionType)
)  # fmt: skip
_PLAIN: Final = frozenset((list, dict, tuple, set, frozenset))
_ADVICE: Final = "fit it again and register what you write then"


def check(model: object, what: str) -> None:
    """Check every object that *model* holds, at any depth; nothing of it is called.

    Raises:
        UnsupportedError: If an index of one leads beyond its arrays.
    """
    for item in _held(model):
        if type(item) in _PLAIN:
            continue
        for problem_of in (sparse.problem_of, decision_nodes.problem_of, fitted_indices.problem_of):
            try:
                problem = problem_of(item)
            except Exception as error:  # noqa: BLE001 - attributes of a stranger's file are of any type
                problem = f"cannot be checked: {type(error).__name__}: {error}"
            if problem is not None:
                name = type(item).__name__
                raise UnsupportedError(what, f"holds a {name} whose {problem}", _ADVICE)


def _held(model: object) -> Iterator[object]:
    """Go through what *model* refers to, each object once, without running code of its classes."""
    seen = {id(model): model}  # kept, so that no identity is used again
    waiting = [model]
    while waiting:
        item = waiting.pop()
        yield item
        inside = gc.get_referents(item)
        if type(item) not in _PLAIN:
            inside += _in_array(item)
        for inner in inside:
            if type(inner) in _LEAVES or issubclass(type(inner), type) or id(inner) in seen:
                continue
            seen[id(inner)] = inner
            waiting.append(inner)


def _in_array(item: object) -> list[object]:
    """Return the objects in an array, which the garbage collector does not know of."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not issubclass(type(item), numpy.ndarray):
        return []
    return [numpy.ndarray.tolist(item)] if item.dtype.hasobject else []  # type: ignore[attr-defined]
