"""skops files in which what skops makes of a node is not what the node says."""

from pathlib import Path

import pytest
from tests.attacks.skops_nodes import (
    Node,
    listed,
    mapped,
    node,
    partial,
    skops_file,
    text,
    tupled,
    type_of,
)

from holdfast.formats.scanner import scan

_STACKING = "sklearn.ensemble._stacking.StackingRegressor"
_STRIPPER = "sklearn.feature_extraction.text.strip_accents_ascii"
_STRIP = node(_STRIPPER, "FunctionNode")
_METHODS = listed(text("tofile"))


def _estimator(attributes: Node) -> Node:
    return node(_STACKING, "ObjectNode", content=attributes)


_ACCENTED = {"stáck_method_": _METHODS}
_SCORER = node("sklearn.metrics._scorer._Scorer", "ObjectNode")
_CACHED = node("a.b", "CachedNode", __id__=5)
_REBUILD = "numpy._core.multiarray._reconstruct"
_HOSTILE: dict[str, tuple[Node, ...]] = {
    "accents stripped": (_estimator(mapped(_STRIP, **_ACCENTED)),),
    "type that is a function": (
        _estimator(mapped(type_of(_STRIPPER), **_ACCENTED)),
    ),
    "partial": (_estimator(mapped(partial(_STRIP), **_ACCENTED)),),
    "partial of a scorer": (
        _estimator(mapped(partial(_SCORER), a=text(1))),
    ),
    "partial of a class": (partial(type_of(_STACKING)),),
    "partial with attributes": (partial(_STRIP, mapped(type_of(), func=text("eval"))),),
    "one identity for two key types": (
        _STRIP | {"__id__": 5}, _estimator(mapped(type_of(__id__=5), **_ACCENTED))),
    "one identity for two lists of types": (
        listed(_STRIP) | {"__id__": 5},
        _estimator(node("builtins.dict", "DictNode", content=_ACCENTED,
                         key_types=listed(type_of()) | {"__id__": 5})),
    ),
    "one identity for two values": (
        _METHODS | {"__id__": 5},
        _estimator(mapped(type_of(), stack_method_=listed(text("predict")) | {"__id__": 5})),
    ),
    "identity that is text": (type_of(__id__="5"),),
    "identity that is a fraction": (type_of(__id__=5.0),),
    "node that stands for another": (_estimator(mapped(_CACHED, a=text(1))),),
    "too few key types": (
        node("builtins.dict", "DictNode", content={"a": text(1)}, key_types=listed()),),
    "no key types": (node("builtins.dict", "DictNode", content={"a": text(1)}),),
    "key types that are no list": (
        node("builtins.dict", "DictNode", content={}, key_types=tupled()),),
    "numpy object as key type": (mapped(type_of("numpy.object_"), a=text(1)),),
    "attributes as JSON": (_estimator(text({"stack_method_": ["tofile"]})),),
    "attributes as a dict that is a default": (
        _estimator(node("collections.defaultdict", "DefaultDictNode", content={
            "main": mapped(type_of(), a=_METHODS), "default_factory": text(None)})),
    ),
    "attributes as a list": (_estimator(_METHODS),),
    "attributes as an array": (
        _estimator(node("numpy.ndarray", "NdArrayNode", type="numpy", file="a.npy")),),
    "attributes rebuilt": (
        _estimator(node("builtins.dict", "ConstructorFromReduceNode", content=tupled(_METHODS))),),
    "dict of a class": (node("pandas.DataFrame", "DictNode", content={}, key_types=listed()),),
    "list of a function": (node("numpy._core.numeric._frombuffer", "ListNode", content=[]),),
    "set of a function": (node("re._compile", "SetNode", content=[]),),
    "array handed to a class": (
        node("numpy.memmap", "NdArrayNode", type="numpy", file="a.npy"),),
    "array handed to a function": (
        node("sklearn.utils.validation.check_array", "NdArrayNode", type="numpy", file="a.npy"),),
    "memory read": (
        node("numpy._core.numeric._frombuffer", "ConstructorFromReduceNode", content=tupled()),),
    "array rebuilt": (
        node(_REBUILD, "ConstructorFromReduceNode", content=tupled()),),
    "class held": (type_of(_STACKING),),
    "class held as a function": (node(_STACKING, "FunctionNode"),),
    "default that makes an object": (
        node("collections.defaultdict", "DefaultDictNode", content={
            "main": mapped(type_of()), "default_factory": partial(_STRIP)}),
    ),
    "tree whose attributes are JSON": (
        node("sklearn.tree._tree.Tree", "TreeNode", content=_METHODS,
              __reduce__={"args": tupled()}),
    ),
    "broken JSON": (node("builtins.str", "JsonNode", content="{"),),
}  # fmt: skip


@pytest.mark.parametrize("nodes", _HOSTILE.values(), ids=_HOSTILE)
def test_what_is_made_otherwise_than_written_is_a_finding(
    nodes: tuple[Node, ...], tmp_path: Path
) -> None:
    path = tmp_path / "model.skops"
    path.write_bytes(skops_file(*nodes))

    result = scan(path)

    assert result.kind == "skops"
    assert result.unknown


@pytest.mark.parametrize("protocol", [True, "2", None, 2.0, -1])
def test_a_protocol_that_is_no_number_is_a_finding(protocol: object, tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    path.write_bytes(skops_file(protocol=protocol))

    assert any("protocol" in line for line in scan(path).unknown)


_HONEST = {
    "partial of a function": partial(_STRIP),
    "attributes": _estimator(mapped(type_of(), stack_method_=listed(text("predict")))),
    "same node twice": listed(type_of(__id__=5), type_of(__id__=5)),
    "whole numbers as keys": node("builtins.dict", "DictNode", content={"1": text("a")},
                                   key_types=listed(type_of("builtins.int"))),
    "slots": _estimator(tupled(text(None), mapped(type_of(), a=text(1)))),
}  # fmt: skip


@pytest.mark.parametrize("node", _HONEST.values(), ids=_HONEST)
def test_what_is_made_as_written_passes(node: Node, tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    path.write_bytes(skops_file(node))

    assert scan(path).unknown == ()


def test_skops_does_make_another_key_than_is_written(tmp_path: Path) -> None:
    skops = pytest.importorskip("skops.io", reason="skops is not installed")
    path = tmp_path / "model.skops"
    path.write_bytes(
        skops_file(mapped(_STRIP, **_ACCENTED), _STRIP | {"__id__": 7}, type_of(__id__=7))
    )

    made, first, second = skops.load(path, trusted=skops.get_untrusted_types(file=path))

    assert list(made) == ["stack_method_"]
    assert first is second
