"""Models in several files: whether what an index or a graph names is there."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from holdfast.core import strict_json
from holdfast.formats.scanner import kind_of, onnx_locations
from holdfast.formats.scanner.byte_sources import of_file
from holdfast.formats.scanner.contents import safetensors_header
from holdfast.formats.scanner.findings import UnreadableError

__all__ = ["INDEX", "lone_problem", "problem_of", "read_index"]

INDEX: Final = ".index.json"
_LONGEST_INDEX: Final = 1 << 26
_VARIABLES: Final = re.compile(r"variables/variables\.data-(\d{5})-of-(\d{5})")


def problem_of(listed: Mapping[str, Path]) -> str | None:
    """Return what a folder's own files name and it does not hold, None if all is there.

    Args:
        listed: Its files by relative path.
    """
    problem = _of_variables(listed)
    for name, path in listed.items():
        beside = name.rpartition("/")[0]
        if name.endswith(INDEX):
            problem = problem or _of_index(name, path, listed, beside)
        elif name.endswith(".onnx") and kind_of(path) == "onnx":
            problem = problem or _of_graph(name, path, beside, listed)
    return problem


def lone_problem(path: Path) -> str | None:
    """Tell of an index that is given without its shards."""
    if path.name.endswith(INDEX) and read_index(path):
        return "is an index, whose shards lie beside it: register the folder that holds both"
    return None


def read_index(path: Path) -> dict[str, str]:
    """Return the shard by name of tensor that an index names, empty if it is not an index."""
    if path.stat().st_size > _LONGEST_INDEX:
        return {}
    try:
        document: Any = strict_json.decode(path.read_bytes())
    except ValueError:
        return {}
    shards = document.get("weight_map") if isinstance(document, dict) else None
    if not isinstance(shards, dict):
        return {}
    return {name: shard for name, shard in shards.items() if isinstance(shard, str)}


def _of_index(name: str, path: Path, listed: Mapping[str, Path], beside: str) -> str | None:
    shards = read_index(path)
    below = f"{beside}/" if beside else ""
    missing = sorted({shard for shard in shards.values() if below + shard not in listed})
    if missing:
        return f"lacks {_first(missing)}, which {name} names"
    for shard in sorted(set(shards.values())):
        if shard.endswith(".safetensors"):
            tensors = {tensor for tensor, location in shards.items() if location == shard}
            lost = sorted(tensors - _tensors(listed[below + shard]))
            if lost:
                return f"lacks the tensor {_first(lost)} in {shard}, where {name} puts it"
    return None


def _tensors(path: Path) -> set[str]:
    try:
        return set(safetensors_header(of_file(path)))
    except UnreadableError:  # told as cut short
        return set()


def _of_graph(name: str, path: Path, beside: str, listed: Mapping[str, Path]) -> str | None:
    below = f"{beside}/" if beside else ""
    missing = sorted(
        location for location in onnx_locations(path) if below + location not in listed
    )
    return f"lacks {_first(missing)}, in which {name} keeps weights" if missing else None


def _of_variables(listed: Mapping[str, Path]) -> str | None:
    matches = [match for match in map(_VARIABLES.fullmatch, listed) if match]
    if "saved_model.pb" not in listed or not ("variables/variables.index" in listed or matches):
        return None
    count = int(matches[0][2]) if matches else 1
    if "variables/variables.index" not in listed or len(matches) != count:
        return f"lacks variables: only {len(matches)} of {count} parts are there"
    return None


def _first(names: list[str]) -> str:
    more = len(names) - 1
    return f"{names[0]} and {more} more" if more else names[0]
