"""What an object holds as its attributes: callables, frames, names of methods, special names.

Estimators call what they hold: `FunctionTransformer` its `func`, `KNeighborsRegressor` its tree's
`query`, `StackingRegressor` of each estimator the method that `stack_method_` names. A file could
have them call a method of an object that is only data: `ndarray.tofile` writes any file,
`DataFrame.eval` runs any text. So nothing that can be called may be held but functions of the
list; an instance that can be called may be held only where scikit-learn itself puts it.

Whatever a file gives attributes to can be asked like an estimator: an ordered dict whose `predict`
is a function held for later, which calls what that function was given. So all of it is looked at.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from holdfast.formats.scanner.parameters import may_name, may_name_to_lightgbm
from holdfast.formats.scanner.symbols import OPAQUE, Global, Listed, Made, Mapped

_LIBRARIES = frozenset(("sklearn", "xgboost", "lightgbm", "_loss"))
_CONTAINERS = frozenset(("builtins", "collections"))
_PARTIAL = "functools.partial"
_SLOTS = 2  # a state of two is attributes and slots
_PLAIN_TYPES = frozenset(("bool", "complex", "float", "int", "object", "str"))
_REDUCERS = frozenset(("mean", "median", "nanmean", "nanmedian", "std", "sum", "var"))
_FUNCTIONS = ("func", "inverse_func")
_ARGUMENTS = {"func": "kw_args", "inverse_func": "inv_kw_args"}

_KERNELS = (
    r"\w*Kernel|DotProduct|ExpSineSquared|Exponentiation|Matern|Product|RBF|RationalQuadratic|Sum"
)
_LOSSES = r"(Absolute|HalfSquared)Error|(Exponential|Huber|Pinball|Half\w+)Loss\w*"

# Whose instances can be called, or have methods that run what they are given: where they may be.
# A class has a name in every module that imports it, so it is known by its own name alone.
_PLACES: tuple[tuple[re.Pattern[str], re.Pattern[str] | None], ...] = tuple(
    (re.compile(path), re.compile(place) if place else None)
    for path, place in (
        (r"sklearn\..*\._\w*Scorer", r"_?scor(er|ers|ing)_?|_curve_scorer|owner"),
        (rf"sklearn\..*\.({_KERNELS})", r"_?kernels?_?|k[12]"),
        (r"sklearn\..*make_column_selector", r"_?transformers_?|_columns|columns"),
        (rf"sklearn\..*\.({_LOSSES})", r"_?(base_)?loss_?|_loss_function"),
        (r"scipy\.interpolate\..*", r"bsplines_|f_"),
        (r"scipy\.stats\..*|numpy\.(polynomial\..*|poly1d)", None),
        (r"pandas\..*\.?(DataFrame|Series|\w*BlockManager|_unpickle_block)", None),
        (r"torch\..*", None),
        (r"(lightgbm|xgboost)\..*\.?Booster", r"_Booster"),
    )
)  # fmt: skip

# Functions that believe the sizes of the arrays they are handed: held by the class they are of.
_COMPILED = "sklearn.cluster._kmeans"
_COMPILED_PLACE = "_kmeans_single"

Doubt = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Held:
    """A value with the attribute it is held in, directly or in what lies there."""

    value: object
    place: str
    owner: Made

    @property
    def own_parts(self) -> str:
        """The package whose objects the owner may hold, being one of them; empty for none."""
        package = _package(self.owner)
        return package if package in ("pandas", "torch") else ""


def _package(thing: Made) -> str:
    return thing.maker.module.partition(".")[0] if thing.maker is not None else ""


def is_of_a_library(thing: Made) -> bool:
    """Tell whether an object's own methods call what it holds."""
    return _package(thing) in _LIBRARIES


def can_be_asked(thing: Made) -> bool:
    """Tell whether a file could have put something to call under an attribute of an object."""
    if is_of_a_library(thing) or thing.is_a(_PARTIAL):
        return True
    waiting = [thing.state]
    if _package(thing) not in _CONTAINERS:
        waiting += thing.args  # some functions set attributes from what they are handed
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapped):
            return True
        if isinstance(part, tuple):
            waiting += part
    return False


def is_special(name: object) -> bool:
    """Tell whether Python, or numpy, looks an attribute up by itself."""
    return isinstance(name, str) and name.startswith("__") and name.endswith("__")


def check_attributes(target: Made, state: object, doubt: Doubt) -> None:
    """Judge the attributes that a state gives to *target* as it is set."""
    maker = target.maker
    plain = maker is not None and maker.use == "make"  # compiled classes read their state alone
    ours = is_of_a_library(target)
    if state is OPAQUE or isinstance(state, Made):
        doubt(f"gives {_named(target)} attributes that cannot be read")
    for part in _tables(state):
        if not isinstance(part, Mapped) or not part.whole:
            if plain and (ours or part is not state):
                doubt(f"gives {_named(target)} attributes that cannot be read")
            continue
        _check_names(target, part, doubt)


def _check_names(target: Made, table: Mapped, doubt: Doubt) -> None:
    ours = is_of_a_library(target)
    for name, value in table.entries.items():
        if is_special(name):
            doubt(f"gives {_named(target)} the special attribute {name}")
        if ours and not may_name(name, value):
            doubt(f"gives {_named(target)} the name of another method or of a file in {name}")
    if ours:
        _check_reducers(target, table, doubt)
    if target.maker is not None and target.maker.module.partition(".")[0] == "lightgbm":
        _check_lightgbm(target, table, doubt)


def _check_lightgbm(target: Made, table: Mapped, doubt: Doubt) -> None:
    others = table.entries.get("_other_params", Mapped())
    if not isinstance(others, Mapped) or not others.whole:
        doubt(f"gives {_named(target)} parameters that cannot be read")
        return
    for name, value in (table.entries | others.entries).items():
        if not may_name_to_lightgbm(name, value):
            doubt(f"gives {_named(target)} the name of a file or a machine in {name}")


def check_held(owners: Iterable[Made], doubt: Doubt) -> None:
    """Judge what all that can be asked holds, once the file is read to its end."""
    waiting: list[_Held] = []
    for owner in owners:
        if _package(owner) not in _CONTAINERS:  # whose items are not attributes
            waiting += (_Held(value, "", owner) for value in _arguments(owner))
            waiting.append(_Held(owner.items, "", owner))
        for part in owner.state if isinstance(owner.state, tuple) else (owner.state,):
            if isinstance(part, Mapped):
                _check_names(owner, part, doubt)
            waiting.append(_Held(part, "", owner))
    seen: set[tuple[int, str, str]] = set()
    while waiting:
        holding = waiting.pop()
        if isinstance(holding.value, Global | Made):
            _check_one(holding, doubt)
        elif holding.value is OPAQUE and "dtype" in holding.place:  # may name a file's zone
            doubt(f"gives {_named(holding.owner)} a type that cannot be read")
        if isinstance(holding.value, Made | Mapped | Listed | tuple):
            key = id(holding.value), holding.place, holding.own_parts
            if key not in seen:
                seen.add(key)
                waiting += _within(holding)


def _within(holding: _Held) -> Iterator[_Held]:
    value, attribute, owner = holding.value, holding.place, holding.owner
    match value:
        case Made() if not is_of_a_library(value):
            inner = (*_arguments(value), value.state, value.items)
            yield from (_Held(item, attribute, owner) for item in inner)
        case Mapped():
            for name, item in value.entries.items():
                yield _Held(item, _place(name, attribute), owner)
            yield from (_Held(item, "", owner) for item in value.others)
        case Listed():
            yield from (_Held(item, attribute, owner) for item in value.items)
        case tuple():
            yield from (_Held(item, attribute, owner) for item in value)


def _place(name: object, outer: str) -> str:
    # a parameter of a part, as searches and pipelines write it: model__kernel
    inner = str(name).rpartition("__")[2]
    known = "dtype" in inner or any(pattern and pattern.fullmatch(inner) for _, pattern in _PLACES)
    return inner if known or not outer else outer


def _arguments(thing: Made) -> tuple[object, ...]:
    # classes among them are what is made: rules judges which may be handed to what
    return tuple(item for item in thing.args if not isinstance(item, Global))


def _check_one(holding: _Held, doubt: Doubt) -> None:
    value = holding.value
    if _is_own_part(holding):
        return
    if isinstance(value, Global):
        if not _is_function(value, holding.place) and not _is_type(value, holding.place):
            doubt(f"gives {_named(holding.owner)} {value.path} to call")
        return
    if not isinstance(value, Made) or value.maker is None:
        return
    for path, pattern in _PLACES:
        if path.fullmatch(value.maker.path) and not (pattern and pattern.fullmatch(holding.place)):
            doubt(
                f"gives {_named(holding.owner)} {value.maker.path}, which can be called or run text"
            )


def _is_own_part(holding: _Held) -> bool:
    value = holding.value
    origin = (
        value if isinstance(value, Global) else value.maker if isinstance(value, Made) else None
    )
    package = origin.module.partition(".")[0] if origin is not None else ""
    return bool(package) and package == holding.own_parts


def believes_sizes(value: Global) -> bool:
    """Tell whether a function of the list may only be held where scikit-learn holds it."""
    return value.module == _COMPILED and value.use == "name"


def _is_function(value: Global, place: str) -> bool:
    if believes_sizes(value) and place != _COMPILED_PLACE:
        return False
    return value.use in ("name", "own", None)  # a name that is not on the list is told as such


def _is_type(value: Global, attribute: str) -> bool:
    plain = value.module in ("builtins", "__builtin__") and value.name in _PLAIN_TYPES
    return "dtype" in attribute and (value.use == "type" or plain)


def _check_reducers(target: Made, table: Mapped, doubt: Doubt) -> None:
    # the sum of one object in an array is that object: text, which others take for a path
    for attribute in _FUNCTIONS:
        function = table.entries.get(attribute)
        if isinstance(function, Made) and function.args:
            function = function.args[0]
        if not isinstance(function, Global) or function.name not in _REDUCERS:
            continue
        arguments = table.entries.get(_ARGUMENTS[attribute])
        entries = arguments.entries if isinstance(arguments, Mapped) else {}
        if entries.get("keepdims") is not True:
            doubt(f"gives {_named(target)} {function.path} without keepdims, which hands out items")


def _tables(state: object) -> Iterator[object]:
    """Go through the tables of attributes in a state, and whatever may be one unseen."""
    if isinstance(state, tuple) and len(state) == _SLOTS:
        yield from (part for part in state if isinstance(part, Mapped | Made))
    elif isinstance(state, Mapped | Made) or state is OPAQUE:
        yield state


def _named(target: Made) -> str:
    return target.maker.path if target.maker else "something that is not named"
