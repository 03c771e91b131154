"""What an object holds as its attributes: names of methods, frames, special names.

Estimators call what they hold: `KNeighborsRegressor` its tree's `query`, `StackingRegressor` of
each estimator the method that `stack_method_` names. A file could have them call a method of an
object that is only data: `ndarray.tofile` writes any file, `DataFrame.eval` runs any text.
"""

from collections.abc import Callable, Iterator

from holdfast.formats.scanner.symbols import OPAQUE, Listed, Made, Mapped

_CALLED_BY_NAME = frozenset((
    "_response_method", "chain_method", "chain_method_", "response_method", "stack_method",
    "stack_method_",
))  # fmt: skip
METHODS = frozenset((
    "auto", "decision_function", "predict", "predict_log_proba", "predict_proba", "transform",
))  # fmt: skip
"""What those may name."""

_FRAME = "DataFrame"
_DEPTH = 8  # lists in dicts in lists that are looked into
_SLOTS = 2  # a state of two is attributes and slots

Doubt = Callable[[str], None]


def check_attributes(target: Made, state: object, doubt: Doubt) -> None:
    """Judge the attributes that a state gives to *target*."""
    maker = target.maker
    plain = maker is not None and maker.use == "make"  # compiled classes read their state alone
    ours = maker is not None and maker.module.partition(".")[0] == "sklearn"
    for part in _tables(state):
        if not isinstance(part, Mapped) or not part.whole:
            if plain and (ours or part is not state):
                doubt(f"gives {_named(target)} attributes that cannot be read")
            continue
        for name, value in part.entries.items():
            if is_special(name):
                doubt(f"gives {_named(target)} the special attribute {name}")
            if ours and not may_name(name, value):
                doubt(f"gives {_named(target)} the name of another method in {name}")
        if ours:
            _seal(part, target, doubt)


def is_special(name: object) -> bool:
    """Tell whether Python, or numpy, looks an attribute up by itself."""
    return isinstance(name, str) and name.startswith("__") and name.endswith("__")


def may_name(attribute: object, value: object) -> bool:
    """Tell whether an attribute holds names of methods that predict, if it holds such at all."""
    if attribute not in _CALLED_BY_NAME or value is None:
        return True
    if isinstance(value, Listed):
        return value.whole and all(item in (*METHODS, "drop") for item in value.items)
    if isinstance(value, tuple):
        return all(item in (*METHODS, "drop") for item in value)
    return isinstance(value, str) and value in METHODS


def _tables(state: object) -> Iterator[object]:
    """Go through the tables of attributes in a state, and whatever may be one unseen."""
    if isinstance(state, tuple) and len(state) == _SLOTS:
        yield from (part for part in state if isinstance(part, Mapped | Made))
    elif isinstance(state, Mapped | Made) or state is OPAQUE:
        yield state


def _named(target: Made) -> str:
    return target.maker.path if target.maker else "something that is not named"


def _seal(value: object, target: Made, doubt: Doubt, depth: int = 0) -> None:
    """Look for frames in what an estimator holds, and let it be changed no more."""
    if isinstance(value, Made) and value.maker is not None and value.maker.name == _FRAME:
        doubt(f"gives {_named(target)} a frame, whose methods run text")
    if depth > _DEPTH:
        doubt(f"gives {_named(target)} lists within lists, too deep to read")
        return
    match value:
        case Mapped():
            inner = tuple(value.entries.values())
        case Listed():
            inner = tuple(value.items)
        case tuple():
            inner = value
        case _:
            return
    if isinstance(value, Mapped | Listed):
        if value.sealed:
            return
        value.sealed = True
    for item in inner:
        _seal(item, target, doubt, depth + 1)
