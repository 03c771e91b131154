"""What a pickle may do with what it names, beyond naming it.

A name on the allow-list is safe in the way its use says. These rules close the ways around that:
calling what is not a global, changing a class, giving an object attributes first and then having
the unpickler call them (`append`, `extend`, `add`, `__setstate__` are looked up on the object).
Honest picklers do none of it, so each is a finding.
"""

import re
from collections.abc import Callable, Iterable

from holdfast.formats.scanner.array_sizes import layout_of_type
from holdfast.formats.scanner.attributes import (
    believes_sizes,
    check_attributes,
    is_of_a_library,
    is_special,
)
from holdfast.formats.scanner.calls import REBUILDERS, check_call, check_rebuilt
from holdfast.formats.scanner.findings import UnreadableError
from holdfast.formats.scanner.symbols import Global, Listed, Made, Mapped
from holdfast.formats.scanner.zone_names import is_unusual, may_hide_one, names_file

_LISTS = ("builtins.list", "collections.deque")
_SETS = ("builtins.set",)
_DICTS = (
    "builtins.dict",
    "collections.Counter",
    "collections.OrderedDict",
    "collections.defaultdict",
)
_BUNCHES = ("sklearn.utils.Bunch", "sklearn.utils._bunch.Bunch")
_PARTIAL = "functools.partial"
_NOT_HANDED = ("name", "type", "wrap", "note")
_OF_A_CLASS = re.compile(r"_new_\w*Index|newObj")  # what makes an instance of the class handed over
_MADE_SO = re.compile(r"\w*Index|(KD|Ball)Tree(32|64)?|\w+Distance(32|64)?")
_NOTHING = Global("", "something that is not named", None)

WRAPPER = "joblib.numpy_pickle.NumpyArrayWrapper"
"""What joblib writes in place of an array whose bytes follow."""

Doubt = Callable[[str], None]


def called(func: object, args: object, doubt: Doubt) -> Made:
    """Judge `func(*args)`, which may run an `__init__`, and return its stand-in."""
    if not isinstance(func, Global):
        doubt("calls something that is not named")
        return Made(None)
    if func.path == "copyreg._reconstructor":
        return _reconstructed(func, args, doubt)
    if func.use in ("make", *_NOT_HANDED):
        doubt(f"calls {func.path}")
    if func.path == _PARTIAL:
        return _held_for_later(func, args, doubt)
    values = _handed_over(func, args, doubt)
    if func.path in REBUILDERS and values and isinstance(values[0], Global):
        check_rebuilt(func, values, doubt)
        return Made(values[0], values)
    if _OF_A_CLASS.fullmatch(func.name):
        return _instance(func, values, doubt)
    check_call(func, values, doubt)
    return Made(func, values)


def made(cls: object, args: object, keywords: object, doubt: Doubt) -> Made:
    """Judge `cls.__new__(cls, *args, **keywords)` and return the instance's stand-in."""
    if not isinstance(cls, Global):
        doubt("makes an instance of something that is not named")
        return Made(None)
    if cls.use in ("name", "type", "note") or cls.path == _PARTIAL:
        doubt(f"makes an instance of {cls.path}")
    values = _handed_over(cls, args, doubt)
    if not isinstance(keywords, Mapped) or not keywords.whole:
        doubt(f"hands {cls.path} arguments that cannot be read")
        return Made(cls, values)
    _check_handed(cls, keywords.entries.values(), doubt)
    check_call(cls, values, doubt)
    if cls.use in ("make", "wrap") and (values or keywords.entries):
        doubt(f"makes an instance of {cls.path} with arguments")
    return Made(cls, values)


def _instance(func: Global, values: tuple[object, ...], doubt: Doubt) -> Made:
    match values:
        case (Global() as cls, *rest) if _MADE_SO.fullmatch(cls.name):
            return Made(cls, tuple(rest))
    doubt(f"has {func.path} make what it does not make in honest files")
    return Made(func, values)


def built(target: object, state: object, doubt: Doubt) -> None:
    """Judge the setting of an object's state, and keep it."""
    if not isinstance(target, Made):
        label = target.path if isinstance(target, Global) else "something that is not an object"
        doubt(f"sets the state of {label}")
        return
    if target.built:
        doubt("sets the state of one object twice")
    _check_state(target, state, doubt)
    target.state, target.built = state, True
    if target.is_a("numpy.dtype"):
        _settle_type(target, doubt)


def _settle_type(dtype: Made, doubt: Doubt) -> None:
    # numpy keeps the table of fields it is given: neither may change once arrays rely on them
    if dtype.shared:
        doubt("changes a numpy type in use")
    try:
        layout_of_type(dtype)
    except UnreadableError as error:
        doubt(str(error))
    for part in dtype.state if isinstance(dtype.state, tuple) else ():
        if isinstance(part, Mapped):
            part.sealed = True
            inner = [value for value in part.entries.values() if isinstance(value, tuple)]
            _share(*(value for values in inner for value in values))
        elif isinstance(part, tuple):
            _share(*part)


def _share(*values: object) -> None:
    for value in values:
        if isinstance(value, Made):
            value.shared = True


def appended(target: object, items: list[object], doubt: Doubt) -> None:
    """Judge `target.extend(items)`."""
    _check_kept(items, doubt)
    if isinstance(target, Listed):
        target.extend(items)
    else:
        _grown(target, items, _LISTS, doubt)


def added(target: object, items: list[object], doubt: Doubt) -> None:
    """Judge `target.update(items)` on a set."""
    _check_kept(items, doubt)
    if isinstance(target, Listed):
        target.extend(items)
    else:
        _grown(target, items, _SETS, doubt)


def set_items(target: object, flat: list[object], doubt: Doubt) -> None:
    """Judge `target[key] = value` for the keys and values that alternate in *flat*."""
    if len(flat) % 2:
        raise UnreadableError("a key without a value")
    _check_kept(flat, doubt)
    for key in filter(is_special, flat[::2]):
        doubt(f"sets the special item {key}")
    for key, value in zip(flat[::2], flat[1::2], strict=True):
        if may_hide_one(key, value):
            doubt(f"sets {key} to a text that cannot be read")
    if isinstance(target, Mapped):
        if target.sealed:
            doubt("changes a numpy type in use")
        target.update(flat)
    elif isinstance(target, Made) and target.is_a(*_BUNCHES):
        _bunched(target, flat, doubt)
    else:
        _grown(target, flat, _DICTS, doubt)


def _bunched(target: Made, flat: list[object], doubt: Doubt) -> None:
    # its items are its attributes: ensembles keep their estimators there, by name
    for key, value in zip(flat[::2], flat[1::2], strict=True):
        _check_item(key, value, doubt)
    _grown(target, flat, _BUNCHES, doubt)


def _check_bunched(items: object, doubt: Doubt) -> None:
    # any list of pairs fills a Bunch as it is made, and a dict keeps keys that are not read here
    if isinstance(items, Mapped) and items.whole and not items.others:
        for key, value in items.entries.items():
            _check_item(key, value, doubt)
    elif items is not None:
        doubt("makes a Bunch of items that cannot be read")


def _check_item(key: object, value: object, doubt: Doubt) -> None:
    is_public_name = isinstance(key, str) and not key.startswith("_")
    if not is_public_name or not (isinstance(value, str) or _is_estimator(value)):
        doubt("adds to a Bunch what is not an estimator under its name")


def _is_estimator(value: object) -> bool:
    return isinstance(value, Made) and is_of_a_library(value)


def _grown(target: object, items: list[object], kinds: tuple[str, ...], doubt: Doubt) -> None:
    own = isinstance(target, Made) and target.maker is not None and target.maker.use == "own"
    if not (isinstance(target, Made) and (own or target.is_a(*kinds)) and not target.built):
        maker = target.maker if isinstance(target, Made) else target
        label = maker.path if isinstance(maker, Global) else "something that is not a container"
        doubt(f"adds items to {label}")
    if isinstance(target, Made):
        target.items.extend(items)


def _reconstructed(func: Global, args: object, doubt: Doubt) -> Made:
    # cls.__new__ and __init__ of the *base*, which is object or the built-in type cls extends
    match args:
        case (Global() as cls, Global(module="builtins", use="call") as base, state):
            plain = cls.use == "make" or (cls.use == "wrap" and state is None)
            _check_handed(func, (state,) if plain else (cls, state), doubt)
            if cls.path in _BUNCHES:
                _check_bunched(state, doubt)
            return Made(cls, () if base.name == "object" else (state,))
    doubt(f"hands {func.path} arguments that cannot be read")
    return Made(None)


def _handed_over(func: Global, args: object, doubt: Doubt) -> tuple[object, ...]:
    if isinstance(args, tuple):
        _check_handed(func, args, doubt)
        return args
    doubt(f"hands {func.path} arguments that cannot be read")
    return ()


def _check_handed(func: Global, values: Iterable[object], doubt: Doubt) -> None:
    values = tuple(values)
    _check_labelled(func, values, doubt)
    for value in values:
        if isinstance(value, Global) and not _may_be_handed(value, func):
            doubt(f"hands {value.path} to {func.path}")
        if isinstance(value, Made) and value.is_a(_PARTIAL):
            doubt(f"hands {_PARTIAL} to {func.path}")


def _may_be_handed(value: Global, func: Global) -> bool:
    if value.use == "make":  # pandas makes instances of any class with any arguments, and so on
        return value.module.partition(".")[0] == func.module.partition(".")[0]
    return value.use not in _NOT_HANDED


def _held_for_later(func: Global, args: object, doubt: Doubt) -> Made:
    # whatever a partial holds runs with arguments of the file's choice once the model is used
    match args:
        case (Global(use="name" | "own" | None) as held, *rest) if not believes_sizes(held):
            _check_handed(func, rest, doubt)
        case _:
            doubt(f"hands {func.path} a function that is not on the list")
    return Made(func, args if isinstance(args, tuple) else ())


def _check_kept(values: Iterable[object], doubt: Doubt) -> None:
    # an object whose class became joblib's wrapper would have the bytes that follow passed over
    for value in values:
        if isinstance(value, Global) and value.use == "wrap":
            doubt(f"holds {value.path}")
        elif names_file(value):
            doubt("holds a file's path as a time zone")


def _check_state(target: Made, state: object, doubt: Doubt) -> None:
    if isinstance(state, Global | Made):
        _check_handed(target.maker or _NOTHING, (state,), doubt)
    if target.is_a(_PARTIAL) and not _same_function(target.args, state):
        doubt(f"changes the function that {_PARTIAL} holds")
    if target.is_a(WRAPPER):
        return
    check_attributes(target, state, doubt)
    _check_labelled(target.maker or _NOTHING, (state,), doubt)
    values = state.entries.values() if isinstance(state, Mapped) else state
    for value in values if isinstance(values, Iterable) else ():
        if isinstance(value, Global) and value.use in ("note", "wrap"):
            doubt(f"holds {value.path}")


def _check_labelled(maker: Global, values: tuple[object, ...], doubt: Doubt) -> None:
    # A series gives its items as attributes, by their labels: of a special name, numpy takes a
    # dict for the address of memory. Labels may be bytes that are not read; dicts are seen.
    # Names of time zones are read from files, which dateutil takes anywhere.
    waiting = list(values) if maker.module.partition(".")[0] == "pandas" else []
    seen: set[int] = set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        match value:
            case Made() if value.is_a("numpy.ndarray"):
                if _lends_memory(value):
                    doubt(f"hands {maker.path} an array of dicts that could lend memory")
            case str() if is_unusual(value):
                doubt(f"hands {maker.path} a file's path as a time zone")
            case tuple():
                waiting += value
            case Listed():
                waiting += value.items
            case Mapped():
                waiting += value.entries.values()


def _lends_memory(array: Made) -> bool:
    waiting, seen = [array], {id(array)}
    while waiting:  # joblib's stand-in of an array holds the one that was read
        made = waiting.pop()
        for part in (*made.args, *(made.state if isinstance(made.state, tuple) else ())):
            if isinstance(part, Listed) and any(map(_lends, part.items)):
                return True
            if isinstance(part, Made) and id(part) not in seen:
                seen.add(id(part))
                waiting.append(part)
    return False


def _lends(value: object) -> bool:
    if isinstance(value, Mapped):
        value.sealed = True  # nor may it come to say so later
        return not value.whole or "typestr" in value.entries
    return isinstance(value, Made) and value.is_a(*_DICTS, *_BUNCHES)


def _same_function(args: tuple[object, ...], state: object) -> bool:
    match args, state:
        case (Global() as function, *_), (Global() as stated, *_):
            return function == stated
    return False
