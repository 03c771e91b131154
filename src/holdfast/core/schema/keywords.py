"""The words of a schema: read one at a time, and refused where they make no sense."""

import math
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, Final

from msgspec import Struct

from holdfast.core.schema import dtypes
from holdfast.errors import InvalidInputError

__all__ = ["ANY", "SchemaNode", "category_key", "spot"]

ANY: Final = "any"
"""The type of a value whose schema names none: nothing was said, so nothing was promised."""

MAX_DEPTH: Final = 32

_TYPES: Final = ("null", "boolean", "integer", "number", "string", "array", "object")
_NUMERIC: Final = frozenset(("integer", "number"))
_LOWER: Final = ("minimum", "exclusiveMinimum")
_UPPER: Final = ("maximum", "exclusiveMaximum")
_BOUNDS: Final = _LOWER + _UPPER
_ARRAY: Final = frozenset(("items", "minItems", "maxItems"))
_NULL: Final = {"type": "null"}
# These change what a schema admits as a whole: to skip them would compare nothing in silence.
_UNREAD: Final = ("$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "not", "if", "prefixItems")


def spot(schema: object, where: str, depth: int = 0) -> "SchemaNode":
    """Begin to read *schema*, which stands at *where* under *depth* others.

    Raises:
        InvalidInputError: If it is not a schema, nested too deeply, or holds a word that can be
            neither read nor ignored.
    """
    if schema is True and depth:  # JSON Schema's own short form of {}
        schema = {}
    if not isinstance(schema, Mapping):
        advice = 'give a dict such as {"type": "number"}'
        raise InvalidInputError(where, f"must be a schema, not a {type(schema).__name__}", advice)
    if depth > MAX_DEPTH:
        raise InvalidInputError(where, f"is nested deeper than {MAX_DEPTH} levels", "flatten it")
    element = SchemaNode(_without_choice(schema), where, depth)
    for word in _UNREAD:
        if word in element.words:
            raise element.refusal(word, "cannot be compared", "write out the columns instead")
    return element


def _without_choice(words: Mapping[str, Any]) -> Mapping[str, Any]:
    """Turn a choice between a schema and null, as generators of schemas do, into `nullable`."""
    for word in ("anyOf", "oneOf"):
        choice = words.get(word)
        if not isinstance(choice, list):
            continue
        others = [alternative for alternative in choice if alternative != _NULL]
        if len(others) == 1 < len(choice) and isinstance(others[0], Mapping):
            rest = {key: words[key] for key in words if key != word}
            return {**others[0], **rest, "nullable": True}
    return words


class SchemaNode(Struct, frozen=True):
    """A schema within the schema, and its place for messages.

    Every method raises `InvalidInputError` where its words are malformed or contradict others.
    """

    words: Mapping[str, Any]
    where: str
    depth: int

    def refusal(self, word: str, problem: str, advice: str) -> InvalidInputError:
        """Return the error that names *word* at this place."""
        return InvalidInputError(f"{self.where}.{word}", problem, advice)

    def types(self) -> frozenset[str]:
        """Return the JSON types admitted, as stated or as other words imply; `any` if none do."""
        stated = self.words.get("type")
        if stated is None:
            return self._implied_types()
        words = [stated] if isinstance(stated, str) else stated
        if not isinstance(words, list | tuple) or not words:
            words = [stated]
        for word in words:
            if word not in _TYPES:
                raise self.refusal("type", f"cannot be {word!r}", f"use {', '.join(_TYPES)}")
        kinds = sorted({*words} - {"null"})
        if len(kinds) > 1 and {"array", "object"} & {*kinds}:
            raise self.refusal("type", f"mixes {' and '.join(kinds)}", "choose one of them")
        return _simplest(words)

    def _implied_types(self) -> frozenset[str]:
        if "properties" in self.words:
            return frozenset(("object",))
        if _ARRAY & self.words.keys():
            return frozenset(("array",))
        values = self._listed()
        if values is not None:
            return _simplest(map(_type_of, values))
        if any(word in self.words for word in _BOUNDS):
            return frozenset(("number",))
        dtype = self.text("dtype")
        return frozenset(((dtype and dtypes.json_type(dtypes.canonical(dtype))) or ANY,))

    def may_be_null(self) -> bool:
        """Tell whether null is admitted, by `nullable`, by type, or as a category."""
        stated = self.words.get("nullable")
        if not isinstance(stated, bool | None):
            raise self.refusal(
                "nullable", f"must be true or false, not {stated!r}", "use one of them"
            )
        values = self._listed()
        return bool(stated) or ("null" in self.types() and (values is None or None in values))

    def categories(self) -> tuple[Any, ...] | None:
        """Return the values of `enum` or `const`, null left out; None where neither is there."""
        values = self._listed()
        if values is None:
            return None
        types = self.types()
        seen: set[tuple[bool, object]] = set()
        for value in values:
            if value is not None and types.isdisjoint((ANY, *_admitting(value))):
                type_names = " or ".join(sorted(types))
                raise self.refusal(
                    "enum", f"lists {value!r}, which is not {type_names}", "fix one of the two"
                )
            if (key := category_key(value)) in seen:
                raise self.refusal("enum", f"lists {value!r} twice", "list it once")
            seen.add(key)
        return tuple(value for value in values if value is not None)

    def _listed(self) -> list[Any] | None:
        word = "const" if "const" in self.words else "enum"
        if word not in self.words:
            return None
        values = [self.words[word]] if word == "const" else self.words[word]
        if not isinstance(values, list | tuple) or not values:
            raise self.refusal(
                word, f"must list values, not {values!r}", "list them all, or leave it out"
            )
        for value in values:
            if not isinstance(value, str | bool | int | float | None) or not _finite(value):
                advice = "use texts, finite numbers, true, false and null"
                raise self.refusal(word, f"must hold single values, not {value!r}", advice)
        return list(values)

    def check_bounds(self) -> None:
        """Refuse bounds that are not numbers, bound other types, or leave nothing between them."""
        stated = {word: self.words[word] for word in _BOUNDS if self.words.get(word) is not None}
        for word, value in stated.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
                advice = "give one or leave it out"
                raise self.refusal(word, f"must be a finite number, not {value!r}", advice)
            if self.types().isdisjoint(_NUMERIC):
                bounded = " or ".join(sorted(self.types()))
                raise self.refusal(word, f"bounds {bounded}, not numbers", "leave it out")
        for low, high in product(_LOWER, _UPPER):
            if low in stated and high in stated:
                closed = (low, high) == ("minimum", "maximum")
                if stated[low] > stated[high] or (not closed and stated[low] == stated[high]):
                    problem = f"is {stated[low]}, which leaves nothing below {high} {stated[high]}"
                    raise self.refusal(low, problem, "fix one of the bounds")

    def check_not_of_elements(self) -> None:
        """Refuse what is said of an array and can only be meant for its elements."""
        for word in ("enum", "const", *_BOUNDS):
            if word in self.words:
                raise self.refusal(word, "cannot apply to an array", "move it into its items")

    def length(self) -> int | None:
        """Return an array's fixed length, None where it may vary."""
        least, most = self.words.get("minItems"), self.words.get("maxItems")
        for word, value in (("minItems", least), ("maxItems", most)):
            if value is not None and not _is_count(value):
                raise self.refusal(word, f"must be a whole number from 0, not {value!r}", "fix it")
        if least is not None and most is not None and least > most:
            raise self.refusal("minItems", f"is {least}, above maxItems {most}", "fix one of them")
        return most if least == most else None

    def shape(self) -> tuple[int | None, ...] | None:
        """Return the lengths that `shape` lists."""
        sizes = self.words.get("shape")
        if sizes is None:
            return None
        if not isinstance(sizes, list | tuple) or not all(
            size is None or _is_count(size) for size in sizes
        ):
            raise self.refusal(
                "shape", f"must be a shape, not {sizes!r}", "list lengths, null for any"
            )
        return tuple(sizes)

    def text(self, word: str) -> str | None:
        """Return a text (`dtype`, `unit`, `description`), None where it is absent or blank."""
        value = self.words.get(word)
        if not isinstance(value, str | None):
            raise self.refusal(word, f"must be text, not {value!r}", "give one or leave it out")
        return value.strip() or None if value else None

    def properties(self) -> Mapping[str, Any]:
        """Return the fields of an object, by name."""
        properties = self.words.get("properties", {})
        if not isinstance(properties, Mapping):
            raise self.refusal(
                "properties", f"must be a dict, not {properties!r}", "map names to schemas"
            )
        if properties and "object" not in self.types():
            raise self.refusal("properties", "need an object", 'write "type": "object"')
        for key in properties:
            if not isinstance(key, str) or not key:
                raise self.refusal(
                    "properties", f"must have text as names, not {key!r}", "rename it"
                )
        return properties

    def names(self, word: str) -> tuple[str, ...] | None:
        """Return a list of fields (`required`, `order`), each named once."""
        names, properties = self.words.get(word), self.properties()
        if names is None:
            return None
        if not isinstance(names, list | tuple):
            raise self.refusal(
                word, f"must be a list, not {names!r}", "list columns, beside properties"
            )
        seen: set[str] = set()
        for name in names:
            if not isinstance(name, str) or name not in properties:
                raise self.refusal(
                    word, f"names {name!r}, which is not a column", "add it or drop the name"
                )
            if name in seen:
                raise self.refusal(word, f"names {name!r} twice", "name it once")
            seen.add(name)
        return tuple(names)

    def fields(self) -> Iterator[tuple[str, "SchemaNode"]]:
        """Yield the name and the schema of every field."""
        for name, schema in self.properties().items():
            yield name, spot(schema, f"{self.where}.properties.{name}", self.depth + 1)

    def items(self) -> "SchemaNode":
        """Return the schema of an array's elements."""
        return spot(self.words.get("items", {}), f"{self.where}.items", self.depth + 1)


def category_key(value: object) -> tuple[bool, object]:
    """Return what equal categories share: JSON's 1 equals 1.0 and differs from true."""
    return isinstance(value, bool), value


def _simplest(types: Iterator[str] | list[str] | tuple[str, ...]) -> frozenset[str]:
    type_set = frozenset(types)
    return type_set - {"integer"} if "number" in type_set else type_set


def _type_of(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case float() if not value.is_integer():
            return "number"
    return "integer"


def _admitting(value: object) -> tuple[str, ...]:
    kind = _type_of(value)
    return ("integer", "number") if kind == "integer" else (kind,)


def _finite(value: object) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
