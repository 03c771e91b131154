"""skops files in which what skops makes of a node is not what the node says."""

import io
import json
import zipfile
from pathlib import Path

import pytest

from holdfast.formats.scanner import scan

Node = dict[str, object]


def _node(path: str, loader: str, **more: object) -> Node:
    module, _, name = path.rpartition(".")
    return {"__module__": module, "__class__": name, "__loader__": loader, **more}


def _text(value: object) -> Node:
    return _node("builtins.str", "JsonNode", content=json.dumps(value))


def _list(*items: Node) -> Node:
    return _node("builtins.list", "ListNode", content=list(items))


def _type(path: str = "builtins.str", **more: object) -> Node:
    return _node(path, "TypeNode", **more)


def _dict(key_type: Node, **content: object) -> Node:
    keys = _list(*[key_type for _ in content])
    return _node("builtins.dict", "DictNode", content=content, key_types=keys)


def _tuple(*items: Node) -> Node:
    return _node("builtins.tuple", "TupleNode", content=list(items))


def _partial(func: Node, namespace: Node | None = None) -> Node:
    return _node("functools.partial", "PartialNode", content={
        "func": func, "args": _tuple(), "kwds": _dict(_type()),
        "namespace": namespace or _text(None),
    })  # fmt: skip


_STACKING = "sklearn.ensemble._stacking.StackingRegressor"
_STRIPPER = "sklearn.feature_extraction.text.strip_accents_ascii"
_STRIP = _node(_STRIPPER, "FunctionNode")
_METHODS = _list(_text("tofile"))


def _estimator(attributes: Node) -> Node:
    return _node(_STACKING, "ObjectNode", content=attributes)


_ACCENTED = {"stáck_method_": _METHODS}
_SCORER = _node("sklearn.metrics._scorer._Scorer", "ObjectNode")
_CACHED = _node("a.b", "CachedNode", __id__=5)
_REBUILD = "numpy._core.multiarray._reconstruct"
_HOSTILE: dict[str, tuple[Node, ...]] = {
    "accents stripped": (_estimator(_dict(_STRIP, **_ACCENTED)),),
    "type that is a function": (
        _estimator(_dict(_type(_STRIPPER), **_ACCENTED)),
    ),
    "partial": (_estimator(_dict(_partial(_STRIP), **_ACCENTED)),),
    "partial of a scorer": (
        _estimator(_dict(_partial(_SCORER), a=_text(1))),
    ),
    "partial of a class": (_partial(_type(_STACKING)),),
    "partial with attributes": (_partial(_STRIP, _dict(_type(), func=_text("eval"))),),
    "one identity for two key types": (
        _STRIP | {"__id__": 5}, _estimator(_dict(_type(__id__=5), **_ACCENTED))),
    "one identity for two lists of types": (
        _list(_STRIP) | {"__id__": 5},
        _estimator(_node("builtins.dict", "DictNode", content=_ACCENTED,
                         key_types=_list(_type()) | {"__id__": 5})),
    ),
    "one identity for two values": (
        _METHODS | {"__id__": 5},
        _estimator(_dict(_type(), stack_method_=_list(_text("predict")) | {"__id__": 5})),
    ),
    "identity that is text": (_type(__id__="5"),),
    "identity that is a fraction": (_type(__id__=5.0),),
    "node that stands for another": (_estimator(_dict(_CACHED, a=_text(1))),),
    "too few key types": (
        _node("builtins.dict", "DictNode", content={"a": _text(1)}, key_types=_list()),),
    "no key types": (_node("builtins.dict", "DictNode", content={"a": _text(1)}),),
    "key types that are no list": (
        _node("builtins.dict", "DictNode", content={}, key_types=_tuple()),),
    "numpy object as key type": (_dict(_type("numpy.object_"), a=_text(1)),),
    "attributes as JSON": (_estimator(_text({"stack_method_": ["tofile"]})),),
    "attributes as a dict that is a default": (
        _estimator(_node("collections.defaultdict", "DefaultDictNode", content={
            "main": _dict(_type(), a=_METHODS), "default_factory": _text(None)})),
    ),
    "attributes as a list": (_estimator(_METHODS),),
    "attributes as an array": (
        _estimator(_node("numpy.ndarray", "NdArrayNode", type="numpy", file="a.npy")),),
    "attributes rebuilt": (
        _estimator(_node("builtins.dict", "ConstructorFromReduceNode", content=_tuple(_METHODS))),),
    "dict of a class": (_node("pandas.DataFrame", "DictNode", content={}, key_types=_list()),),
    "list of a function": (_node("numpy._core.numeric._frombuffer", "ListNode", content=[]),),
    "set of a function": (_node("re._compile", "SetNode", content=[]),),
    "array handed to a class": (
        _node("numpy.memmap", "NdArrayNode", type="numpy", file="a.npy"),),
    "array handed to a function": (
        _node("sklearn.utils.validation.check_array", "NdArrayNode", type="numpy", file="a.npy"),),
    "memory read": (
        _node("numpy._core.numeric._frombuffer", "ConstructorFromReduceNode", content=_tuple()),),
    "array rebuilt": (
        _node(_REBUILD, "ConstructorFromReduceNode", content=_tuple()),),
    "class held": (_type(_STACKING),),
    "class held as a function": (_node(_STACKING, "FunctionNode"),),
    "default that makes an object": (
        _node("collections.defaultdict", "DefaultDictNode", content={
            "main": _dict(_type()), "default_factory": _partial(_STRIP)}),
    ),
    "tree whose attributes are JSON": (
        _node("sklearn.tree._tree.Tree", "TreeNode", content=_METHODS,
              __reduce__={"args": _tuple()}),
    ),
    "broken JSON": (_node("builtins.str", "JsonNode", content="{"),),
}  # fmt: skip


def _file(*nodes: Node, protocol: object = 2) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("schema.json", json.dumps(_list(*nodes) | {"protocol": protocol}))
    return stream.getvalue()


@pytest.mark.parametrize("nodes", _HOSTILE.values(), ids=_HOSTILE)
def test_what_is_made_otherwise_than_written_is_a_finding(
    nodes: tuple[Node, ...], tmp_path: Path
) -> None:
    path = tmp_path / "model.skops"
    path.write_bytes(_file(*nodes))

    found = scan(path)

    assert found.kind == "skops"
    assert found.unknown


@pytest.mark.parametrize("protocol", [True, "2", None, 2.0, -1])
def test_a_protocol_that_is_no_number_is_a_finding(protocol: object, tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    path.write_bytes(_file(protocol=protocol))

    assert any("protocol" in line for line in scan(path).unknown)


_HONEST = {
    "partial of a function": _partial(_STRIP),
    "attributes": _estimator(_dict(_type(), stack_method_=_list(_text("predict")))),
    "same node twice": _list(_type(__id__=5), _type(__id__=5)),
    "whole numbers as keys": _node("builtins.dict", "DictNode", content={"1": _text("a")},
                                   key_types=_list(_type("builtins.int"))),
    "slots": _estimator(_tuple(_text(None), _dict(_type(), a=_text(1)))),
}  # fmt: skip


@pytest.mark.parametrize("node", _HONEST.values(), ids=_HONEST)
def test_what_is_made_as_written_passes(node: Node, tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    path.write_bytes(_file(node))

    assert scan(path).unknown == ()


def test_skops_does_make_another_key_than_is_written(tmp_path: Path) -> None:
    skops = pytest.importorskip("skops.io", reason="skops is not installed")
    path = tmp_path / "model.skops"
    path.write_bytes(_file(_dict(_STRIP, **_ACCENTED), _STRIP | {"__id__": 7}, _type(__id__=7)))

    made, first, second = skops.load(path, trusted=skops.get_untrusted_types(file=path))

    assert list(made) == ["stack_method_"]
    assert first is second
