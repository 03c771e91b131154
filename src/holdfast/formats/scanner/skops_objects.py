"""What skops would make of a schema, in the stand-ins of the pickle machine.

A skops file and a pickle of one model are judged by the same rules: what may be called, given
attributes, and held where. What a node says that skops reads differently is told by
`skops_schema`; here it is taken as skops makes it.
"""

import json
from collections.abc import Callable
from typing import ClassVar

from holdfast.core import strict_json
from holdfast.formats.scanner import attributes, pickle_rules
from holdfast.formats.scanner.allowlist import AllowList
from holdfast.formats.scanner.symbols import OPAQUE, Global, Listed, Made, Mapped
from holdfast.formats.scanner.zone_names import names_file

_ARRAY = Global("numpy", "ndarray", "call")
_TREE = Global("sklearn.tree._tree", "Tree", "call")
_TEXTS = ("builtins.str", "numpy.str_")

Node = dict[str, object]
Doubt = Callable[[str], None]


class Builder:
    """Makes stand-ins of nodes and judges each step, as the pickle machine does.

    Args:
        allowed: What may be named.
        doubt: Takes whatever is refused.
        protocol: The schema's; nodes of protocol 0 name functions in another place.
    """

    def __init__(self, allowed: AllowList, doubt: Doubt, protocol: object) -> None:
        self._allowed = allowed
        self._doubt = doubt
        self._oldest = protocol == 0
        self._known: dict[object, object] = {}
        self._owners: list[Made] = []

    def judge(self, schema: Node) -> None:
        """Judge all that loading *schema* makes, and what its objects hold in the end."""
        self._build(schema)
        attributes.check_held(self._owners, self._doubt)

    def _build(self, node: object) -> object:
        if not isinstance(node, dict) or "__loader__" not in node:
            self._doubt("a value that is not a node")
            return OPAQUE
        identity = node.get("__id__")
        if isinstance(identity, int) and identity in self._known:
            known = self._known[identity]
            if isinstance(known, Made):
                known.shared = True
            return known
        value = self._BUILD.get(str(node["__loader__"]), Builder._opaque)(self, node)
        if isinstance(identity, int):
            self._known[identity] = value
        return value

    def _of(self, node: Node, *path: str) -> object:
        """Build the node that lies under *path* in *node*."""
        return self._build(_inner(node, *path))

    def _items(self, node: Node) -> list[object]:
        content = node.get("content")
        if isinstance(content, list):
            return [self._build(item) for item in content]
        self._doubt("a list that is not a list of nodes")
        return []

    def _named(self, node: Node) -> Global:
        module, name = str(node.get("__module__")), str(node.get("__class__"))
        return Global(module, name, self._allowed.use_of(module, name))

    def _remember(self, thing: Made) -> Made:
        if attributes.can_be_asked(thing):
            self._owners.append(thing)
        return thing

    def _called(self, func: Global, args: object) -> Made:
        return self._remember(pickle_rules.called(func, args, self._doubt))

    def _new(self, node: Node) -> Made:
        return self._remember(pickle_rules.made(self._named(node), (), Mapped(), self._doubt))

    # plain values

    def _opaque(self, _: Node) -> object:
        return OPAQUE

    def _json(self, node: Node) -> object:
        try:
            value = json.loads(str(node.get("content")), object_pairs_hook=strict_json.distinct)
        except (ValueError, RecursionError):
            return OPAQUE
        if names_file(json.dumps(value, ensure_ascii=False)):
            self._doubt("holds a file's path as a time zone")
        return OPAQUE if isinstance(value, dict | list) else value

    def _slice(self, node: Node) -> object:
        content = node.get("content")
        bounds = content.values() if isinstance(content, dict) else (OPAQUE,)
        if not all(bound is None or isinstance(bound, int | float | str) for bound in bounds):
            self._doubt("a slice of what is not a number")
        return Made(self._named(node))

    # containers

    def _list(self, node: Node) -> object:
        target, cls = Listed(), self._named(node)
        pickle_rules.appended(target, self._items(node), self._doubt)
        return self._called(cls, (target,)) if cls.use == "own" else target

    def _tuple(self, node: Node) -> object:
        items, cls = tuple(self._items(node)), self._named(node)
        return items if cls.path == "builtins.tuple" else self._called(cls, items)

    def _dict(self, node: Node) -> object:
        cls = self._named(node)
        target = Mapped() if cls.path == "builtins.dict" else self._new(node)
        pickle_rules.set_items(target, self._entries(node), self._doubt)
        return target

    def _entries(self, node: Node) -> list[object]:
        """Return keys, as skops makes them, and values that alternate."""
        content, kinds = node.get("content"), _inner(node, "key_types", "content")
        if not isinstance(content, dict) or not isinstance(kinds, list):
            self._doubt("a dict without keys")
            return []
        flat: list[object] = []
        for kind, (name, value) in zip(kinds, content.items(), strict=False):
            flat += self._key(name, kind), self._build(value)
        return flat

    def _key(self, name: str, kind: object) -> object:
        path = self._named(kind).path if isinstance(kind, dict) else ""
        if path in _TEXTS:
            return name
        try:
            return int(name)
        except ValueError:
            return OPAQUE  # no key of these types is equal to a text

    def _default(self, node: Node) -> object:
        target = self._called(self._named(node), (self._of(node, "content", "default_factory"),))
        main = _inner(node, "content", "main")
        pickle_rules.set_items(
            target, self._entries(main if isinstance(main, dict) else {}), self._doubt
        )
        return target

    # names and objects

    def _name(self, node: Node) -> object:
        if node.get("content") is None:
            return self._named(node)
        if not self._oldest:
            self._doubt("a function with a content")
        module = str(_inner(node, "content", "module_path"))
        name = str(_inner(node, "content", "function"))
        return Global(module, name, self._allowed.use_of(module, name))

    def _partial(self, node: Node) -> object:
        func, args = self._of(node, "content", "func"), self._of(node, "content", "args")
        keywords, space = self._of(node, "content", "kwds"), self._of(node, "content", "namespace")
        target = self._called(self._named(node), (func,))
        pickle_rules.built(target, (func, args, keywords, space), self._doubt)
        return target

    def _rebuilt(self, node: Node) -> object:
        return self._called(self._named(node), self._of(node, "content"))

    def _object(self, node: Node) -> object:
        target = self._new(node)
        return self._with_state(target, node) if node.get("content") is not None else target

    def _tree(self, node: Node) -> object:
        return self._with_state(self._called(_TREE, self._of(node, "__reduce__", "args")), node)

    def _loss(self, node: Node) -> object:
        args = self._of(node, "__reduce__", "args")
        return self._with_state(self._called(self._named(node), args), node)

    def _with_state(self, target: Made, node: Node) -> Made:
        state = self._of(node, "content")
        if state is not None:
            pickle_rules.built(target, state, self._doubt)
        return self._remember(target)

    # numbers

    def _array(self, node: Node) -> object:
        cls = self._named(node)
        if node.get("type") == "numpy":
            return Made(cls, built=True)
        shape = self._of(node, "shape")
        return Made(_ARRAY, (Listed(self._items(node)), shape), built=True)

    def _masked(self, node: Node) -> object:
        parts = self._of(node, "content", "data"), self._of(node, "content", "mask")
        return Made(self._named(node), parts, built=True)

    def _holding(self, node: Node) -> object:
        return Made(self._named(node), (self._of(node, "content"),), built=True)

    def _generator(self, node: Node) -> object:
        content = node.get("content")
        parts = content.values() if isinstance(content, dict) else ()
        return Made(self._named(node), tuple(map(self._build, parts)), built=True)

    def _sparse(self, node: Node) -> object:
        return Made(self._named(node), built=True)

    _BUILD: ClassVar[dict[str, Callable[["Builder", Node], object]]] = {
        "ConstructorFromReduceNode": _rebuilt, "DTypeNode": _holding, "DefaultDictNode": _default,
        "DictNode": _dict, "FunctionNode": _name, "JsonNode": _json, "ListNode": _list,
        "LossNode": _loss, "MaskedArrayNode": _masked, "NdArrayNode": _array,
        "ObjectNode": _object, "PartialNode": _partial, "RandomGeneratorNode": _generator,
        "RandomStateNode": _holding, "SetNode": _list, "SliceNode": _slice,
        "SparseMatrixNode": _sparse, "TreeNode": _tree, "TupleNode": _tuple, "TypeNode": _name,
    }  # fmt: skip
    """How each node is made; every other one, bytes among them, holds nothing that can act."""


def _inner(node: object, *path: str) -> object:
    for name in path:
        node = node.get(name) if isinstance(node, dict) else None
    return node
