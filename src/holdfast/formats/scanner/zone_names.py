"""Names of time zones, which dateutil reads from any file, and pandas finds in names of types.

`datetime64[ns, dateutil//etc/hostname]` opens that file wherever a type is asked for.
"""

import re
from typing import Final

from holdfast.formats.scanner.symbols import OPAQUE, Made

_UNUSUAL: Final = re.compile(r"dateutil/(?![\w+-]+(/[\w+-]+)*(\](\[pyarrow\])?)?\Z)")
_FILE: Final = re.compile(r"dateutil/([/\\:]|[A-Za-z]:|.*\.\.)", re.DOTALL)
_PLACES: Final = ("tz", "dtype", "subtype")
_HIDDEN: Final = re.compile(r"builtins\.str|numpy\..*\.scalar|numpy\.str_")


def is_unusual(text: str) -> bool:
    """Tell whether a text given to pandas holds a zone that is not a plain name."""
    return "dateutil/" in text and _UNUSUAL.search(text) is not None


def names_file(value: object) -> bool:
    """Tell whether a text, or one in a tuple, holds a zone that is a file's path."""
    if isinstance(value, tuple):
        return any(map(names_file, value))
    return isinstance(value, str) and "dateutil/" in value and _FILE.search(value) is not None


def may_hide_one(name: object, value: object) -> bool:
    """Tell whether what lies under *name* is a type or zone by a text that cannot be read."""
    if not isinstance(name, str) or not name.endswith(_PLACES):
        return False
    maker = value.maker if isinstance(value, Made) else None
    return value is OPAQUE or (maker is not None and _HIDDEN.fullmatch(maker.path) is not None)
