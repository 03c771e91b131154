"""How many bytes a numpy array takes, and whether Python objects are among them.

Worked out from what a file says of the array's type, without numpy. Whatever is not understood is
refused: a type that is read differently here and in numpy would hide what follows the array.
"""

import math
import re
from dataclasses import dataclass

from holdfast.formats.scanner.findings import UnreadableError
from holdfast.formats.scanner.symbols import Global, Listed, Made, Mapped

# Bits of a numpy type's flags: it holds references, wants to be pickled as a list, is a pointer.
_OBJECT_FLAGS = 0x01 | 0x02 | 0x04
_TYPE = re.compile(r"[|<>=]?([biufcmMOSUVa?])([0-9]{0,10})(\[[^]]*\])?")
_UNSIZED = {"?": 1, "M": 8, "m": 8, "S": 0, "U": 0, "V": 0, "a": 0}
_DEPTH = 16
_FIELD = 2  # a field is (type, offset) or (type, offset, title)


@dataclass(frozen=True, slots=True)
class ItemLayout:
    """One item of an array: its length and whether it holds Python objects."""

    size_bytes: int
    has_object: bool


def layout_of_code(code: str) -> ItemLayout:
    """Return the layout of a type written as numpy writes it, such as `<f8` or `|S5`.

    Raises:
        UnreadableError: If the code is unknown.
    """
    match = _TYPE.fullmatch(code)
    if match is None:
        raise _not_understood(f"{code[:40]!r}")
    kind, digits, _ = match.groups()
    if kind == "O":
        return ItemLayout(8, has_object=True)
    if not digits and kind not in _UNSIZED:
        raise _not_understood(f"{code!r} has no length")
    size = int(digits) if digits else _UNSIZED[kind]
    return ItemLayout(4 * size if kind == "U" else size, has_object=False)


def layout_of_type(dtype: object, depth: int = 0) -> ItemLayout:
    """Return the layout of a pickled `numpy.dtype` from its arguments and state.

    Raises:
        UnreadableError: If the type is not understood or contradicts itself.
    """
    if depth > _DEPTH or not isinstance(dtype, Made) or not dtype.is_a("numpy.dtype"):
        raise _not_understood("no numpy.dtype")
    code = dtype.args[0] if dtype.args else None
    if not isinstance(code, str):
        raise _not_understood("its code is not text")
    plain = layout_of_code(code)
    if dtype.state is None:
        return plain
    match dtype.state:
        case (int(), _, part, names, fields, int() as size, int(), int() as flags, *_):
            layout = _stated(plain, (part, names, fields), size, depth)
        case _:
            raise _not_understood("its state is strange")
    if bool(flags & _OBJECT_FLAGS) != layout.has_object:
        raise _not_understood("its flags contradict it")
    return layout


def _stated(plain: ItemLayout, inner: tuple[object, ...], size: int, depth: int) -> ItemLayout:
    part, names, fields = inner
    if part is None and names is None and fields is None:
        if size not in (-1, plain.size_bytes):
            raise _not_understood("its lengths contradict each other")
        return plain
    if plain.has_object or size != plain.size_bytes:
        raise _not_understood("its lengths contradict each other")
    if part is not None and names is None and fields is None:
        return _repeated(part, size, depth)
    if part is None and isinstance(names, tuple) and isinstance(fields, Mapped):
        return _structured(names, fields, size, depth)
    raise _not_understood("its state is strange")


def _repeated(part: object, size: int, depth: int) -> ItemLayout:
    match part:
        case (item, tuple() as shape):
            layout = layout_of_type(item, depth + 1)
            if layout.size_bytes * count_of(shape) == size:
                return ItemLayout(size, layout.has_object)
    raise _not_understood("its lengths contradict each other")


def _structured(names: tuple[object, ...], fields: Mapped, size: int, depth: int) -> ItemLayout:
    has_object = False
    for name in names:
        field = fields.entries.get(name) if isinstance(name, str) else None
        if not isinstance(field, tuple) or len(field) < _FIELD or not isinstance(field[1], int):
            raise _not_understood("a field is missing")
        layout = layout_of_type(field[0], depth + 1)
        if not 0 <= field[1] <= size - layout.size_bytes:
            raise _not_understood("a field lies outside")
        has_object |= layout.has_object
    if not fields.whole or len(fields.entries) < len(names):
        raise _not_understood("fields are hidden")
    return ItemLayout(size, has_object)


def layout_of_header(descr: object, depth: int = 0) -> ItemLayout:
    """Return the layout of the `descr` in an npy header: a code, or a list of fields.

    Raises:
        UnreadableError: If it is not understood.
    """
    if isinstance(descr, str):
        return layout_of_code(descr)
    if depth > _DEPTH or not isinstance(descr, list):
        raise _not_understood("its header is strange")
    size, has_object = 0, False
    for field in descr:
        match field:
            case (str() | (str(), str()), kind, *shape) if len(shape) <= 1:
                layout = layout_of_header(kind, depth + 1)
                size += layout.size_bytes * count_of(shape[0] if shape else ())
                has_object |= layout.has_object
            case _:
                raise _not_understood("its header is strange")
    return ItemLayout(size, has_object)


def count_of(shape: object) -> int:
    """Return the number of items in an array of *shape*.

    Raises:
        UnreadableError: If the shape is not a tuple of counts.
    """
    if isinstance(shape, Listed):
        shape = tuple(shape.items)
    if not isinstance(shape, tuple) or any(
        isinstance(length, bool) or not isinstance(length, int) or length < 0 for length in shape
    ):
        raise _not_understood("its shape is strange")
    return math.prod(shape)


@dataclass(frozen=True, slots=True)
class Payload:
    """The bytes of an array that follow joblib's note of it.

    Attributes:
        size_bytes: Their number; None where a nested pickle holds the items instead.
        padded: True if a byte with the length of some padding comes first.
    """

    size_bytes: int | None
    padded: bool


_NOTED = {"allow_mmap", "dtype", "order", "shape", "subclass"}
_ALIGNMENT = "numpy_array_alignment_bytes"


def payload_of(wrapper: Made) -> Payload:
    """Return what follows a `NumpyArrayWrapper` whose state was just set.

    Raises:
        UnreadableError: If the note is not exactly what joblib writes.
    """
    state = wrapper.state
    if not isinstance(state, Mapped) or not state.whole or wrapper.args:
        raise _not_understood("its note is strange")
    noted = state.entries
    if set(noted) - {_ALIGNMENT} != _NOTED or not isinstance(noted["subclass"], Global):
        raise _not_understood("its note is strange")
    layout = layout_of_type(noted["dtype"])
    count = count_of(noted["shape"])
    padded = noted.get(_ALIGNMENT) is not None
    return Payload(None if layout.has_object else count * layout.size_bytes, padded)


def _not_understood(why: str) -> UnreadableError:
    return UnreadableError(f"numpy type not understood: {why}")
