"""skops files: a zip whose `schema.json` says which objects to make, judged by the same list.

skops checks types itself when it loads. Holdfast reads the schema without it, so that a file is
judged where skops is not installed, and by one list for every format.
"""

import json
import re
from collections.abc import Callable, Iterator

from holdfast.core import strict_json
from holdfast.formats.scanner.allowlist import Use
from holdfast.formats.scanner.byte_sources import ByteSource
from holdfast.formats.scanner.findings import Findings, UnreadableError
from holdfast.formats.scanner.skops_objects import Builder

_LONGEST = 1 << 26
_NEWEST = 2  # protocol of skops 0.16; its description of old nodes says why older ones leave no gap

# What a node's loader does with the class it names.
_CALLS: frozenset[Use] = frozenset(("call", "own"))
_MAKES: frozenset[Use] = frozenset((*_CALLS, "make"))
_HOLDS: frozenset[Use] = frozenset((*_MAKES, "name", "type"))
_NAMED: frozenset[Use] = frozenset(("name", "own"))
_LOADERS: dict[str, frozenset[Use]] = {
    "BytearrayNode": _CALLS, "BytesNode": _CALLS, "ConstructorFromReduceNode": _CALLS,
    "DTypeNode": _CALLS, "DefaultDictNode": _CALLS, "DictNode": _MAKES, "FunctionNode": _NAMED,
    "JsonNode": _CALLS, "ListNode": _CALLS, "LossNode": _CALLS, "MaskedArrayNode": _HOLDS,
    "NdArrayNode": _HOLDS, "ObjectNode": _MAKES, "PartialNode": _CALLS,
    "RandomGeneratorNode": _CALLS, "RandomStateNode": _CALLS, "SetNode": _CALLS,
    "SliceNode": _CALLS, "SparseMatrixNode": _HOLDS, "TreeNode": _CALLS, "TupleNode": _CALLS,
    "TypeNode": _HOLDS,
}  # fmt: skip
_SCALAR = (
    r"numpy\.(bool|str|bytes|object|void|float|complex|u?int|datetime|timedelta"
    r"|longdouble|clongdouble|longlong|ulonglong|intc|uintc|intp)_?[0-9]*"
)
_CLASSES = {loader: re.compile(path) for loader, path in {
    "ConstructorFromReduceNode":
        r"datetime\.(date|datetime|time|timedelta|timezone)|zoneinfo\.ZoneInfo|decimal\.Decimal"
        r"|fractions\.Fraction|builtins\.(complex|range|frozenset)|pathlib\.Pure\w+|sklearn\..+",
    "DictNode": r"builtins\.dict|collections\.OrderedDict|sklearn\.utils\.(_bunch\.)?Bunch",
    "ListNode": r"builtins\.list",
    "LossNode": r"(sklearn\.(_loss\._loss|linear_model\._sgd_fast)|_loss)\.\w+",
    "NdArrayNode": r"numpy\.(ndarray|matrix)|" + _SCALAR,
    "RandomGeneratorNode": r"numpy\.random\.(_generator\.)?Generator",
    "RandomStateNode": r"numpy\.random\.(mtrand\.)?RandomState",
    "SetNode": r"builtins\.(set|frozenset)",
    "TypeNode":
        r"numpy\.(character|complexfloating|flexible|floating|generic|inexact|integer|number"
        r"|signedinteger|unsignedinteger|dtype|ndarray)|collections\.OrderedDict|"
        r"builtins\.(bool|bytes|complex|dict|float|int|list|object|set|str|tuple)|" + _SCALAR,
}.items()}  # fmt: skip
"""Classes that skops calls with what the file holds; others do more than hold it."""

_KEY = re.compile(r"builtins\.(str|int|float|bool)|numpy\.(str_|bool_?|u?int[0-9]+|float[0-9]+)")
_BIT_GENERATORS = {"MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"}


def read_schema(source: ByteSource) -> dict[str, object] | None:
    """Return the content of a `schema.json` if it is one of skops, None if it is another's.

    Raises:
        UnreadableError: If it is too large or no JSON.
    """
    if source.size is None or source.size > _LONGEST:
        raise UnreadableError("skops schema: too large")
    try:
        schema = json.loads(source.head(source.size), object_pairs_hook=strict_json.distinct)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"skops schema: no JSON, {error}") from error
    return schema if isinstance(schema, dict) and "__loader__" in schema else None


def judge_schema(schema: dict[str, object], findings: Findings) -> None:
    """Note every class and function that loading the schema would touch."""
    findings.executes_code = True
    protocol = schema.get("protocol")
    if type(protocol) is not int or protocol not in range(_NEWEST + 1):
        findings.doubt(f"skops schema: protocol {protocol!r}")
    try:
        _Forms(findings).number(schema)
        Builder(findings.allowed, _told(findings), protocol).judge(schema)
    except RecursionError as error:
        raise UnreadableError("skops schema: nodes within nodes, too deep") from error
    for node in _nodes(schema):
        findings.budget.spend_instruction()
        if "__loader__" in node or "__class__" in node or "__module__" in node:
            _judge_node(node, findings)
            _judge_made(node, findings)
        if node.get("__loader__") == "DictNode" and not _has_plain_keys(node):
            findings.doubt("skops schema: keys of a type that may change them")
        if "module_path" in node:  # what FunctionNodes of protocol 0 call by
            _judge_name(node.get("module_path"), node.get("function"), _NAMED, findings)


def judge_member(name: str, kind: str, findings: Findings) -> None:
    """Note a member that numpy would take for something else than its name says to skops."""
    suffix = name.rpartition(".")[2]
    if suffix in ("npy", "npz") and kind != suffix:
        findings.doubt(f"skops: {kind}, where the schema has {suffix}")


def _told(findings: Findings) -> Callable[[str], None]:
    return lambda what: findings.doubt(f"skops schema: {what}")


class _Forms:
    """Numbers for nodes by what they say, so that one identity is seen to have one meaning.

    skops makes a node of an identity that it has met already from the first one, whatever the
    second says; then what is judged here would not be what is made.
    """

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._numbers: dict[object, int] = {}
        self._identities: dict[object, int] = {}

    def number(self, value: object) -> int:
        """Return a number that equal values share."""
        self._findings.budget.spend_instruction()
        form: object
        if isinstance(value, dict):
            fields = {key: item for key, item in value.items() if key not in ("__id__", "file")}
            form = ("dict", tuple((key, self.number(item)) for key, item in fields.items()))
        elif isinstance(value, list):
            form = ("list", tuple(map(self.number, value)))
        else:
            form = (type(value).__name__, value)
        number = self._numbers.setdefault(form, len(self._numbers))
        if isinstance(value, dict) and "__id__" in value:
            identity = value["__id__"]
            if type(identity) is not int:
                self._findings.doubt("skops schema: an identity that is not a number")
            elif self._identities.setdefault(identity, number) != number:
                self._findings.doubt("skops schema: two nodes under one identity")
        return number


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
    if uses is None:
        findings.doubt(f"skops schema: loader {str(loader)[:80]}")
    _judge_name(node.get("__module__"), node.get("__class__"), uses or _CALLS, findings)
    if loader == "RandomGeneratorNode" and _bit_generator(node) not in _BIT_GENERATORS:
        findings.doubt("skops schema: no bit generator of numpy's")


def _judge_made(node: dict[str, object], findings: Findings) -> None:
    """Judge what skops makes of a node where that may differ from what the node says."""
    module, name = str(node.get("__module__")), str(node.get("__class__"))
    loader, path = str(node.get("__loader__")), f"{module}.{name}"
    own = findings.allowed.use_of(module, name) == "own"
    classes = _CLASSES.get(loader)
    if not (own or classes is None or classes.fullmatch(path)) or not _fits(loader, node):
        findings.doubt(f"skops schema: {loader[:80]} of {path[:160]}, which makes something else")


def _fits(loader: str, node: dict[str, object]) -> bool:
    """Tell whether a node's content is what its loader makes of it."""
    content = node.get("content")
    match loader:
        case "SparseMatrixNode":
            return _is_file(node, ".npz")
        case "NdArrayNode":
            return node.get("type") == "json" or _is_file(node, ".npy")
        case "ObjectNode":
            return content is None or _is_state(content)
        case "DTypeNode":  # skops takes the attribute dtype of whatever it holds
            return _is_loader(content, "NdArrayNode")
        case "TreeNode" | "LossNode":
            return _is_state(content)
        case "PartialNode":
            return _is_partial(content)
        case "DefaultDictNode":
            return isinstance(content, dict) and (
                _is_loader(content.get("default_factory"), "TypeNode", "JsonNode")
                and _is_loader(content.get("main"), "DictNode")
            )
        case "JsonNode":
            return _is_plain_json(node)
    return True


def _is_file(node: dict[str, object], suffix: str) -> bool:
    return str(node.get("file")).endswith(suffix)


def _is_loader(node: object, *loaders: str) -> bool:
    return isinstance(node, dict) and node.get("__loader__") in loaders


def _is_state(node: object) -> bool:
    """Tell whether a node is made into a table of attributes, or a tuple of such."""
    if _is_loader(node, "TupleNode") and isinstance(node, dict):
        return isinstance(node.get("content"), list)
    return _is_loader(node, "DictNode", "JsonNode")


def _is_partial(content: object) -> bool:
    if not isinstance(content, dict) or not _is_loader(content.get("func"), "FunctionNode"):
        return False
    empty = _is_loader(content.get("namespace"), "JsonNode", "DictNode")
    return empty and content["namespace"].get("content") in (None, {}, "null", "{}")


def _has_plain_keys(node: dict[str, object]) -> bool:
    match node:
        case {
            "content": dict() as content,
            "key_types": {"__loader__": "ListNode", "content": [*items]},
        } if len(items) == len(content):
            return all(
                isinstance(item, dict)
                and item.get("__loader__") == "TypeNode"
                and _KEY.fullmatch(f"{item.get('__module__')}.{item.get('__class__')}")
                for item in items
            )
    return False


def _is_plain_json(node: dict[str, object]) -> bool:
    content = node.get("content")
    try:
        return isinstance(content, str) and not isinstance(
            json.loads(content, object_pairs_hook=strict_json.distinct), dict | list
        )
    except (ValueError, RecursionError):
        return False


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
