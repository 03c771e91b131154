"""skops files in which an estimator holds what it must not, by whatever node it is written."""

import io
import json
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import Ridge
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

_WITHOUT_TWIN = {
    # made by a pickle alone: skops has no node for it, or writes something else
    "a class by a slot", "slots unseen", "a class in a deque", "bytes of an array",
    "bytes of an array of objects", "a class in the metadata of a type",
    "a generator by a polynomial", "a masked array of another class",
    "a masked array that is never filled", "an array that is never filled",
    "an array that is never filled, of two dimensions",
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
def test_the_skops_twin_of_every_hostile_model_is_refused(
    hostile_models: dict[str, Callable[[str], bytes]], tmp_path: Path
) -> None:
    skops = pytest.importorskip("skops.io", reason="skops is not installed")
    path = tmp_path / "model.skops"
    passed, written = [], []
    for name, attack in hostile_models.items():
        try:
            skops.dump(pickle.loads(attack("true")), path)
        except Exception:  # noqa: BLE001 - whatever skops cannot write, it does not load either
            continue
        written.append(name)
        if not scan(path).unknown:
            passed.append(name)

    assert set(passed) <= _WITHOUT_TWIN
    assert len(written) - len(passed) >= 90


_FUNCTION = "sklearn.preprocessing._function_transformer.FunctionTransformer"
_ABS = node("numpy.abs", "FunctionNode")
_SCORER = node("sklearn.metrics._scorer._PassthroughScorer", "ObjectNode",
               content=mapped(type_of(), _estimator=text(None)))  # fmt: skip
_RIDGE = node("sklearn.linear_model._ridge.Ridge", "TypeNode")
_PARTIAL_CLASS = partial(_RIDGE)
_MANAGER = node("pandas.core.internals.managers.BlockManager", "ObjectNode")
_FRAME = node("pandas.DataFrame", "ObjectNode", content=mapped(type_of(), _mgr=_MANAGER))
_FINE = {"func": _ABS, "kw_args": text(None)}


def _holding(**attributes: Node) -> Node:
    return node(_FUNCTION, "ObjectNode", content=mapped(type_of(), **attributes))


def _bunch(**content: Node) -> Node:
    return mapped(type_of(), **content) | {"__module__": "sklearn.utils._bunch",
                                           "__class__": "Bunch"}  # fmt: skip


def _ordered(**content: Node) -> Node:
    return mapped(type_of(), **content) | {"__module__": "collections",
                                           "__class__": "OrderedDict"}  # fmt: skip


def _default(**content: Node) -> Node:
    parts = {"main": mapped(type_of(), **content), "default_factory": text(None)}
    return node("collections.defaultdict", "DefaultDictNode", content=parts)


def _objects(*items: Node) -> Node:
    shape = tupled(text(len(items)))
    return node("numpy.ndarray", "NdArrayNode", type="json", content=list(items), shape=shape)


def _masked(data: Node) -> Node:
    parts = {"data": data, "mask": text(0)}
    return node("numpy.ma.MaskedArray", "MaskedArrayNode", content=parts)


_VECTORIZER = "sklearn.feature_extraction.text.CountVectorizer"
_HOSTILE: dict[str, Node] = {
    "a scorer as a function": _holding(func=_SCORER),
    "a class as a function": _holding(func=_RIDGE),
    "a partial of a class as a function": _holding(func=_PARTIAL_CLASS),
    "a frame": _holding(func=_ABS, owner=_FRAME),
    "a frame in a list": _holding(**_FINE, a=listed(text(1), _FRAME)),
    "a frame in a tuple": _holding(**_FINE, a=tupled(_FRAME)),
    "a frame in a set": _holding(
        **_FINE, a=node("builtins.set", "SetNode", content=[_FRAME])),
    "a frame under a number": _holding(
        **_FINE, a=node("builtins.dict", "DictNode", content={"1.5": _FRAME},
                        key_types=listed(type_of("builtins.float")))),
    "a frame in an ordered dict": _holding(**_FINE, a=_ordered(a=_FRAME)),
    "a frame in a dict with a default": _holding(**_FINE, a=_default(a=_FRAME)),
    "a frame in an array of objects": _holding(**_FINE, a=_objects(_FRAME)),
    "a frame in a masked array": _holding(**_FINE, a=_masked(_objects(_FRAME))),
    "a frame in a partial's arguments": _holding(func=partial(_ABS) | {
        "content": {"func": _ABS, "args": tupled(_FRAME), "kwds": mapped(type_of()),
                    "namespace": text(None)}}),
    "a frame in a state of chance": _holding(
        **_FINE, a=node("numpy.random.RandomState", "RandomStateNode",
                        content=mapped(type_of(), a=_FRAME))),
    "a frame in a generator": _holding(
        **_FINE, a=node("numpy.random._generator.Generator", "RandomGeneratorNode", content={
            "bit_generator": mapped(type_of(), bit_generator=text("PCG64")),
            "seed_seq": mapped(type_of(), entropy=_FRAME)})),
    "a frame in a type": _holding(
        **_FINE, a=node("numpy.dtype", "DTypeNode", content=_objects(_FRAME))),
    "a frame in a tree's arguments": _holding(
        **_FINE, tree_=node("sklearn.tree._tree.Tree", "TreeNode", content=text(None),
                            __reduce__={"args": tupled(_FRAME)})),
    "a frame in a loss's arguments": _holding(
        **_FINE, loss_=node("sklearn._loss._loss.CyHuberLoss", "LossNode", content=text(None),
                            __reduce__={"args": tupled(_FRAME)})),
    "a frame beside": listed(_FRAME | {"__id__": 9}, _holding(**_FINE, a=_FRAME | {"__id__": 9})),
    "a frame's blocks": _holding(**_FINE, a=_MANAGER),
    "a kernel": _holding(func=node("sklearn.gaussian_process.kernels.RBF", "ObjectNode")),
    "a selector": _holding(func=node("sklearn.compose._column_transformer.make_column_selector",
                                     "ObjectNode")),
    "a spline": _holding(func=node("scipy.interpolate._bsplines.BSpline", "ObjectNode")),
    "a sum that hands out an item": _holding(func=node("numpy.sum", "FunctionNode")),
    "a class in arguments": _holding(func=_ABS, kw_args=mapped(type_of(), a=listed(_RIDGE))),
    "a scorer in arguments": _holding(func=_ABS, kw_args=mapped(type_of(), a=_SCORER)),
    "a type in arguments": _holding(
        func=_ABS, kw_args=mapped(type_of(), out=type_of("numpy.ndarray"))),
    "a special item": _holding(
        **_FINE, a=mapped(type_of(), __array_interface__=mapped(type_of(), version=text(3)))),
    "a special item under numpy's text": _holding(
        **_FINE, a=mapped(type_of("numpy.str_"), __array_struct__=text(1))),
    "a special attribute": _holding(**_FINE, __sklearn_tags__=_ABS),
    "a special item of a bunch": _bunch(__array_interface__=text(1)),
    "a bunch of a function": _bunch(score=_ABS),
    "a bunch of data": _bunch(data=listed(text(1))),
    "a class by a slot": node(_FUNCTION, "ObjectNode", content=tupled(
        text(None), mapped(type_of(), __class__=_RIDGE))),
    "a frame by a slot": node(_FUNCTION, "ObjectNode", content=tupled(
        text(None), mapped(type_of(), a=_FRAME))),
    "an attribute by another key type": node(_FUNCTION, "ObjectNode", content=node(
        "builtins.dict", "DictNode", content={"1.5": text(1)},
        key_types=listed(type_of("builtins.float")))),
    "a folder of pickles": node("sklearn.pipeline.Pipeline", "ObjectNode", content=mapped(
        type_of(), steps=listed(), memory=text("cache"))),
    "a file's name": node(_VECTORIZER, "ObjectNode", content=mapped(
        type_of(), input=text("filename"))),
    "a file's name as an array": node(_VECTORIZER, "ObjectNode", content=mapped(
        type_of(), input=node("numpy.str_", "NdArrayNode", type="numpy", file="1.npy"))),
    "a file's name in slots": node(_VECTORIZER, "ObjectNode", content=tupled(
        text(None), mapped(type_of(), input=text("filename")))),
    "another method": node("sklearn.ensemble._stacking.StackingRegressor", "ObjectNode",
                           content=mapped(type_of(), stack_method_=tupled(text("tofile")))),
    "a listed name of another module": _holding(func=node("os.abs", "FunctionNode")),
    "a function of the language": _holding(func=node("builtins.eval", "FunctionNode")),
    "a function as a type": _holding(func=type_of("builtins.exec")),
    "a function with a content": _holding(func=_ABS | {
        "content": {"module_path": "numpy", "function": "exp"}}),
    "an unbound method": _holding(func=node(_FUNCTION, "MethodNode", content={
        "func": "transform", "obj": node(_FUNCTION, "ObjectNode")})),
    "a getter of attributes": _holding(func=node("operator.attrgetter", "OperatorFuncNode",
                                                 attrs=tupled(text("eval")))),
    "a caller of methods": _holding(func=node("operator.methodcaller", "OperatorFuncNode",
                                              attrs=tupled(text("eval"), text("1")))),
    "a getter of items": _holding(func=node("operator.itemgetter", "ObjectNode")),
    "a partial with a namespace": _holding(
        func=partial(_ABS, mapped(type_of(), __call__=_RIDGE))),
    "a value that is not a node": _holding(func=_ABS) | {"content": {"func": "eval"}},
    "a value without a loader": listed({"a": 1}),
    "JSON that is a number": node("builtins.str", "JsonNode", content=5),
    "JSON of a list": node("builtins.str", "JsonNode", content='["eval"]'),
    "JSON of a class": node("posix.system", "JsonNode", content='"true"'),
    "a slice of a node": node("builtins.slice", "SliceNode", content={
        "start": _FRAME, "stop": None, "step": None}),
    "a slice of nothing": node("builtins.slice", "SliceNode", content=[1, 2]),
    "a list that is a dict": node("builtins.list", "ListNode", content={"a": text(1)}),
    "a type of an object": _holding(func=node("numpy.dtype", "DTypeNode", content=node(
        _VECTORIZER, "ObjectNode", content=mapped(type_of(), dtype=type_of("numpy.str_"))))),
    "a state of chance by another class": node(
        "numpy.random._pickle.__randomstate_ctor", "RandomStateNode", content=mapped(type_of())),
    "a generator by another class": node("collections.OrderedDict", "RandomGeneratorNode", content={
        "bit_generator": mapped(type_of(), bit_generator=text("PCG64")),
        "seed_seq": mapped(type_of())}),
    "a generator of another function": node(
        "numpy.random._generator.Generator", "RandomGeneratorNode", content={
            "bit_generator": mapped(type_of(), bit_generator=text("seed")),
            "seed_seq": mapped(type_of())}),
    "a generator of nothing": node(
        "numpy.random._generator.Generator", "RandomGeneratorNode", content={}),
    "a node without a class": {"__loader__": "ObjectNode"},
    "a loss that is an array over objects": node(
        "numpy._core.numeric._frombuffer", "LossNode", content=mapped(type_of()),
        __reduce__={"args": tupled(_objects(text(1)), type_of("numpy.uint64"), tupled(text(1)),
                                   text("C"))}),
    "a loss that is never filled": node(
        "numpy._core.multiarray._reconstruct", "LossNode", content=mapped(type_of()),
        __reduce__={"args": tupled(type_of("numpy.ndarray"), tupled(text(64)), text("d"))}),
    "a tuple of another class": node("sklearn.tree._tree.Tree", "TupleNode", content=[_RIDGE]),
    "an object rebuilt of a class": node("datetime.timezone", "ConstructorFromReduceNode",
                                         content=tupled(_RIDGE)),
    "a default that is not one": node("collections.defaultdict", "DefaultDictNode", content=1),
}  # fmt: skip


@pytest.mark.parametrize("hostile", _HOSTILE.values(), ids=_HOSTILE)
def test_what_an_estimator_must_not_hold_is_refused(hostile: Node, tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    path.write_bytes(skops_file(hostile))

    result = scan(path)

    assert result.kind == "skops"
    assert result.unknown


_OLD = node("builtins.str", "FunctionNode", content={"module_path": "numpy", "function": "abs"})
_HONEST = {
    "a function with arguments": _holding(func=_ABS, kw_args=mapped(type_of(), a=text(1))),
    "a bunch of estimators": _bunch(a=_holding(**_FINE), b=text("drop")),
    "words named as parameters": node(_VECTORIZER, "ObjectNode", content=mapped(
        type_of(), vocabulary=mapped(type_of(), memory=text(1), input=text(2), cache=text(3)))),
    "a kernel where kernels are": node(
        "sklearn.gaussian_process._gpr.GaussianProcessRegressor", "ObjectNode",
        content=mapped(type_of(), kernel=node("sklearn.gaussian_process.kernels.RBF",
                                              "ObjectNode"))),
    "a scorer where scorers are": node(
        "sklearn.model_selection._search.GridSearchCV", "ObjectNode",
        content=mapped(type_of(), scorer_=_SCORER)),
    "a dict of ordered dicts": _default() | {"content": {
        "main": mapped(type_of(), valid=_ordered(auc=text(1.0))),
        "default_factory": type_of("collections.OrderedDict")}},
    "whole numbers and fractions as keys": node(
        "builtins.dict", "DictNode", content={"1": text(1), "0.5": text(2)},
        key_types=listed(type_of("builtins.int"), type_of("builtins.float"))),
    "a slice": node("builtins.slice", "SliceNode", content={
        "start": 1, "stop": None, "step": None}),
    "a time": node("datetime.date", "ConstructorFromReduceNode",
                   content=tupled(text(2026), text(1), text(2))),
}  # fmt: skip


@pytest.mark.parametrize("honest", _HONEST.values(), ids=_HONEST)
def test_what_honest_models_hold_passes(honest: Node, tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    path.write_bytes(skops_file(honest))

    assert scan(path).unknown == ()


def test_a_function_of_the_oldest_protocol_is_judged_where_skops_looks_it_up(
    tmp_path: Path,
) -> None:
    path = tmp_path / "model.skops"
    function_node = node(
        "numpy.abs", "FunctionNode", content={"module_path": "numpy", "function": "exp"}
    )
    path.write_bytes(skops_file(_holding(func=function_node), protocol=0))

    assert scan(path).unknown == ()

    function_node["content"] = {"module_path": "numpy", "function": "sum"}
    path.write_bytes(skops_file(_holding(func=function_node), protocol=0))

    assert any("numpy.sum" in doubt for doubt in scan(path).unknown)


@pytest.mark.filterwarnings("ignore")
def test_skops_does_make_a_class_of_a_type(tmp_path: Path) -> None:
    skops = pytest.importorskip("skops.io", reason="skops is not installed")
    path = tmp_path / "model.skops"
    path.write_bytes(skops_file(_HOSTILE["a type of an object"]))

    (made,) = skops.load(path, trusted=skops.get_untrusted_types(file=path))

    assert made.func is np.str_


def test_a_class_of_one_s_own_is_made_as_its_policy_allows(tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    own = node("shop.Basket", "ListNode", content=[text(1)])
    path.write_bytes(skops_file(_holding(func=node("shop.clip", "FunctionNode"), a=own)))

    assert scan(path, ["shop.*"]).unknown == ()
    assert scan(path).unknown


def _archive(*members: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are there already
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


def _schema(content: Node) -> bytes:
    return json.dumps(listed(content) | {"protocol": 2}).encode()


def _npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


_PLAIN = _schema(text(1))
_ARRAY = _schema(node("numpy.ndarray", "NdArrayNode", type="numpy", file="1.npy"))
_EVIL = _schema(node("os.system", "FunctionNode"))
_TWICE = _PLAIN[:-1] + b', "content": ' + json.dumps([node("os.x", "FunctionNode")]).encode() + b"}"
_ARCHIVES = {
    "a schema twice": _archive(("schema.json", _PLAIN), ("schema.json", _EVIL)),
    "a schema twice, the other way": _archive(("schema.json", _EVIL), ("schema.json", _PLAIN)),
    "one key twice": _archive(("schema.json", _TWICE)),
    "one key twice, deep inside": _archive(
        ("schema.json", _PLAIN.replace(b'"content": "1"', b'"content": "2", "content": "1"'))),
    "a schema that is not JSON": _archive(("schema.json", b'{"__loader__": "ListNode"')),
    "a member outside": _archive(("schema.json", _PLAIN), ("../1.npy", _npy([1]))),
    "an absolute member": _archive(("schema.json", _PLAIN), ("/tmp/1.npy", _npy([1]))),
    "an archive as an array": _archive(
        ("schema.json", _ARRAY), ("1.npy", _archive(("a.npy", _npy([1]))))),
    "a pickle as an array": _archive(("schema.json", _ARRAY), ("1.npy", pickle.dumps(Ridge()))),
    "an array of another name": _archive(
        ("schema.json", _ARRAY.replace(b"1.npy", b"1.bin")), ("1.bin", _npy([1]))),
    "a sparse matrix of another name": _archive(("schema.json", _schema(node(
        "scipy.sparse._csr.csr_matrix", "SparseMatrixNode", type="scipy", file="1.npy")))),
    "numbers as a sparse matrix": _archive(
        ("schema.json", _schema(node("scipy.sparse._csr.csr_matrix", "SparseMatrixNode",
                                     type="scipy", file="1.npz"))), ("1.npz", _npy([1]))),
}  # fmt: skip


@pytest.mark.parametrize("content", _ARCHIVES.values(), ids=_ARCHIVES)
def test_an_archive_that_may_be_read_in_two_ways_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    path.write_bytes(content)

    assert scan(path).unknown


def test_nodes_beyond_any_depth_are_refused(tmp_path: Path) -> None:
    deep = text(1)
    for _ in range(250):
        deep = listed(deep)
    path = tmp_path / "model.skops"
    path.write_bytes(skops_file(deep))

    assert any("too deep" in doubt for doubt in scan(path).unknown)


def test_words_of_a_vocabulary_may_be_named_as_parameters(tmp_path: Path) -> None:
    skops = pytest.importorskip("skops.io", reason="skops is not installed")
    words = "memory cache input analyzer encoding stack_method_ file_name"
    model = CountVectorizer(token_pattern=r"\w+").fit([words])
    skops.dump(model, tmp_path / "model.skops")

    assert scan(tmp_path / "model.skops").unknown == ()
