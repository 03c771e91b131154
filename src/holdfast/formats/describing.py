"""Framework, algorithm and hyperparameters, from an object or from the stand-in of one."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from holdfast.core.manifest import plain
from holdfast.formats.contract import Description
from holdfast.formats.libraries import distribution_of, framework_of
from holdfast.formats.scanner import globals_of, root_of
from holdfast.formats.scanner.symbols import Global, Listed, Made, Mapped

_log = logging.getLogger(__name__)
_DEPTH = 4  # of a search over a pipeline of a transformer of columns
_MOST = 2000  # hyperparameters
_CONTAINERS = ("builtins", "collections", "numpy", "pandas")


def describe_object(model: object, *modules: str) -> Description:
    """Describe an object in memory; *modules* matter beside those of its class."""
    homes = [cls.__module__ for cls in type(model).__mro__]
    framework = next(filter(None, map(framework_of, homes)), None)
    algorithm = None if _is_container(homes[0]) else type(model).__name__
    return Description(framework, algorithm, _parameters(model), packages(*homes, *modules))


def describe_pickle(path: Path, *modules: str) -> Description:
    """Describe what a pickle or joblib file holds, from its bytes."""
    homes = globals_of(path)
    used = packages(*homes, *modules)
    root = root_of(path)
    if root is None or root.maker is None:
        return Description(packages=used)
    module, name = root.maker.module, root.maker.name
    algorithm = None if _is_container(module) else name
    stated = _stated(root, "", 0)
    parameters = {name: stated[name] for name in _first(stated)}
    return Description(framework_of(module), algorithm, parameters, used)


def packages(*modules: str) -> tuple[str, ...]:
    """Name the distributions behind *modules*, as far as they are known, sorted."""
    tops = {module.partition(".")[0] for module in modules}
    return tuple(sorted(filter(None, map(distribution_of, tops))))


def _is_container(module: str) -> bool:
    return module.partition(".")[0] in _CONTAINERS


def _parameters(model: object) -> dict[str, Any]:
    ask = getattr(model, "get_params", None)
    if not callable(ask) or isinstance(model, type):
        return {}
    try:
        parameters = ask(deep=True)
    except Exception:  # noqa: BLE001 - a stranger's method; a description is worth no failure
        return {}
    if not isinstance(parameters, Mapping):
        return {}
    simple_parameters = {
        str(name): value for name, value in parameters.items() if not _holds_objects(value)
    }
    return {name: _plain(simple_parameters[name]) for name in _first(simple_parameters)}


def _first(parameters: Mapping[str, object]) -> list[str]:
    """Return the names that are kept, and say how many are not."""
    if len(parameters) > _MOST:
        _log.warning("%d of %d hyperparameters are recorded", _MOST, len(parameters))
    return sorted(parameters)[:_MOST]


def _holds_objects(value: object) -> bool:
    """Tell whether a parameter is an estimator, or a list of them: its own parameters follow."""
    if isinstance(value, list | tuple):
        return any(map(_holds_objects, value))
    if isinstance(value, dict):
        return any(map(_holds_objects, value.values()))
    return hasattr(value, "get_params") and not isinstance(value, type)


def _plain(value: object) -> Any:
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    if callable(value) and isinstance(name, str):  # a repr would hold an address
        return f"{getattr(value, '__module__', None) or type(value).__module__}.{name}"
    return plain(value)


def _stated(made: Made, prefix: str, depth: int) -> dict[str, Any]:
    """Collect the parameters in a pickled estimator's state: what was fitted ends in `_`."""
    parameters: dict[str, Any] = {}
    state = _own_state(made)
    for name in sorted(state):
        if name.startswith("_") or name.endswith("_") or len(parameters) > _MOST:
            continue
        for part, value in _parts(name, state[name]):
            parameters |= _parameter(prefix + part, value, depth)
    return parameters


def _parameter(name: str, value: object, depth: int) -> dict[str, Any]:
    if isinstance(value, Made):
        return _stated(value, f"{name}__", depth + 1) if depth < _DEPTH else {}
    if _is_plain(value):
        return {name: plain(_unwrapped(value))}
    return {name: value.path} if isinstance(value, Global) else {}


def _own_state(made: Made) -> dict[str, object]:
    """Return the state without the prototype that forests keep beside their parameters."""
    state = made.state.entries if isinstance(made.state, Mapped) else {}
    derived = {"estimator_params"} | ({"estimator"} if state.get("estimator_params") else set())
    return {
        name: value
        for name, value in state.items()
        if isinstance(name, str) and name not in derived
    }


def _parts(name: str, value: object) -> Iterable[tuple[str, object]]:
    """Go through the named steps of a pipeline, union or vote; else the value itself."""
    items = value.items if isinstance(value, Listed) else ()
    steps = [item for item in items if isinstance(item, tuple) and _is_step(item)]
    if steps and len(steps) == len(items):
        return [(str(step[0]), step[1]) for step in steps]
    return [(name, value)]


def _is_step(item: tuple[object, ...]) -> bool:
    return len(item) > 1 and isinstance(item[0], str) and isinstance(item[1], Made | str)


def _is_plain(value: object, depth: int = 0) -> bool:
    if depth > _DEPTH:
        return False
    match value:
        case None | bool() | int() | float() | str():
            return True
        case tuple():
            return all(_is_plain(item, depth + 1) for item in value)
        case Listed():
            return value.whole and all(_is_plain(item, depth + 1) for item in value.items)
        case Mapped():
            return value.whole and all(_is_plain(v, depth + 1) for v in value.entries.values())
    return False


def _unwrapped(value: object) -> object:
    match value:
        case tuple():
            return [_unwrapped(item) for item in value]
        case Listed():
            return [_unwrapped(item) for item in value.items]
        case Mapped():
            return {name: _unwrapped(item) for name, item in value.entries.items()}
    return value
