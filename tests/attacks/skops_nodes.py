"""Nodes of skops' schema, and files of them, to write what skops itself never would."""

import io
import json
import zipfile

Node = dict[str, object]


def node(path: str, loader: str, **more: object) -> Node:
    """Describe an object of the class at *path* for one of skops' loaders."""
    module, _, name = path.rpartition(".")
    return {"__module__": module, "__class__": name, "__loader__": loader, **more}


def text(value: object) -> Node:
    """Describe a value that JSON can hold."""
    return node("builtins.str", "JsonNode", content=json.dumps(value))


def listed(*items: Node) -> Node:
    """Describe a list."""
    return node("builtins.list", "ListNode", content=list(items))


def type_of(path: str = "builtins.str", **more: object) -> Node:
    """Describe a class."""
    return node(path, "TypeNode", **more)


def mapped(key_type: Node, **content: object) -> Node:
    """Describe a dict whose keys are of one type."""
    keys = listed(*[key_type for _ in content])
    return node("builtins.dict", "DictNode", content=content, key_types=keys)


def tupled(*items: Node) -> Node:
    """Describe a tuple."""
    return node("builtins.tuple", "TupleNode", content=list(items))


def partial(func: Node, namespace: Node | None = None) -> Node:
    """Describe a partial."""
    return node("functools.partial", "PartialNode", content={
        "func": func, "args": tupled(), "kwds": mapped(type_of()),
        "namespace": namespace or text(None),
    })  # fmt: skip


def skops_file(*nodes: Node, protocol: object = 2) -> bytes:
    """Write a file that holds a list of *nodes*."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("schema.json", json.dumps(listed(*nodes) | {"protocol": protocol}))
    return stream.getvalue()
