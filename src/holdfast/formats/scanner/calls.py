"""Functions of the list that are harmless only with the arguments that honest files hand them.

numpy's and torch's constructors would give memory as it happens to be, which a model's answers
could tell, read objects as numbers, or call what they are handed.
"""

from collections.abc import Callable

from holdfast.formats.scanner.array_sizes import layout_of_type
from holdfast.formats.scanner.findings import UnreadableError
from holdfast.formats.scanner.symbols import OPAQUE, Global, Made

_MASKED = "numpy.ma.core._mareconstruct"
REBUILDERS = (
    "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct", _MASKED,
)  # fmt: skip
"""Those that make an empty array of the class they are handed first; its state comes later."""

_GENERATOR = "numpy.random._pickle.__bit_generator_ctor"
_GENERATORS = ("numpy.random._pickle.__generator_ctor", "numpy.random._pickle.__randomstate_ctor")
_EMPTY = (0,)
_SIZES = ("Storage", "Tensor")

Doubt = Callable[[str], None]


def check_rebuilt(func: Global, values: tuple[object, ...], doubt: Doubt) -> None:
    """Judge the making of an array that is filled once its state is set."""
    classes, rest = (values[:2], values[2:]) if func.path == _MASKED else (values[:1], values[1:])
    of_numpy = all(isinstance(cls, Global) and _is_of(cls, "numpy") for cls in classes)
    if not of_numpy or rest[:1] != (_EMPTY,):
        doubt(f"has {func.path} make what it does not make in honest files")


def check_call(func: Global, values: tuple[object, ...], doubt: Doubt) -> None:
    """Judge the arguments of a call that is harmless with usual ones."""
    if func.name == "_frombuffer" and not _is_over_bytes(values):
        doubt("makes an array over what is not bytes")
    if func.path.endswith(".multiarray.scalar"):
        _check_scalar(values, doubt)
    if func.path == "_codecs.encode" and values[1:] != ("latin1",):
        doubt("encodes text by another codec than latin1")
    if func.path == _GENERATOR and not _is_generator(values):
        doubt(f"has {func.path} call what is not a bit generator")
    if func.path in _GENERATORS and not _is_by_generator(values):
        doubt(f"has {func.path} call another function")
    if _is_of(func, "torch") and func.name.endswith(_SIZES):
        doubt(f"calls {func.path}, which gives memory as it happens to be")


def _is_of(thing: Global, package: str) -> bool:
    return thing.module.partition(".")[0] == package


def _is_over_bytes(values: tuple[object, ...]) -> bool:
    return bool(values) and (isinstance(values[0], bytes) or values[0] is OPAQUE)


def _is_generator(values: tuple[object, ...]) -> bool:
    match values:
        case () | (str(),):
            return True
        case (Global(module=module),):
            return module.startswith("numpy.random.")
    return False


def _is_by_generator(values: tuple[object, ...]) -> bool:
    match values:
        case () | (str() | Made(),):
            return True
        case (str() | Made(), Global(path=path)):
            return path == _GENERATOR
    return False


def _check_scalar(values: tuple[object, ...], doubt: Doubt) -> None:
    # numpy copies the bytes over: in a type with objects they would be taken for addresses
    try:
        plain = bool(values) and not layout_of_type(values[0]).has_object
    except UnreadableError:
        plain = False
    if not plain:
        doubt("makes a numpy scalar of a type that is not understood")
