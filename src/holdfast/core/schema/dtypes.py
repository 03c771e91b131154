"""Names of dtypes: one spelling for each, the JSON type it stands for, and which holds which."""

import re
from typing import Final, NamedTuple

__all__ = ["canonical", "holds", "json_type"]

_ALIASES: Final = {
    "float": "float64",
    "double": "float64",
    "half": "float16",
    "single": "float32",
    "int": "int64",
    "long": "int64",
    "boolean": "bool",
    "bool_": "bool",
    "str": "object",
    "string": "object",
    "utf8": "object",
    "bytes": "object",
    "category": "object",
    "categorical": "object",
}
# numpy's short codes are recognised before case is dropped: `<U8` is text, `u8` a number
_CODE: Final = r"[<>=|]?([fiuUSa])(\d*)"
_CODES: Final = {"f": "float", "i": "int", "u": "uint"}
_TEXT: Final = r"string\[.*\]|enum\(.*\)|(str|bytes)(_|\d+)"
_TIME: Final = (
    r"(datetime|timedelta)64"
    r"(?:\[(?:\d*(?:[YMWDhms]|ms|us|ns|ps|fs|as|generic)(?=[,\]]))?(?:, *)?(?P<zone>[^\],]+)?\])?"
)
# as pandas spells Arrow's types, and polars its own
_ARROW: Final = "[pyarrow]"
_ARROW_FLOATS: Final = {"halffloat": "float16", "float": "float32", "double": "float64"}
_ARROW_TIME: Final = r"timestamp\[\w+(?:, tz=(?P<zone>[^\]]+))?\]"
_POLARS_TIME: Final = r"Datetime\(time_unit='\w+', time_zone=(?:None|'(?P<zone>[^']+)')\)"
_NUMBER: Final = r"(u?int|b?float)(\d+)"


class _Number(NamedTuple):
    """What a numeric dtype can represent.

    Attributes:
        digits: Bits of the largest whole number below which all are exact.
        exponent: Bits of the exponent, 0 for whole numbers.
        signed: Whether it has negative numbers.
    """

    digits: int
    exponent: int
    signed: bool


_FLOATS: Final = {
    "float16": _Number(11, 5, signed=True),
    "bfloat16": _Number(8, 8, signed=True),
    "float32": _Number(24, 8, signed=True),
    "float64": _Number(53, 11, signed=True),
    "float128": _Number(64, 15, signed=True),
}


def canonical(dtype: str) -> str:
    """Return numpy's name for *dtype*, one for all spellings of the same thing.

    pandas' `Int64` and `int64[pyarrow]`, torch's `torch.float32` and polars' `Boolean` become
    `int64`, `float32` and `bool`, and a name so made stays as it is. Everything that holds text or
    categories becomes `object`, and a date or time loses its resolution, since JSON carries either
    as a string. What is not known stays as it is.
    """
    spelling = dtype.strip()
    text = spelling.removesuffix(_ARROW)
    if text != spelling and text in _ARROW_FLOATS:  # what Arrow calls a float has 32 bits
        return _ARROW_FLOATS[text]
    if text == "large_string":
        return "object"
    if time := re.fullmatch(_ARROW_TIME, text) or re.fullmatch(_POLARS_TIME, text):
        return f"datetime64[{time['zone']}]" if time["zone"] else "datetime64"
    if code := re.fullmatch(_CODE, text):
        stem = _CODES.get(code[1])
        return f"{stem}{8 * int(code[2] or 8)}" if stem else "object"
    if time := re.fullmatch(_TIME, text):
        return f"{time[1]}64[{time['zone']}]" if time["zone"] else f"{time[1]}64"
    name = text.lower().removeprefix("torch.")
    return "object" if re.fullmatch(_TEXT, name) else _ALIASES.get(name, name)


def json_type(dtype: str) -> str | None:
    """Return the JSON type of a canonical *dtype*'s values, None where it does not tell."""
    if number := re.fullmatch(_NUMBER, dtype):
        return "number" if number[1].endswith("float") else "integer"
    if dtype.startswith(("datetime64", "timedelta64")):
        return "string"
    return "boolean" if dtype == "bool" else None


def holds(wide: str, narrow: str) -> bool:
    """Tell whether *wide* takes every value of *narrow*; both are canonical.

    As numpy's safe casting has it, but for booleans, which JSON keeps apart from numbers: 64-bit
    integers go into `float64`, though the largest of them are rounded there.
    """
    if wide in {narrow, "object"}:
        return True
    big, small = _number(wide), _number(narrow)
    if big is None or small is None or (small.signed and not big.signed):
        return False
    if big.exponent == small.exponent == 0:
        return big.digits >= small.digits
    enough = big.digits >= small.digits or (wide in {"float64", "float128"} and not small.exponent)
    return enough and big.exponent >= max(small.exponent, 1)


def _number(dtype: str) -> _Number | None:
    if dtype in _FLOATS:
        return _FLOATS[dtype]
    match = re.fullmatch(_NUMBER, dtype)
    if match is None or match[1].endswith("float"):
        return None
    signed = match[1] == "int"
    return _Number(int(match[2]) - signed, 0, signed=signed)
