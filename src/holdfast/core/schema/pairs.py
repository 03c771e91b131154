"""Which column of an old signature meets which of a new one."""

from collections.abc import Iterator, Mapping
from operator import itemgetter

from msgspec.structs import replace

from holdfast.core.schema import Column, Signature

__all__ = ["Pair", "pairs"]

Pair = tuple[Column | None, Column | None]
Fields = Mapping[str, Mapping[str, Column]]
Kind = tuple[object, ...]


def pairs(old: Signature | None, new: Signature | None) -> Iterator[Pair]:
    """Yield each old column with its new self, None where it is gone or was not there.

    The wholes meet first. Two columns of different names meet where one was renamed. Below what
    was added, removed or renamed, or is no longer an object, nothing is yielded.
    """
    if old is None or new is None:
        yield (old.whole if old else None), (new.whole if new else None)
        return
    yield old.whole, new.whole
    if _is_object(old.whole) and _is_object(new.whole):
        yield from _field_pairs(_fields(old), _fields(new), "")


def _fields(signature: Signature) -> Fields:
    """Index the named columns by parent, then by name."""
    columns_by_parent: dict[str, dict[str, Column]] = {}
    for column in signature.columns:
        if column.name:
            columns_by_parent.setdefault(column.parent, {})[column.name] = column
    return columns_by_parent


def _field_pairs(old: Fields, new: Fields, parent: str) -> Iterator[Pair]:
    """Pair the fields of *parent*; below what was added, removed or became no object, none."""
    before, after = old.get(parent, {}), new.get(parent, {})
    renamed = _renamed(old, new, parent)
    taken = set(renamed.values())
    for name, column in before.items():
        partner = after.get(renamed.get(name, name))
        yield column, partner
        if partner and partner.name == name and _is_object(column) and _is_object(partner):
            yield from _field_pairs(old, new, name)
    for name, column in after.items():
        if name not in before and name not in taken:
            yield None, column


def _renamed(old: Fields, new: Fields, parent: str) -> dict[str, str]:
    """Map old to new names where just one column of a kind went and just one came."""
    before, after = old.get(parent, {}), new.get(parent, {})
    gone: dict[Kind, list[str]] = {}
    come: dict[Kind, list[str]] = {}
    for name in before.keys() - after.keys():
        gone.setdefault(_kind(before[name], old), []).append(name)
    for name in after.keys() - before.keys():
        come.setdefault(_kind(after[name], new), []).append(name)
    return {
        names[0]: come[kind][0]
        for kind, names in gone.items()
        if len(names) == 1 and len(come.get(kind, ())) == 1
    }


def _kind(column: Column, fields: Fields) -> Kind:
    """Return what two columns share that differ in name, place and description alone."""
    below = (
        (child.name.removeprefix(f"{column.name}."), _kind(child, fields))
        for child in fields.get(column.name, {}).values()
    )
    bare = replace(column, name="", parent="", description=None)
    return (bare, *sorted(below, key=itemgetter(0)))


def _is_object(column: Column) -> bool:
    return "object" in column.type.split("|")
