"""The little language in which MLflow's clients filter and order what they search for.

Comparisons joined by `AND`; no `OR`, no parentheses around them. It is read as MLflow reads it, by
a general parser of SQL, with the same answers for what cannot be read.
"""

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from holdfast.gateways.mlflow.mlflow_errors import invalid

Value = str | int | float | tuple[str, ...]
_STRING: Final = r"(?>'(?:''|\\'|[^'])*')"
_QUOTED: Final = r'(?>"(?:""|\\"|[^"])*"|`[^`]*`)'
"""Atomic, or a list that does not end could be read in a number of ways that doubles with each
string."""
_WORD: Final = r"[^\W\d]\w*"
_TOKEN: Final = re.compile(
    rf"""
    (?P<space>\s+)
    | (?P<number>-?\d+\.\d+|-?\d+(?![\w.]))
    | (?P<string>{_STRING})
    | (?P<comparator><>|!=|<=|>=|==|=|<|>|(?:NOT\s+)?(?:I?LIKE|IN)\b)
    | (?P<name>(?:{_WORD}|{_QUOTED})(?:\.(?:\w+|{_QUOTED}))*)
    | (?P<list>\((?:{_STRING}|{_QUOTED}|[^()'"`])*\))
    | (?P<other>.)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_OPERANDS: Final = ("name", "number", "string", "list")
_ENTITIES: Final = ("attribute", "tag", "tags")
_ORDER_ENTITIES: Final = ("attribute", "attributes", "tag", "tags")
"""In orders of versions, which MLflow reads as those of experiments; so since 3.18."""
_DIRECTIONS: Final = {"asc": True, "desc": False}
_CLAUSE: Final = 3
_MOST_SOUGHT: Final = 500
"""Characters of all patterns in a filter that are looked for at every place of a text."""


class Language(Struct, frozen=True):
    """What can be asked of one kind of things.

    Attributes:
        keys: Attributes that can be compared, as MLflow's messages list them.
        numeric: Those of numbers.
        listed: Those that can be one of several.
    """

    keys: str
    numeric: str
    listed: tuple[str, ...]

    def has(self, key: str) -> bool:
        """Tell whether an attribute can be compared."""
        return repr(key) in self.keys

    def counts(self, key: str) -> bool:
        """Tell whether an attribute is a number."""
        return repr(key) in self.numeric


_RESERVED: Final = frozenset(("TRUE", "FALSE", "NONE", "ON"))
"""Bare words of SQL that cannot be compared with; MLflow takes them for clauses of their own."""


class Piece(Struct, frozen=True):
    """A piece of a filter, and what kind of piece."""

    kind: str
    text: str


class Clause(Struct, frozen=True):
    """One comparison."""

    is_tag: bool
    key: str
    comparator: str
    value: Value


def _set(*names: str) -> str:
    """Write names as MLflow's messages do, where their order is by chance."""
    return f"{{{', '.join(map(repr, sorted(names)))}}}"


MODELS: Final = Language(_set("name"), _set("creation_timestamp"), ("name",))
VERSIONS: Final = Language(
    _set("name", "version_number", "run_id", "source_path"),
    _set("version_number", "creation_timestamp", "last_updated_timestamp"),
    ("name", "run_id"),
)


def clauses(text: str | None, language: Language) -> list[Clause]:
    """Read a filter.

    Raises:
        MlflowProblem: If it cannot be read, or asks for what cannot be compared.
    """
    comparisons, rest = _grouped(list(_tokens(text or "")))
    if rest:
        raise invalid(f"Invalid clause(s) in filter string: {', '.join(rest)}")
    read = [_clause(*comparison, language) for comparison in comparisons]
    if sum(map(_sought, read)) > _MOST_SOUGHT:
        problem = f"have more than {_MOST_SOUGHT} characters between signs %; ask for less"
        raise invalid(f"Invalid clause(s) in filter string: patterns {problem}")
    return read


def _sought(clause: Clause) -> int:
    """Return how much of a pattern is looked for at every place: each costs so many steps there."""
    if not clause.comparator.endswith("LIKE"):
        return 0
    _, *middle = str(clause.value).split("%")
    return sum(map(len, middle[:-1]))


def _tokens(text: str) -> Iterator[Piece]:
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "space":
            yield Piece(str(match.lastgroup), match[0])


def _grouped(tokens: Sequence[Piece]) -> tuple[list[tuple[Piece, Piece, Piece]], list[str]]:
    """Return the comparisons among tokens, and what is neither one of them nor an `AND`."""
    comparisons, rest = [], []
    at = 0
    while at < len(tokens):
        piece = tokens[at : at + _CLAUSE]
        if _is_comparison(piece):
            comparisons.append((piece[0], piece[1], piece[2]))
            at += _CLAUSE
            continue
        if not _is_and(tokens[at]):
            is_words = tokens[at].kind == "comparator"
            rest += tokens[at].text.split() if is_words else [tokens[at].text]
        at += 1
    return comparisons, rest


def _is_comparison(tokens: Sequence[Piece]) -> bool:
    if len(tokens) < _CLAUSE:
        return False
    left, comparator, right = tokens
    if comparator.kind != "comparator" or left.kind not in _OPERANDS or _is_and(right):
        return False
    if right.kind == "name" and right.text.upper() in _RESERVED:
        return False
    if comparator.text.upper().endswith("IN"):
        return left.kind == "name" and right.kind == "list"
    return right.kind in _OPERANDS


def _is_and(token: Piece) -> bool:
    return token.kind == "name" and token.text.upper() == "AND"


def _clause(left: Piece, comparator: Piece, right: Piece, language: Language) -> Clause:
    if left.kind != "name":
        raise invalid(f"Invalid comparison clause. Expected 'Identifier' found '{left.text}'")
    is_tag, key = _identifier(left.text)
    if not is_tag and not language.has(key):
        raise invalid(f"Invalid attribute key '{key}' specified. Valid keys are '{language.keys}'")
    key = _bare(key)
    word = " ".join(comparator.text.upper().split())
    return Clause(is_tag, key, word, _value(is_tag, key, right, language))


def _identifier(text: str, entities: Sequence[str] = _ENTITIES) -> tuple[bool, str]:
    entity, dot, key = text.partition(".")
    if not dot:
        return False, text
    if entity not in entities:
        raise invalid(f"Invalid entity type '{entity}'. Valid entity types are {entities}")
    return entity.startswith("tag"), key


def _bare(key: str) -> str:
    """Return a key without the quotes around it."""
    for quote in ("'", '"', "`"):
        if _is_quoted(key, quote):
            key = key[1:-1]
            break
    return key[1:-1] if _is_quoted(key, "`") else key


def _is_quoted(text: str, quote: str) -> bool:
    return len(text) > 1 and text.startswith(quote) and text.endswith(quote)


def _value(is_tag: bool, key: str, token: Piece, language: Language) -> Value:  # noqa: FBT001
    if token.kind in ("string", "name"):
        return _unquoted(token.text)
    if is_tag:
        raise invalid(
            f"Expected a quoted string value for tag (e.g. 'my-value'). Got value {token.text}"
        )
    if token.kind == "list":
        return _listed(key, token.text, language)
    if language is MODELS:
        raise invalid(
            "Expected a quoted string value or a list of quoted string values for attributes. "
            f"Got value {token.text}"
        )
    if not language.counts(key):
        raise invalid(
            f"Only the '{language.numeric}' attributes support comparison with numeric values."
        )
    return float(token.text) if "." in token.text else int(token.text)


def _unquoted(text: str) -> str:
    if not _is_quoted(text, "'") and not _is_quoted(text, '"'):
        raise invalid(
            "Parameter value is either not quoted or unidentified quote types used for string "
            f"value {text}. Use either single or double quotes."
        )
    return text[1:-1]


def _listed(key: str, text: str, language: Language) -> tuple[str, ...]:
    if key not in language.listed:
        raise invalid(
            f"Only {sorted(language.listed)} attributes support comparison with a list of quoted "
            "string values."
        )
    try:
        read = ast.literal_eval(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise invalid(
            "While parsing a list in the query, expected a non-empty list of string values, but "
            "got ill-formed list."
        ) from None
    values = read if isinstance(read, tuple) else (read,)
    if not values:
        raise invalid(
            "While parsing a list in the query, expected a non-empty list of string values, but "
            "got empty list"
        )
    if not all(isinstance(value, str) for value in values):
        raise invalid(
            "While parsing a list in the query, expected string value, punctuation, or "
            f"whitespace, but got different type in list: {values}"
        )
    return values


def ordered(clause: str) -> tuple[str, bool]:
    """Read one clause of an order; return its key, as it was written, and whether it ascends.

    Raises:
        MlflowProblem: If it cannot be read.
    """
    pieces = list(_tokens(clause))
    is_one = bool(pieces) and all(piece.kind == "name" for piece in pieces) and len(pieces) <= 2  # noqa: PLR2004 - key and direction
    if not is_one or clause[0].isspace():
        raise invalid(f"Invalid order_by clause '{clause}'. Could not be parsed.")
    key = pieces[0].text
    if len(pieces) == 1:
        return key, True
    direction = pieces[1].text.lower()
    if direction not in _DIRECTIONS:
        raise invalid(f"Invalid ordering key in order_by clause '{clause}'.")
    return key.replace("`", "").replace('"', ""), _DIRECTIONS[direction]


def version_key(key: str) -> str:
    """Return the attribute of versions that a key in an order names.

    Raises:
        MlflowProblem: If they cannot be ordered by it.
    """
    is_tag, name = _identifier(key, _ORDER_ENTITIES)
    keys = _set("name", "version_number", "creation_timestamp", "last_updated_timestamp")
    name = _bare(name)
    if is_tag:
        raise invalid("Invalid order_by entity: tag")
    if repr(name) not in keys:
        raise invalid(f"Invalid attribute key '{name}' specified. Valid keys are '{keys}'")
    return name


def model_key(key: str) -> str:
    """Return the attribute of models that a key in an order names.

    Raises:
        MlflowProblem: If they cannot be ordered by it.
    """
    if key not in ("timestamp", "last_updated_timestamp", "name"):
        keys = _set("name", "timestamp")
        raise invalid(f"Invalid order by key '{key}' specified. Valid keys are '{keys}'")
    return key


def holds(comparator: str) -> Callable[[object, Value], bool]:
    """Return the function that compares an attribute or tag with a value."""
    return _HOLDS[comparator]


def _like(text: str, pattern: str, flags: int) -> bool:
    """Tell whether a text has the form of a pattern, in time that grows with both lengths alone."""
    pieces = [
        re.compile(re.escape(piece).replace("_", "."), flags | re.DOTALL)
        for piece in pattern.split("%")
    ]
    if len(pieces) == 1:
        return pieces[0].fullmatch(text) is not None
    first, *middle, last = pieces
    begun = first.match(text)
    if begun is None:
        return False
    at = begun.end()
    for piece in middle:
        found = piece.search(text, at)
        if found is None:
            return False
        at = found.end()
    end = len(text) - len(pattern.rpartition("%")[2])
    return end >= at and last.fullmatch(text, end) is not None


_HOLDS: Final[dict[str, Callable[[object, Value], bool]]] = {
    "=": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,  # type: ignore[operator]  # numbers, as was checked
    "<=": lambda left, right: left <= right,  # type: ignore[operator]
    ">": lambda left, right: left > right,  # type: ignore[operator]
    ">=": lambda left, right: left >= right,  # type: ignore[operator]
    "LIKE": lambda left, right: _like(str(left), str(right), 0),
    "ILIKE": lambda left, right: _like(str(left), str(right), re.IGNORECASE),
    "IN": lambda left, right: left in right,  # type: ignore[operator]
    "NOT IN": lambda left, right: left not in right,  # type: ignore[operator]
}
