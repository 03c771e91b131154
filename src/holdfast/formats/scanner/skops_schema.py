"""skops files: a zip whose `schema.json` says which objects to make, judged by the same list.

skops checks types itself when it loads. Holdfast reads the schema without it, so that a file is
judged where skops is not installed, and by one list for every format.
"""

import json
from collections.abc import Iterator

from holdfast.formats.scanner.allowlist import Use
from holdfast.formats.scanner.findings import Findings, UnreadableError
from holdfast.formats.scanner.held import is_special
from holdfast.formats.scanner.parameters import may_name
from holdfast.formats.scanner.sources import Source
from holdfast.formats.scanner.symbols import OPAQUE, Mapped

_LONGEST = 1 << 26
_NEWEST = 2  # protocol of skops 0.16; its description of old nodes says why older ones are no gap

# What a node's loader does with the class it names.
_CALLS: frozenset[Use] = frozenset(("call", "own"))
_MAKES: frozenset[Use] = frozenset((*_CALLS, "make"))
_HOLDS: frozenset[Use] = frozenset((*_MAKES, "name", "type"))
_FUNCTIONS: frozenset[Use] = frozenset(("name", "own"))
_LOADERS: dict[str, frozenset[Use]] = {
    "BytearrayNode": _CALLS, "BytesNode": _CALLS, "ConstructorFromReduceNode": _CALLS,
    "DTypeNode": _CALLS, "DefaultDictNode": _CALLS, "DictNode": _MAKES, "FunctionNode": _FUNCTIONS,
    "JsonNode": _CALLS, "ListNode": _CALLS, "LossNode": _CALLS, "MaskedArrayNode": _HOLDS,
    "NdArrayNode": _HOLDS, "ObjectNode": _MAKES, "PartialNode": _CALLS,
    "RandomGeneratorNode": _CALLS, "RandomStateNode": _CALLS, "SetNode": _CALLS,
    "SliceNode": _CALLS, "SparseMatrixNode": _HOLDS, "TreeNode": _CALLS, "TupleNode": _CALLS,
    "TypeNode": _HOLDS,
}  # fmt: skip
_BIT_GENERATORS = {"MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"}


def read_schema(source: Source) -> dict[str, object] | None:
    """Return the content of a `schema.json` if it is one of skops, None if it is another's.

    Raises:
        UnreadableError: If it is too large or no JSON.
    """
    if source.size is None or source.size > _LONGEST:
        raise UnreadableError("skops schema: too large")
    try:
        schema = json.loads(source.head(source.size))
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"skops schema: no JSON, {error}") from error
    return schema if isinstance(schema, dict) and "__loader__" in schema else None


def judge_schema(schema: dict[str, object], findings: Findings) -> None:
    """Note every class and function that loading the schema would touch."""
    findings.executes_code = True
    if schema.get("protocol") not in range(_NEWEST + 1):
        findings.doubt(f"skops schema: protocol {schema.get('protocol')!r}")
    for node in _nodes(schema):
        findings.budget.spend_instruction()
        if "__loader__" in node or "__class__" in node or "__module__" in node:
            _judge_node(node, findings)
        _judge_attributes(node, findings)
        if "module_path" in node:  # what FunctionNodes of protocol 0 call by
            _judge_name(node.get("module_path"), node.get("function"), _HOLDS, findings)


def _nodes(schema: dict[str, object]) -> Iterator[dict[str, object]]:
    waiting: list[object] = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _judge_node(node: dict[str, object], findings: Findings) -> None:
    loader = node.get("__loader__")
    uses = _LOADERS.get(loader) if isinstance(loader, str) else None
    if loader == "CachedNode":  # stands for a node that is judged where it is written out
        return
    if uses is None:
        findings.doubt(f"skops schema: loader {str(loader)[:80]}")
    _judge_name(node.get("__module__"), node.get("__class__"), uses or _CALLS, findings)
    if loader == "RandomGeneratorNode" and _bit_generator(node) not in _BIT_GENERATORS:
        findings.doubt("skops schema: no bit generator of numpy's")


def _judge_attributes(node: dict[str, object], findings: Findings) -> None:
    content = node.get("content")
    if node.get("__loader__") != "DictNode" or not isinstance(content, dict):
        return
    for name, value in content.items():
        if is_special(name):
            findings.doubt(f"skops schema: the special attribute {name}")
        if not may_name(name, _plain(value)):
            findings.doubt(f"skops schema: the name of another method in {name}")


def _plain(node: object) -> object:
    """Return the text, or the texts, that a node stands for; a stand-in if it is anything else."""
    match node:
        case {"__loader__": "JsonNode", "content": str() as raw}:
            try:
                return json.loads(raw)
            except (ValueError, RecursionError):
                return OPAQUE
        case {"__loader__": "ListNode" | "TupleNode", "content": [*items]}:
            return tuple(_plain(item) for item in items)
        case {"__loader__": "DictNode", "content": dict() as content}:
            return Mapped({name: _plain(item) for name, item in content.items()})
    return OPAQUE


def _judge_name(module: object, name: object, uses: frozenset[Use], findings: Findings) -> None:
    if not isinstance(module, str) or not isinstance(name, str):
        findings.doubt("skops schema: a node without a class")
        return
    findings.name(f"{module}.{name}", known=findings.allowed.use_of(module, name) in uses)


def _bit_generator(node: dict[str, object]) -> object:
    match node:
        case {"content": {"bit_generator": {"content": {"bit_generator": {"content": str(raw)}}}}}:
            return raw.strip('"')
    return None
